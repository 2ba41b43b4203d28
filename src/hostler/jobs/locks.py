"""Locks: a set taken at once in the accepting transaction, inherited by child jobs, freed when the job ends."""

from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, delete, or_, select

from hostler.jobs.errors import ConflictError
from hostler.jobs.states import Hold
from hostler.store.compiled import Insert, Query, Update
from hostler.store.tables import job, job_object

_HOLD = Insert(job_object)
_HOLDS_OF = Update(job_object, job_object.c.job_id == bindparam("of_job"), job_object.c.hold != Hold.NONE)
_ALONE = Update(job_object, job_object.c.job_id == bindparam("of_job"), job_object.c.exclusive)
_HELD = Query(
    select(job_object.c.exclusive, job_object.c.hold, job.c.root_id, job.c.title)
    .join(job, job.c.id == job_object.c.job_id)
    .where(
        job_object.c.object == bindparam("name"),
        or_(job_object.c.hold == Hold.BLOCK, job_object.c.hold == Hold.LOCK),
        job_object.c.exclusive >= bindparam("at_least"),
        job.c.root_id != bindparam("root"),
    )
    .limit(1)
)
"""A holder in the way of a lock: for a shared one (`at_least` true) only a holder that has the object to itself.

A part of a job is decided on with the whole: it is the root that the caller is told of.
"""


def take(connection: Connection, job_id: str, root_id: str, exclusive: Iterable[str], shared: Iterable[str]) -> None:
    """Lock all or nothing; ConflictError names the job in the way."""
    exclusive, shared = list(exclusive), list(shared)
    check(connection, root_id, exclusive, shared)
    wanted = _wanted(exclusive, shared)
    if wanted:
        rows = [
            {"job_id": job_id, "object": name, "exclusive": alone, "hold": Hold.LOCK} for name, alone in wanted.items()
        ]
        _HOLD.many(connection, rows)


def take_again(connection: Connection, job_id: str, root_id: str) -> None:
    """Lock again what the job held, all or nothing."""
    exclusive, shared = held_by(connection, job_id)
    connection.execute(delete(job_object).where(job_object.c.job_id == job_id))
    take(connection, job_id, root_id, exclusive, shared)


def _wanted(exclusive: Iterable[str], shared: Iterable[str]) -> dict[str, bool]:
    return dict.fromkeys(sorted(shared), False) | dict.fromkeys(sorted(exclusive), True)


def check(connection: Connection, root_id: str, exclusive: Iterable[str], shared: Iterable[str]) -> None:
    """Prove that the locks could be taken now; ConflictError names the job in the way. One root is never in its own."""
    for name, alone in sorted(_wanted(exclusive, shared).items()):
        held = _HELD.first(connection, name=name, at_least=not alone, root=root_id)
        if held is None:
            continue
        _, hold, holder, title = held
        if hold == Hold.BLOCK:
            raise ConflictError(
                f"Job {holder} ({title}) failed and holds the {_spoken(name)} until somebody decides on it.",
                f"hostler job restart {holder}, hostler job undo {holder} or hostler job dismiss {holder}",
                job=holder,
            )
        raise ConflictError(
            f"The {_spoken(name)} is in use by job {holder} ({title}).",
            f"Wait for it (hostler job follow {holder}) or cancel it (hostler job cancel {holder}).",
            job=holder,
        )


def free(connection: Connection, job_id: str) -> None:
    """Let go of everything the job holds."""
    _HOLDS_OF.run(connection, {"of_job": job_id}, hold=Hold.NONE)


def block(connection: Connection, job_id: str) -> None:
    """Free what was shared; what the failed job had to itself waits for a decision on it."""
    free(connection, job_id)
    _ALONE.run(connection, {"of_job": job_id}, hold=Hold.BLOCK)


def held_by(connection: Connection, job_id: str) -> tuple[list[str], list[str]]:
    """The objects of a job: those it had to itself, those it shared."""
    rows = connection.execute(
        select(job_object.c.object, job_object.c.exclusive).where(job_object.c.job_id == job_id)
    ).all()
    return [name for name, alone in rows if alone], [name for name, alone in rows if not alone]


def _spoken(name: str) -> str:
    noun, _, identity = name.partition("/")
    return f"{noun} {identity}"

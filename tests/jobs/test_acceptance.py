"""A call becomes a job whole, once, or not at all."""

import asyncio
import sqlite3
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, insert, select, update
from tests.jobs.conftest import CALLER, House
from tests.jobs.trial import NOUN, Operations, World

from hostler.domain.access.rights import Caller, Rights
from hostler.jobs import acceptance, locks, trail
from hostler.jobs.acceptance import SameKeyOtherCallError
from hostler.jobs.engine import Engine
from hostler.jobs.errors import AmbiguousError, ConflictError, ForbiddenError, InvalidError, UnknownObjectError
from hostler.jobs.states import JobState
from hostler.store.sqlite import SqliteDatabase
from hostler.store.tables import api_token, audit, job, user, vm


class BrokenError(Exception):
    """Planted in one part of the accepting transaction."""


def broken(*_: Any, **__: Any) -> None:
    raise BrokenError


@pytest.mark.parametrize("part", ["_insert_job", "take", "accepted", "audit", "job_event"])
async def test_a_fault_in_any_part_writes_nothing_at_all(
    house: House, world: World, operations: Operations, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    hooks: dict[str, Any] = {"accepted": broken} if part == "accepted" else {}
    operation = operations.make(world.three(), **hooks)
    before = house.content()
    for room, name in ((acceptance, "_insert_job"), (locks, "take"), (trail, "audit"), (trail, "job_event")):
        if name == part:
            monkeypatch.setattr(room, name, broken)
    with pytest.raises(BrokenError):
        await house.accept(operation, exclusive=["vm/1"])
    assert house.content() == before


async def test_a_fault_among_the_steps_writes_no_job(house: House, world: World, operations: Operations) -> None:
    operation = operations.make(world.three())
    before = house.content()
    with house.database.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER broken BEFORE INSERT ON job_step WHEN new.n = 2 BEGIN SELECT RAISE(ABORT, 'planted'); END"
        )
    with pytest.raises(Exception, match="planted"):
        await house.accept(operation, exclusive=["vm/1"])
    with house.database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER broken")
    assert house.content() == before


async def test_the_same_key_with_the_same_call_is_the_same_job(
    house: House, world: World, operations: Operations
) -> None:
    operation, key = operations.make(world.three()), str(uuid.uuid4())
    together = await asyncio.gather(*(house.accept(operation, key=key, exclusive=["vm/1"]) for _ in range(50)))
    assert set(together) == {key}
    assert len(await house.rows(select(job.c.id))) == 1
    reopened = SqliteDatabase(house.path)
    again = await Engine(reopened, house.idle_worker()).accept(house.request(operation, key=key, exclusive=["vm/1"]))
    reopened.close()
    assert again == key
    assert await house.audited() == [(operation, "accepted")]


@pytest.mark.parametrize("change", [{"name": "other"}, {"exclusive": ["vm/2"]}, {"caller": "ann"}])
async def test_the_same_key_with_another_call_is_refused(
    house: House, world: World, operations: Operations, change: dict[str, Any]
) -> None:
    operation, key = operations.make(world.three()), str(uuid.uuid4())
    await house.accept(operation, key=key, exclusive=["vm/1"])
    other = {"exclusive": ["vm/1"]} | change
    if "caller" in other:
        other["caller"] = await house.user("ann")
    with pytest.raises(SameKeyOtherCallError) as refused:
        await house.accept(operation, key=key, **other)
    assert refused.value.status == 422
    assert len(await house.rows(select(job.c.id))) == 1


async def test_a_refusal_is_kept_in_the_audit_trail(house: House, world: World, operations: Operations) -> None:
    operation = operations.make(world.three())
    nobody = msgspec.structs.replace(CALLER, rights=Rights(privileges=frozenset({"Other"})), reason="why not")
    with pytest.raises(ForbiddenError, match="privilege Try"):
        await house.accept(operation, caller=nobody)
    (kept,) = await house.rows(select(audit))
    assert (kept.user, kept.outcome, kept.reason, kept.detail["code"]) == ("tester", "refused", "why not", "forbidden")
    assert "privilege Try" in kept.detail["message"]


async def machines(house: House, *names: str) -> list[str]:
    """VMs: of them two may have one name."""
    rows = [
        {"id": str(uuid.uuid4()), "name": name, "state": "running", "cpu_count": 1, "memory_mib": 1, "created_at": 0}
        for name in names
    ]
    await house.write(insert(vm).values(rows))
    return [str(row["id"]) for row in rows]


def about_a_vm(operations: Operations, world: World) -> str:
    operations.make(world.three(), verb="about")
    made: Any = operations.take("about")
    made.noun = "vm"
    return f"{NOUN}.about"


async def call(house: House, operation: str, subject: str) -> str:
    return await house.engine.accept(replace(house.request(operation), subject=subject))


async def test_references(house: House, world: World, operations: Operations) -> None:
    web, twin, other_twin = await machines(house, "web", "twin", "twin")
    operation = about_a_vm(operations, world)
    for good in (web, "web", f"{web}:web"):
        row = await house.row(await call(house, operation, good))
        assert row.call["subject"] == f"{web}:web"
    for unknown in ("nobody", str(uuid.uuid4()), f"{web}:wep", f"{twin}:web"):
        with pytest.raises(UnknownObjectError):
            await call(house, operation, unknown)
    with pytest.raises(AmbiguousError, match=twin) as refused:
        await call(house, operation, "twin")
    assert set(refused.value.detail["ids"]) == {twin, other_twin}  # type: ignore[call-overload]  # detail is of objects


@pytest.mark.parametrize("bad", ["a\0b", "a\ud800b"], ids=["NUL", "surrogate"])
@pytest.mark.parametrize("place", ["argument", "nested", "key", "subject", "reason"])
async def test_what_cannot_be_stored_is_refused_and_the_refusal_is_kept(
    house: House, world: World, operations: Operations, bad: str, place: str
) -> None:
    operation = operations.make(world.three())
    arguments: dict[str, dict[str, Any]] = {
        "argument": {"name": bad},
        "nested": {"exclusive": ["ok", bad]},
        "key": {bad: 1},
    }
    caller = msgspec.structs.replace(CALLER, reason=bad) if place == "reason" else CALLER
    subject = bad if place == "subject" else None
    key = await house.accept(operation)
    for job_id in (str(uuid.uuid4()), key):
        request = acceptance.Request(
            job_id=job_id, operation=operation, subject=subject, arguments=arguments.get(place, {}), caller=caller
        )
        with pytest.raises(InvalidError, match="NUL or a lone surrogate"):
            await house.engine.accept(request)
    assert (await house.audited())[1:] == [(operation, "refused")] * 2


async def test_unknown_parameters_are_named(house: House, world: World, operations: Operations) -> None:
    with pytest.raises(InvalidError, match="colour") as refused:
        await house.accept(operations.make(world.three()), colour="red")
    assert refused.value.detail["problems"]


async def test_a_dry_run_writes_nothing_and_tells_of_conflicts(
    house: House, world: World, operations: Operations
) -> None:
    operation = operations.make(world.three())
    before = house.content()
    told = await house.engine.dry_run(house.request(operation, exclusive=["vm/1"], shared=["host/1"]))
    assert (told.steps, told.exclusive, told.shared) == (["one", "two", "three"], ["vm/1"], ["host/1"])
    assert house.content() == before
    holder = await house.accept(operation, exclusive=["vm/1"])
    before = house.content()
    with pytest.raises(ConflictError) as refused:
        await house.engine.dry_run(house.request(operation, shared=["vm/1"]))
    assert refused.value.detail["job"] == holder
    assert house.content() == before


async def test_a_part_of_no_job_is_refused(house: House, world: World, operations: Operations) -> None:
    request = acceptance.Request(
        job_id=str(uuid.uuid4()),
        operation=operations.make(world.three()),
        subject=None,
        arguments={},
        caller=CALLER,
        parent_id=str(uuid.uuid4()),
    )
    with pytest.raises(UnknownObjectError):
        await house.engine.accept(request)


Revoke = Callable[[House, Caller], Any]


async def disable(house: House, ann: Caller) -> None:
    await house.write(update(user).where(user.c.id == ann.user_id).values(enabled=False))


async def revoke(house: House, ann: Caller) -> None:
    await house.write(update(api_token).where(api_token.c.user_id == ann.user_id).values(revoked_at=1))


async def narrow(house: House, ann: Caller) -> None:
    await house.write(update(api_token).where(api_token.c.user_id == ann.user_id).values(privileges=["Other"]))


@pytest.mark.parametrize("end", [disable, revoke, narrow])
async def test_rights_lost_in_the_queue_stop_the_job_and_somebody_else_restarts_it(
    house: House, world: World, operations: Operations, end: Revoke
) -> None:
    operation = operations.make(world.three())
    ann = await house.user("ann")
    token = str(uuid.uuid4())
    await house.write(insert(api_token).values(id=token, name="t", secret_hash="x", user_id=ann.user_id, created_at=0))
    ann = msgspec.structs.replace(ann, token_id=token)
    job_id = await house.accept(operation, caller=ann, exclusive=["vm/1"])
    await end(house, ann)
    await house.worker()
    row = await house.ended(job_id)
    assert (row.state, row.error["code"], row.error["left"]) == (JobState.FAILED, "forbidden", [])
    assert "Restart it as somebody who may" in row.error["remedy"]
    assert await house.holds(job_id) == {"vm/1": "block"}
    assert await house.steps(job_id) == ["planned"] * 3
    assert world.log == []
    await house.engine.restart(job_id, await house.user("bob"))
    assert (await house.ended(job_id)).state == JobState.COMPLETED
    assert (await house.row(job_id)).user == "bob"


async def test_rights_lost_half_way_leave_what_stands_named(house: House, world: World, operations: Operations) -> None:
    operation = operations.make(world.three())
    ann = await house.user("ann")

    async def crash(_operation: str, step: str, phase: str) -> None:
        if (step, phase) == ("two", "effect"):
            raise SystemCrash

    first = await house.worker(crash)
    job_id = await house.accept(operation, caller=ann, exclusive=["vm/1"])
    await house.until(lambda _: ("thing", "two") in world.there)
    await first.finish_attempts()
    await first.abandon()
    await disable(house, ann)
    await house.worker(alone=True)
    row = await house.ended(job_id)
    assert (row.error["code"], row.error["left"]) == ("forbidden", ["one of thing", "two of thing"])


class SystemCrash(BaseException):
    """The process is gone."""


async def test_many_calls_at_once_are_all_kept(house: House, world: World, operations: Operations) -> None:
    operation = operations.make((world.step("one"),))
    await asyncio.gather(*(house.accept(operation, name=f"n{n}", exclusive=[f"vm/{n}"]) for n in range(200)))
    assert (await house.rows(select(func.count()).select_from(job)))[0][0] == 200
    with sqlite3.connect(house.path) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    opened.close()

"""What the log of effects proves: what was done twice, and what jobs left behind."""

import sqlite3
from collections.abc import Collection, Iterable, Mapping

from hostler.providers.simulated.host import Did
from hostler.providers.simulated.knobs import Effect

_UNDOES: Mapping[Did, frozenset[Did]] = {
    Did.COPY_CLEANED: frozenset({Did.COPY_BEGUN}),
    Did.FILE_DELETED: frozenset({Did.COPY_BEGUN, Did.FILE_MADE, Did.COPY_CLEANED}),
    Did.COPY_BEGUN: frozenset({Did.COPY_CLEANED, Did.FILE_DELETED}),
    Did.FILE_MADE: frozenset({Did.FILE_DELETED}),
    Did.VM_DEFINED: frozenset({Did.VM_UNDEFINED}),
    Did.VM_UNDEFINED: frozenset(Did) - {Did.VM_UNDEFINED},
    Did.VM_STARTED: frozenset({Did.VM_STOPPED, Did.VM_SAVED, Did.VM_SAVE_BEGUN, Did.VM_SHUTTING_DOWN}),
    Did.VM_STOPPED: frozenset({Did.VM_STARTED, Did.VM_SHUTTING_DOWN, Did.VM_PAUSED, Did.VM_RESUMED, Did.VM_SAVED}),
    Did.VM_PAUSED: frozenset({Did.VM_RESUMED}),
    Did.VM_RESUMED: frozenset({Did.VM_PAUSED}),
    Did.VM_SAVED: frozenset({Did.VM_STARTED, Did.VM_PAUSED, Did.VM_RESUMED}),
    Did.VM_SAVE_CANCELLED: frozenset({Did.VM_SAVE_BEGUN}),
    Did.VM_SAVE_BEGUN: frozenset({Did.VM_SAVE_CANCELLED}),
}
"""An effect on the left makes these repeatable."""

_PER_JOB = frozenset({Did.VM_RESET})
"""Effects that anybody may ask for again, but one job only once."""

_NEVER = frozenset({Did.VM_CHANGED})


def duplicates(effects: Iterable[Effect]) -> tuple[Effect, ...]:
    """Effects that came again while the first still stood."""
    standing: dict[tuple[str, str], set[tuple[str, Did]]] = {}
    again = []
    for effect in effects:
        did = Did(effect.effect)
        at_target = standing.setdefault((effect.host_id, effect.target), set())
        if not effect.job_id:
            # Somebody else was here: whatever we did before may have to be done again.
            at_target.clear()
            continue
        key = (effect.job_id if did in _PER_JOB else "", did)
        if key in at_target and did not in _NEVER:
            again.append(effect)
        at_target.add(key)
        at_target.difference_update(("", undone) for undone in _UNDOES.get(did, frozenset()))
    return tuple(again)


def read_effects(db: sqlite3.Connection, job_id: str | None) -> tuple[Effect, ...]:
    rows = db.execute("SELECT * FROM effects WHERE job_id = coalesce(?, job_id) ORDER BY number", (job_id,)).fetchall()
    return tuple(Effect(**dict(row)) for row in rows)


def leftovers(db: sqlite3.Connection, named: Collection[str]) -> tuple[str, ...]:
    """VM ids and paths that jobs made, whole or half, and `named` lacks."""
    made = db.execute(
        "SELECT native_id AS made FROM vms WHERE job_id <> '' UNION ALL SELECT path FROM files WHERE job_id <> ''"
    )
    return tuple(sorted({row["made"] for row in made} - set(named)))

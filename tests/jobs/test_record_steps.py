"""What a step records is in the database exactly once while it stands, and untouched when it never stood."""

from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select
from tests.jobs.conftest import CALLER, House
from tests.jobs.trial import Gate, Operations, World, once

from hostler.jobs.states import JobState, Resolution
from hostler.jobs.step import RecordStep
from hostler.store.tables import job_limit


def remove(connection: Connection, at: Any, result: Any = None) -> None:
    assert connection.execute(delete(job_limit).where(job_limit.c.key == "row")).rowcount == 1


def put(connection: Connection, at: Any, result: Any = None) -> None:
    connection.execute(insert(job_limit).values(key="row", at_most=1))


async def there(house: House) -> bool:
    return bool(await house.rows(select(job_limit.c.key)))


async def test_what_was_only_intended_is_not_taken_back(house: House, world: World, operations: Operations) -> None:
    """Taking back a deletion that never was would put a second row beside the first."""
    await house.database.write(lambda connection: put(connection, None))
    step = RecordStep(name="row", title="row", record=remove, unrecord=put)
    gate = Gate("row", "intent")
    killed = await house.worker(gate)
    job_id = await house.accept(operations.make((world.step("one"), step, world.step("two"))))
    await gate.reached.wait()
    await killed.abandon()
    await house.engine.cancel(job_id, CALLER)
    await house.worker(alone=True)
    row = await house.ended(job_id)
    assert (row.state, row.resolution) == (JobState.CANCELLED, Resolution.UNDONE), row.error
    assert await there(house)


@pytest.mark.parametrize("verb", ["restart", "undo"])
async def test_what_is_recorded_is_not_recorded_again(
    house: House, world: World, operations: Operations, verb: str
) -> None:
    """Its taking back failed, so it still stands."""
    broken = [RuntimeError("planted")]

    def unrecord(connection: Connection, at: Any) -> None:
        if broken:
            raise broken.pop()
        remove(connection, at)

    world.before["do two"] = once(RuntimeError("planted"))
    step = RecordStep(name="row", title="row", record=put, unrecord=unrecord)
    await house.worker()
    row = await house.run(operations.make((step, world.step("two"))))
    await house.engine.undo(row.id, CALLER)
    failed = await house.ended(row.id)
    assert (failed.error["step"], failed.resolution, await there(house)) == ("row", None, True)
    await getattr(house.engine, verb)(row.id, CALLER)
    again = await house.ended(row.id)
    wanted = (JobState.COMPLETED, None) if verb == "restart" else (JobState.FAILED, Resolution.UNDONE)
    assert (again.state, again.resolution) == wanted, again.error
    assert await there(house) is (verb == "restart")

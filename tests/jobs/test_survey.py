"""What an operation looks at outside the database is looked at before the transaction: nobody else waits for it."""

import asyncio
from typing import Any

import msgspec
import pytest
from tests.jobs.conftest import CALLER, House
from tests.jobs.trial import Operations, TrialParams, World

from hostler.domain.access.rights import Rights
from hostler.jobs.errors import ConflictError, ForbiddenError
from hostler.jobs.operation import Read


async def test_others_go_on_while_one_looks(house: House, world: World, operations: Operations) -> None:
    answered, asked = asyncio.Event(), asyncio.Event()

    async def survey(_self: Any, read: Read, params: TrialParams) -> str:
        asked.set()
        await answered.wait()
        return "seen"

    looking = operations.make(world.three(), "looking", survey=survey)
    waiting = asyncio.create_task(house.accept(looking, name="late"))
    await asked.wait()
    await house.worker()
    assert (await house.run(operations.make(world.three()), name="other")).state == "completed"
    answered.set()
    assert (await house.ended(await waiting)).state == "completed"


async def test_a_look_that_refuses_writes_no_job_and_is_kept_in_the_audit_trail(
    house: House, world: World, operations: Operations
) -> None:
    async def survey(_self: Any, read: Read, params: TrialParams) -> None:
        raise ConflictError("The share does not answer.")

    operation = operations.make(world.three(), survey=survey)
    with pytest.raises(ConflictError):
        await house.accept(operation)
    assert await house.audited() == [(operation, "refused")]


async def test_who_may_not_ask_has_nothing_looked_at(house: House, world: World, operations: Operations) -> None:
    looked = False

    async def survey(_self: Any, read: Read, params: TrialParams) -> None:
        nonlocal looked
        looked = True

    operation = operations.make(world.three(), survey=survey)
    nobody = msgspec.structs.replace(CALLER, rights=Rights(privileges=frozenset()))
    with pytest.raises(ForbiddenError):
        await house.accept(operation, caller=nobody)
    assert not looked

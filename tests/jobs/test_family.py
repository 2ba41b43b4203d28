"""Parents and children: one job made of many, that nobody works on while they run, decided on as a whole."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import func, select
from tests.jobs.conftest import CALLER, House
from tests.jobs.trial import At, Operations, TrialParams, TrialPlan, World, always, once

from hostler.jobs.errors import ConflictError
from hostler.jobs.operation import Acceptance, ChildCall, Prepared, Subject
from hostler.jobs.step import AnyStep, ChildrenStep
from hostler.store.database import AnyRow
from hostler.store.tables import event, job, job_limit, user

NAMES = ("a", "b", "c")
PLANTED = RuntimeError("planted")
CHILDREN: AnyStep[TrialPlan] = ChildrenStep(name="children", title="Do each")


def parent(operations: Operations, part: str, steps: Sequence[AnyStep[TrialPlan]] = (CHILDREN,), **more: Any) -> str:
    """An operation that is one `part` for each of NAMES."""

    def prepare(_self: object, at: Acceptance, subject: AnyRow | None, params: TrialParams) -> Prepared[TrialPlan]:
        calls = [
            ChildCall(
                job_id=at.new_id(),
                operation=part,
                subject=None,
                arguments={"name": name, "exclusive": [f"vm/{name}"], **more},
            )
            for name in NAMES
        ]
        return Prepared(
            plan=TrialPlan(name=params.name),
            subject=Subject(kind="hardware-profile", id=at.new_id(), name=params.name),
            title="Many",
            exclusive=["many/1"],
            children=calls,
        )

    return operations.make(steps, "many", prepare=prepare)


async def children(house: House, job_id: str) -> list[AnyRow]:
    return await house.rows(select(job).where(job.c.parent_id == job_id).order_by(job.c.seq))


async def states(house: House, job_id: str) -> list[str]:
    return [child.state for child in await children(house, job_id)]


async def held(house: House, job_id: str) -> set[str]:
    """How the whole family holds its objects."""
    found = set((await house.holds(job_id)).values())
    for child in await children(house, job_id):
        found |= set((await house.holds(child.id)).values())
    return found


async def test_the_family_is_one_job_with_the_parts_beneath(house: House, world: World, operations: Operations) -> None:
    operation = parent(operations, operations.make(world.three()))
    await house.worker()
    row = await house.run(operation)
    parts = await children(house, row.id)
    assert (row.state, row.percent, row.waits) == ("completed", 100, False)
    assert [(part.subject_name, part.state, part.root_id) for part in parts] == [
        (name, "completed", row.id) for name in NAMES
    ]
    assert set(world.made.values()) == {1}
    assert await held(house, row.id) == {"none"}


async def test_a_waiting_parent_holds_no_worker_and_no_place(
    house: House, world: World, operations: Operations
) -> None:
    """With room for one attempt and one job at a time on the host, everything still gets done."""
    await house.write(job_limit.insert().values(key="host/1", at_most=1))
    operation = parent(operations, operations.make(world.three()), limit="host/1")
    await house.worker(at_once=1)
    assert (await house.run(operation)).state == "completed"
    (limit,) = await house.rows(select(job_limit.c.running))
    assert limit.running == 0


async def test_what_a_part_had_stays_locked_until_the_whole_has_ended(
    house: House, world: World, operations: Operations
) -> None:
    part = operations.make((world.step("one"), world.long_step("copy")))
    operation = parent(operations, part)
    await house.worker()
    job_id = await house.accept(operation)
    await house.until(lambda _: len(world.tasks) == len(NAMES))
    next(task for task in world.tasks.values() if task.thing == "a").ended = "done"
    first = (await children(house, job_id))[0]
    await house.ended(first.id)
    with pytest.raises(ConflictError) as refused:
        await house.accept(part, name="other", exclusive=["vm/a"])
    assert refused.value.detail["job"] == job_id
    row = await house.row(job_id)
    # One is done, two are half done.
    assert (row.state, row.waits, row.percent, row.replica) == ("running", True, 66, None)
    for task in world.tasks.values():
        task.ended = "done"
    assert (await house.ended(job_id)).state == "completed"


def failing_for(name: str) -> Any:
    def trigger(at: At) -> None:
        if at.plan.name == name:
            raise PLANTED

    return trigger


async def failed(house: House, world: World, operations: Operations) -> AnyRow:
    """A family of which the part `b` failed."""
    operation = parent(operations, operations.make(world.three()))
    world.before["do two"] = failing_for("b")
    await house.worker()
    return await house.run(operation)


async def test_a_part_that_fails_fails_the_whole_which_names_it(
    house: House, world: World, operations: Operations
) -> None:
    row = await failed(house, world, operations)
    assert (row.state, row.error["code"]) == ("failed", "children_failed")
    assert "1 of 3" in row.error["message"]
    assert "planted" in row.error["message"]
    assert await states(house, row.id) == ["completed", "failed", "completed"]
    holds = [set((await house.holds(child.id)).values()) for child in await children(house, row.id)]
    assert holds == [{"none"}, {"block"}, {"none"}]
    for child in await children(house, row.id):
        for verb in ("cancel", "restart", "undo", "dismiss"):
            with pytest.raises(ConflictError, match=row.id):
                await getattr(house.engine, verb)(child.id, CALLER)


async def test_a_restart_runs_only_what_failed(house: House, world: World, operations: Operations) -> None:
    row = await failed(house, world, operations)
    del world.before["do two"]
    await house.engine.restart(row.id, CALLER)
    assert (await house.ended(row.id)).state == "completed"
    assert set(world.made.values()) == {1}
    assert await held(house, row.id) == {"none"}


async def test_an_undo_takes_back_every_part(house: House, world: World, operations: Operations) -> None:
    row = await failed(house, world, operations)
    await house.engine.undo(row.id, CALLER)
    ended = await house.ended(row.id)
    assert (ended.state, ended.resolution, world.there) == ("failed", "undone", set())
    assert {child.resolution for child in await children(house, row.id)} == {"undone"}
    assert await held(house, row.id) == {"none"}


async def test_an_undo_that_fails_is_tried_again_when_somebody_says_so(
    house: House, world: World, operations: Operations
) -> None:
    row = await failed(house, world, operations)
    world.before["undo one"] = once(PLANTED)
    await house.engine.undo(row.id, CALLER)
    ended = await house.ended(row.id)
    assert (ended.state, ended.error["code"]) == ("failed", "children_failed")
    await house.engine.undo(row.id, CALLER)
    assert ((await house.ended(row.id)).resolution, world.there) == ("undone", set())


async def test_an_undo_is_refused_while_a_later_job_has_what_a_part_made(
    house: House, world: World, operations: Operations
) -> None:
    row = await failed(house, world, operations)
    other = operations.make((world.long_step("copy"),), "other")
    job_id = await house.accept(other, name="later", exclusive=["vm/a"])
    with pytest.raises(ConflictError) as refused:
        await house.engine.undo(row.id, CALLER)
    assert refused.value.detail["job"] == job_id
    assert (await house.row(row.id)).state == "failed"
    assert len(world.there) == 7


async def test_dismissed_as_a_whole(house: House, world: World, operations: Operations) -> None:
    row = await failed(house, world, operations)
    await house.engine.dismiss(row.id, CALLER)
    assert await held(house, row.id) == {"none"}
    assert [child.resolution for child in await children(house, row.id)] == [None, "dismissed", None]
    assert len(world.there) == 7


async def test_cancelled_while_the_parts_run(house: House, world: World, operations: Operations) -> None:
    """One part is done, one is at work, one has not begun: nothing of any is left."""
    await house.write(job_limit.insert().values(key="host/1", at_most=1))
    part = operations.make((world.step("one"), world.long_step("copy")))
    operation = parent(operations, part, limit="host/1")
    await house.worker()
    job_id = await house.accept(operation)
    await house.until(lambda _: len(world.tasks) == 1)
    next(iter(world.tasks.values())).ended = "done"
    await house.until(lambda _: len(world.tasks) == 2)
    await house.engine.cancel(job_id, CALLER)
    row = await house.ended(job_id)
    assert (row.state, row.resolution, world.there) == ("cancelled", "undone", set())
    assert {child.resolution for child in await children(house, job_id)} == {"undone"}
    assert await held(house, job_id) == {"none"}


async def test_cancelled_before_it_began(house: House, world: World, operations: Operations) -> None:
    job_id = await house.accept(parent(operations, operations.make(world.three())))
    await house.engine.cancel(job_id, CALLER)
    assert await states(house, job_id) == ["cancelled"] * 3
    assert await held(house, job_id) == {"none"}
    await house.worker()
    await house.run(operations.make(world.three()), name="other")
    assert {name for name, _ in world.made} == {"other"}


@pytest.mark.parametrize("decision", ["undo", "dismiss"])
async def test_parts_that_never_began_never_do(
    house: House, world: World, operations: Operations, decision: str
) -> None:
    """A step before theirs failed."""
    operation = parent(operations, operations.make(world.three()), (world.step("before"), CHILDREN))
    world.before["do before"] = always(PLANTED)
    await house.worker()
    row = await house.run(operation)
    assert await states(house, row.id) == ["queued"] * 3
    await getattr(house.engine, decision)(row.id, CALLER)
    await house.ended(row.id)
    assert await states(house, row.id) == ["cancelled"] * 3
    assert await held(house, row.id) == {"none"}


async def test_a_part_that_cannot_be_accepted_refuses_the_whole(
    house: House, world: World, operations: Operations
) -> None:
    part = operations.make(world.three())
    await house.accept(part, name="in the way", exclusive=["vm/c"])
    with pytest.raises(ConflictError):
        await house.accept(parent(operations, part))
    assert (await house.rows(select(func.count()).select_from(job)))[0][0] == 1


async def test_each_crash_leaves_the_family_whole(house: House, world: World, operations: Operations) -> None:
    """The engine is dropped each time a part has made something, until all is done."""
    operation = parent(operations, operations.make(world.three()))
    job_id = await house.accept(operation)
    for made in range(1, 9):
        gone = asyncio.Event()

        async def border(_operation: str, _step: str, phase: str, made: int = made, gone: asyncio.Event = gone) -> None:
            if phase == "effect" and len(world.made) >= made:
                gone.set()
                raise asyncio.CancelledError

        worker = await house.worker(border, alone=True)
        await gone.wait()
        await worker.abandon()
    await house.worker(alone=True)
    assert (await house.ended(job_id)).state == "completed"
    assert set(world.made.values()) == {1}
    assert await held(house, job_id) == {"none"}


async def test_who_restarts_it_asks_for_the_parts_too(house: House, world: World, operations: Operations) -> None:
    """Who asked first may do nothing any more: neither the whole nor its parts run in that name."""
    first, second = await house.user("first"), await house.user("second")
    operation = parent(operations, operations.make(world.three()))
    world.before["do two"] = failing_for("b")
    await house.worker()
    row = await house.ended(await house.accept(operation, first))
    del world.before["do two"]
    await house.write(user.update().where(user.c.id == first.user_id).values(enabled=False))
    await house.engine.restart(row.id, second)
    ended = await house.ended(row.id)
    assert (ended.state, ended.user) == ("completed", "second")
    assert [part.user for part in await children(house, row.id)] == ["first", "second", "first"]


async def test_who_undoes_it_asks_for_the_parts_too(house: House, world: World, operations: Operations) -> None:
    first, second = await house.user("first"), await house.user("second")
    operation = parent(operations, operations.make(world.three()))
    world.before["do two"] = failing_for("b")
    await house.worker()
    row = await house.ended(await house.accept(operation, first))
    await house.write(user.update().where(user.c.id == first.user_id).values(enabled=False))
    await house.engine.undo(row.id, second)
    assert ((await house.ended(row.id)).resolution, world.there) == ("undone", set())


async def half_undone(house: House, world: World, operations: Operations) -> AnyRow:
    """A family whose undo broke at the part `b`: the others are taken back."""
    row = await failed(house, world, operations)
    world.before["undo one"] = failing_for("b")
    await house.engine.undo(row.id, CALLER)
    ended = await house.ended(row.id)
    assert [child.resolution for child in await children(house, row.id)] == ["undone", None, "undone"]
    return ended


async def test_what_was_taken_back_is_not_made_again(house: House, world: World, operations: Operations) -> None:
    row = await half_undone(house, world, operations)
    with pytest.raises(ConflictError, match="was taken back"):
        await house.engine.restart(row.id, CALLER)
    assert (await house.row(row.id)).state == "failed"
    assert {name for name, _ in world.there} == {"b"}


async def test_what_was_taken_back_is_free_at_once(house: House, world: World, operations: Operations) -> None:
    """And a later undo of the rest needs it no more."""
    row = await half_undone(house, world, operations)
    holds = [set((await house.holds(child.id)).values()) for child in await children(house, row.id)]
    assert holds == [{"none"}, {"block"}, {"none"}]
    await house.accept(operations.make((world.long_step("copy"),), "other"), name="later", exclusive=["vm/a"])
    del world.before["undo one"]
    await house.engine.undo(row.id, CALLER)
    assert (await house.ended(row.id)).resolution == "undone"


async def test_a_part_that_nobody_can_read_does_not_keep_the_others(
    house: House, world: World, operations: Operations
) -> None:
    row = await failed(house, world, operations)
    first = (await children(house, row.id))[0]
    await house.write(job.update().where(job.c.id == first.id).values(plan={"unfit": 1}))
    await house.engine.undo(row.id, CALLER)
    ended = await house.ended(row.id)
    assert (ended.state, ended.resolution, ended.error["code"]) == ("failed", None, "children_failed")
    assert first.id in ended.error["message"]
    assert [child.resolution for child in await children(house, row.id)] == [None, "undone", "undone"]
    await house.engine.dismiss(row.id, CALLER)
    assert await held(house, row.id) == {"none"}


def grandparent(operations: Operations, part: str) -> str:
    """Parents of parents: one `part`, itself a parent, of each of two names."""

    def prepare(_self: object, at: Acceptance, subject: AnyRow | None, params: TrialParams) -> Prepared[TrialPlan]:
        calls = [
            ChildCall(job_id=at.new_id(), operation=part, subject=None, arguments={"name": name})
            for name in ("left", "right")
        ]
        subject_of = Subject(kind="hardware-profile", id=at.new_id(), name=params.name)
        return Prepared(plan=TrialPlan(name=params.name), subject=subject_of, title="Most", children=calls)

    return operations.make((CHILDREN,), "most", prepare=prepare)


async def test_parts_may_have_parts(house: House, world: World, operations: Operations) -> None:
    """A failure far below fails all above it; restart and undo reach down to it."""
    operation = grandparent(operations, parent(operations, operations.make(world.three())))
    left = [failing_for("b")]
    world.before["do two"] = lambda at: left[0](at) if left else None
    await house.worker()
    row = await house.run(operation)
    assert (row.state, await states(house, row.id)) == ("failed", ["failed", "failed"])
    left.clear()
    await house.engine.restart(row.id, CALLER)
    ended = await house.ended(row.id)
    assert (ended.state, ended.percent) == ("completed", 100)
    family = await house.rows(select(job.c.state, job.c.root_id).where(job.c.id != row.id))
    assert {tuple(member) for member in family} == {("completed", row.id)}


async def test_parts_of_parts_are_taken_back(house: House, world: World, operations: Operations) -> None:
    operation = grandparent(operations, parent(operations, operations.make(world.three())))
    world.before["do two"] = failing_for("b")
    await house.worker()
    row = await house.run(operation)
    world.before["undo one"] = failing_for("b")
    await house.engine.undo(row.id, CALLER)
    assert (await house.ended(row.id)).resolution is None
    del world.before["undo one"]
    await house.engine.undo(row.id, CALLER)
    assert ((await house.ended(row.id)).resolution, world.there) == ("undone", set())
    members = await house.rows(select(job.c.resolution).where(job.c.id != row.id))
    assert {member.resolution for member in members} == {"undone"}


async def test_followers_see_how_far_the_parts_are(house: House, world: World, operations: Operations) -> None:
    """Each step of a part moves the whole, and is news of it."""
    operation = parent(operations, operations.make(world.three()))
    await house.worker(at_once=1)
    row = await house.run(operation)
    news = await house.rows(select(event.c.body).where(event.c.object_id == row.id).order_by(event.c.seq))
    told = [one.body["percent"] for one in news if one.body.get("percent", 0) and one.body["state"] == "running"]
    assert told == sorted(told)
    assert {11, 22, 33, 66} <= set(told)


def test_a_job_has_one_set_of_parts(world: World, operations: Operations) -> None:
    again: AnyStep[TrialPlan] = ChildrenStep(name="again", title="Do each again")
    with pytest.raises(TypeError, match="same children"):
        operations.make((CHILDREN, again))

"""Locks: taken at once or not at all, shared or alone, held until the job ends and blocked until it is decided on."""

import uuid
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test
from sqlalchemy import Connection, create_engine, select, text
from tests.jobs.conftest import CALLER, House
from tests.jobs.trial import Operations, World, once

from hostler.jobs import acceptance, decisions, journal
from hostler.jobs.acceptance import Request
from hostler.jobs.errors import ConflictError
from hostler.jobs.journal import Claimed
from hostler.jobs.operation import Operation
from hostler.jobs.states import JobState
from hostler.store.tables import job, job_object, metadata, replica

Wanted = dict[str, Any]


@pytest.mark.parametrize(
    ("held", "wanted", "free"),
    [
        ({"shared": ["a"]}, {"shared": ["a"]}, True),
        ({"shared": ["a"]}, {"exclusive": ["a"]}, False),
        ({"exclusive": ["a"]}, {"shared": ["a"]}, False),
        ({"exclusive": ["a"]}, {"exclusive": ["a"]}, False),
        ({"exclusive": ["a"]}, {"exclusive": ["b"]}, True),
        ({"exclusive": ["a"], "shared": ["b"]}, {"exclusive": ["c"], "shared": ["b"]}, True),
        ({"exclusive": ["a"], "shared": ["b"]}, {"exclusive": ["b"]}, False),
        ({"exclusive": ["a"], "shared": ["a"]}, {"shared": ["a"]}, False),
    ],
)
async def test_who_may_hold_beside_whom(
    house: House, world: World, operations: Operations, held: Wanted, wanted: Wanted, free: bool
) -> None:
    operation = operations.make(world.three())
    holder = await house.accept(operation, **held)
    if free:
        await house.accept(operation, **wanted)
        return
    with pytest.raises(ConflictError, match=holder) as refused:
        await house.accept(operation, **wanted)
    assert (refused.value.status, refused.value.detail["job"]) == (409, holder)


async def test_all_or_nothing(house: House, world: World, operations: Operations) -> None:
    operation = operations.make(world.three())
    await house.accept(operation, exclusive=["b"])
    with pytest.raises(ConflictError):
        await house.accept(operation, exclusive=["a", "b", "c"])
    await house.accept(operation, exclusive=["a", "c"])


async def test_free_at_the_end(house: House, world: World, operations: Operations) -> None:
    operation = operations.make(world.three())
    await house.worker()
    row = await house.run(operation, exclusive=["a"], shared=["b"])
    assert await house.holds(row.id) == {"a": "none", "b": "none"}
    await house.accept(operation, exclusive=["a", "b"])


@pytest.mark.parametrize("decision", ["restart", "undo", "dismiss"])
async def test_what_a_failed_job_had_alone_is_blocked_until_somebody_decides(
    house: House, world: World, operations: Operations, decision: str
) -> None:
    operation = operations.make(world.three())
    world.before["do two"] = once(RuntimeError("planted"))
    await house.worker()
    failed = await house.run(operation, exclusive=["a"], shared=["b"])
    assert (failed.state, await house.holds(failed.id)) == (JobState.FAILED, {"a": "block", "b": "none"})
    wishes: list[Wanted] = [{"exclusive": ["a"]}, {"shared": ["a"]}]
    for wanted in wishes:
        with pytest.raises(ConflictError, match="until somebody decides") as refused:
            await house.accept(operation, **wanted)
        assert failed.id in refused.value.remedy
    await house.run(operation, exclusive=["b"], name="other")
    await getattr(house.engine, decision)(failed.id, CALLER)
    await house.ended(failed.id)
    assert await house.holds(failed.id) == {"a": "none", "b": "none"}
    assert (await house.run(operation, exclusive=["a"], name="next")).state == JobState.COMPLETED


async def test_a_restart_takes_all_its_locks_again_or_none(house: House, world: World, operations: Operations) -> None:
    operation = operations.make(world.three())
    world.before["do two"] = once(RuntimeError("planted"))
    worker = await house.worker()
    failed = await house.run(operation, exclusive=["a"], shared=["b"])
    await worker.stop()
    other = await house.accept(operation, exclusive=["b"])
    with pytest.raises(ConflictError) as refused:
        await house.engine.restart(failed.id, CALLER)
    assert refused.value.detail["job"] == other
    assert await house.holds(failed.id) == {"a": "block", "b": "none"}
    assert (await house.row(failed.id)).state == JobState.FAILED


async def test_parts_of_a_job_inherit_its_locks(house: House, world: World, operations: Operations) -> None:
    operation = operations.make(world.three())
    parent = await house.accept(operation, exclusive=["a"])

    async def part(of: str) -> str:
        return await house.engine.accept(
            Request(
                job_id=str(uuid.uuid4()),
                operation=operation,
                subject=None,
                arguments={"exclusive": ["a"]},
                caller=CALLER,
                parent_id=of,
            )
        )

    child = await part(parent)
    grandchild = await part(child)
    assert {(await house.row(made)).root_id for made in (parent, child, grandchild)} == {parent}
    with pytest.raises(ConflictError):
        await house.accept(operation, exclusive=["a"])


OBJECTS = st.lists(st.sampled_from("abcd"), max_size=3, unique=True)


class LockMachine(RuleBasedStateMachine):
    """Accept, work, end, fail and decide in any order, beside a model that is a dictionary."""

    jobs = Bundle("jobs")
    operation: str

    def __init__(self) -> None:
        super().__init__()
        self.engine = create_engine("sqlite://")
        self.connection: Connection = self.engine.connect()
        metadata.create_all(self.connection)
        self.connection.execute(replica.insert().values(id="r", lease_until=10**18))
        self.held: dict[str, tuple[set[str], set[str], str]] = {}
        self.running: dict[str, Claimed] = {}

    def teardown(self) -> None:
        for job_id in list(self.running):
            self.complete(job_id)
        self.work()
        for job_id in list(self.running):
            self.complete(job_id)
        for job_id, (*_, hold) in list(self.held.items()):
            if hold == "block":
                self.dismiss(job_id)
        left = self.connection.execute(select(job_object.c.job_id).where(job_object.c.hold != "none")).all()
        assert left == []
        self.connection.close()
        self.engine.dispose()

    def conflicts(self, job_id: str, exclusive: set[str], shared: set[str]) -> bool:
        for holder, (alone, beside, hold) in self.held.items():
            if holder == job_id:
                continue
            others = beside if hold == "lock" else set()
            if alone & (exclusive | shared) or others & exclusive:
                return True
        return False

    def attempt(self, job_id: str, refused: bool, work: Any) -> bool:
        """Do it as one transaction; whether it was accepted, which must be what the model says."""
        told: ConflictError | None = None
        with self.connection.begin_nested() as unit:
            try:
                work()
            except ConflictError as conflict:
                unit.rollback()
                told = conflict
        assert (told is not None) is refused, f"{job_id}: {told}"
        return not refused

    @rule(target=jobs, exclusive=OBJECTS, shared=OBJECTS)
    def accept(self, exclusive: list[str], shared: list[str]) -> Any:
        job_id = str(uuid.uuid4())
        alone, beside = set(exclusive), set(shared) - set(exclusive)
        arguments = {"exclusive": exclusive, "shared": shared}
        request = Request(job_id=job_id, operation=self.operation, subject=None, arguments=arguments, caller=CALLER)
        refused = self.conflicts(job_id, alone, beside)
        if not self.attempt(job_id, refused, lambda: acceptance.accept(self.connection, request, 1)):
            return multiple()
        self.held[job_id] = (alone, beside, "lock")
        return job_id

    @rule()
    def work(self) -> None:
        for claimed in journal.claim(self.connection, "r", Operation.registry, 100, 2, list(self.running)):
            journal.begin(self.connection, claimed, 2)
            self.running[claimed.job_id] = claimed

    @rule(job_id=jobs)
    def complete(self, job_id: str) -> None:
        claimed = self.running.pop(job_id, None)
        if claimed is None:
            return
        if claimed.undoing:
            journal.undo_ended(self.connection, claimed, [], 3)
        else:
            journal.complete(self.connection, claimed, {}, 3, cancel_requested=False)
        self.held.pop(job_id)

    @rule(job_id=jobs)
    def fail(self, job_id: str) -> None:
        claimed = self.running.pop(job_id, None)
        if claimed is not None:
            journal.fail(self.connection, claimed, 0, {"message": "planted"}, 3)
            alone, beside, _ = self.held[job_id]
            self.held[job_id] = (alone, beside, "block")

    @rule(job_id=jobs, verb=st.sampled_from(["restart", "undo"]))
    def go_again(self, job_id: str, verb: str) -> None:
        alone, beside, hold = self.held.get(job_id, (set(), set(), ""))
        refused = hold != "block" or self.conflicts(job_id, alone, beside)
        decide = getattr(decisions, verb)
        if self.attempt(job_id, refused, lambda: decide(self.connection, job_id, CALLER, 4)):
            self.held[job_id] = (alone, beside, "lock")

    @rule(job_id=jobs)
    def dismiss(self, job_id: str) -> None:
        refused = self.held.get(job_id, (None, None, ""))[2] != "block"
        if self.attempt(job_id, refused, lambda: decisions.dismiss(self.connection, job_id, CALLER, 4)):
            self.held.pop(job_id)

    @rule(job_id=jobs)
    def cancel(self, job_id: str) -> None:
        row = self.connection.execute(select(job.c.state, job.c.attempt).where(job.c.id == job_id)).one()
        refused = row.state not in (JobState.QUEUED, JobState.RUNNING)
        asked = self.attempt(job_id, refused, lambda: decisions.cancel(self.connection, job_id, CALLER, 4))
        if asked and row.state == JobState.QUEUED and row.attempt == 0:
            self.held.pop(job_id)

    @invariant()
    def nobody_holds_what_another_has_alone(self) -> None:
        twice = text(
            "SELECT a.object FROM job_object a JOIN job_object b ON a.object = b.object AND a.job_id < b.job_id"
            " WHERE a.hold != 'none' AND b.hold != 'none' AND (a.exclusive OR b.exclusive)"
        )
        assert self.connection.execute(twice).all() == []

    @invariant()
    def the_database_says_what_the_model_says(self) -> None:
        rows = self.connection.execute(select(job_object).where(job_object.c.hold != "none"))
        found = {(row.job_id, row.object, row.hold) for row in rows}
        wanted = {
            (job_id, name, hold)
            for job_id, (alone, beside, hold) in self.held.items()
            for name in (alone | beside if hold == "lock" else alone)
        }
        assert found == wanted


def test_locks_in_any_order(world: World, operations: Operations) -> None:
    LockMachine.operation = operations.make(world.three())
    run_state_machine_as_test(LockMachine, settings=settings(max_examples=40, stateful_step_count=30, deadline=None))

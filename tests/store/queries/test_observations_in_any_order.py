"""Passes, single reads, jobs, deletions and silence in any order: no interleaving makes the store tell a lie."""

import uuid
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from sqlalchemy import create_engine, select
from sqlalchemy.pool import StaticPool
from tests.store.queries.fleet import add_host, hold, vm_facts

from hostler.domain.fabric.facts import HostState
from hostler.domain.machines.facts import VmsRead
from hostler.domain.machines.shown_state import shown_state
from hostler.domain.machines.states import VmState
from hostler.store.database import AnyRow
from hostler.store.queries.observations import bury_vm, host_state, mark_vm, observe_native, observe_vm, observe_vms
from hostler.store.queries.observations.freshness import FactClass, last_read
from hostler.store.queries.observations.known import last_observed, last_seen
from hostler.store.tables import host, job, job_object, metadata, presence, vm

NATIVE = [str(uuid.UUID(int=n, version=4)) for n in range(1, 3)]
natives = st.sampled_from(NATIVE)
states = st.sampled_from([VmState.RUNNING, VmState.POWER_OFF, VmState.PAUSED])


class Watching(RuleBasedStateMachine):
    """One host. `reality` at each moment is kept, so that every stored claim can be held against it."""

    passes: Bundle[tuple[int, VmsRead]] = Bundle("passes")
    singles: Bundle[tuple[int, Any]] = Bundle("singles")

    def __init__(self) -> None:
        super().__init__()
        self.engine = create_engine("sqlite://", poolclass=StaticPool)
        metadata.create_all(self.engine)
        self.connection = self.engine.connect()
        add_host(self.connection, "h1")
        self.now = 100
        self.reality: dict[str, VmState] = {}
        self.history: dict[int, dict[str, VmState]] = {}
        self.complete_delivered: set[int] = set()
        self.observed_before: dict[str, int] = {}
        self.missing_before: set[str] = set()
        self.jobs: dict[str, str] = {}

    def teardown(self) -> None:
        self.connection.close()
        self.engine.dispose()

    def tick(self) -> int:
        self.now += 1
        self.history[self.now] = dict(self.reality)
        return self.now

    def alive(self) -> list[AnyRow]:
        return list(self.connection.execute(select(vm).where(vm.c.deleted_at.is_(None)).order_by(vm.c.id)))

    @rule(native=natives, state=states)
    def somebody_makes_or_changes(self, native: str, state: VmState) -> None:
        self.reality[native] = state

    @initialize()
    def two_vms_are_known(self) -> None:
        self.reality = dict.fromkeys(NATIVE, VmState.RUNNING)
        begun = self.tick()
        self.a_pass_arrives((begun, VmsRead(vms=tuple(vm_facts(n) for n in NATIVE), complete=True)))

    @rule(native=natives)
    def somebody_removes(self, native: str) -> None:
        self.reality.pop(native, None)

    @rule(target=passes, complete=st.booleans(), unread=natives)
    def a_pass_reads(self, complete: bool, unread: str) -> tuple[int, VmsRead]:
        begun = self.tick()
        found = tuple(vm_facts(n, s) for n, s in self.reality.items() if complete or n != unread)
        return begun, VmsRead(vms=found, complete=complete)

    @rule(one=consumes(passes))
    def a_pass_arrives(self, one: tuple[int, VmsRead]) -> None:
        begun, read = one
        outcome = observe_vms(self.connection, "h1", read, begun, self.tick())
        if read.complete and not outcome.stale:
            self.complete_delivered.add(begun)

    @rule(target=singles, native=natives)
    def one_vm_is_read(self, native: str) -> Any:
        begun = self.tick()
        if native not in self.reality:
            return multiple()
        return begun, vm_facts(native, self.reality[native])

    @rule(one=consumes(singles))
    def one_vm_s_read_arrives(self, one: tuple[int, Any]) -> None:
        begun, facts = one
        observe_native(self.connection, "h1", facts, begun, self.tick())

    @rule(pick=st.randoms(use_true_random=False))
    def a_job_takes_a_vm(self, pick: Any) -> None:
        free = [row.id for row in self.alive() if row.id not in self.jobs]
        if free:
            chosen = pick.choice(free)
            self.jobs[chosen] = hold(self.connection, chosen, self.tick())
            mark_vm(self.connection, chosen, VmState.UNDER_UPDATE, self.now)

    @rule(pick=st.randoms(use_true_random=False), outcome=st.sampled_from(["completes", "deletes", "looks"]))
    def a_job_goes_on(self, pick: Any, outcome: str) -> None:
        if not self.jobs:
            return
        vm_id = pick.choice(sorted(self.jobs))
        native = self.connection.execute(select(presence.c.native_id).where(presence.c.vm_id == vm_id)).scalar_one()
        if outcome == "deletes":
            self.reality.pop(native, None)
            bury_vm(self.connection, vm_id, self.tick())
        elif native in self.reality:
            observe_vm(self.connection, vm_id, vm_facts(native, self.reality[native]), self.tick())
        if outcome != "looks":
            now, job_id = self.tick(), self.jobs.pop(vm_id)
            if outcome == "completes":
                mark_vm(self.connection, vm_id, None, now)
            self.connection.execute(job.update().where(job.c.id == job_id).values(ended_at=now, state="completed"))
            self.connection.execute(job_object.update().where(job_object.c.job_id == job_id).values(hold="none"))

    @rule(state=st.sampled_from([HostState.RESPONDING, HostState.NOT_RESPONDING, HostState.ACCESS_DENIED]))
    def the_host_answers_or_not(self, state: HostState) -> None:
        host_state(self.connection, "h1", state, "", self.tick())

    @invariant()
    def no_two_vms_for_one_native_id(self) -> None:
        rows = self.connection.execute(
            select(presence.c.native_id).join(vm, vm.c.id == presence.c.vm_id).where(vm.c.deleted_at.is_(None))
        )
        found = list(rows.scalars())
        assert len(found) == len(set(found)) == len(self.alive())

    @invariant()
    def what_is_claimed_was_so_at_the_moment_it_is_claimed_for(self) -> None:
        last = last_read(self.connection, "h1", FactClass.VMS)
        columns = (*vm.c, presence.c.native_id, presence.c.seen_at, presence.c.in_last_pass)
        rows = self.connection.execute(
            select(*columns).join(presence, presence.c.vm_id == vm.c.id).where(vm.c.deleted_at.is_(None))
        )
        missing = set()
        for row in rows:
            claimed_for = last_observed(row, last, "h1")
            assert claimed_for >= self.observed_before.get(row.id, 0), "an earlier read replaced a later fact"
            self.observed_before[row.id] = claimed_for
            there = self.history[claimed_for].get(row.native_id)
            if row.observed_state == VmState.MISSING:
                missing.add(row.id)
                assert there is None
                assert row.observed_at in self.complete_delivered
                assert last_seen(row, last) < row.observed_at
                assert row.id in self.missing_before or row.id not in self.jobs
            else:
                assert there == row.observed_state == row.facts["state"]
        self.missing_before = missing

    @invariant()
    def deleted_vms_stay_deleted(self) -> None:
        """Whoever lives under the native id of a tombstone was read after its end."""
        dead = self.connection.execute(select(vm.c.deleted_at, vm.c.facts).where(vm.c.deleted_at.is_not(None))).all()
        for row in self.alive():
            ends = [end for end, facts in dead if facts["native_id"] == row.facts["native_id"]]
            assert all(row.observed_at > end for end in ends)

    @invariant()
    def what_is_shown_follows_from_job_host_and_observation(self) -> None:
        shown_host = self.connection.execute(select(host.c.state)).scalar_one()
        for row in self.alive():
            job_state = None if row.job_state is None else VmState(row.job_state)
            assert row.state == shown_state(job_state, VmState(row.observed_state), HostState(shown_host))


Watching.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestWatching = Watching.TestCase

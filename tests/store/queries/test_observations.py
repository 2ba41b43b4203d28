"""What is kept of observed VMs and hosts, on a real SQLite file."""

import uuid
from collections.abc import Callable
from functools import partial as bound
from typing import Any

import pytest
from sqlalchemy import Connection, select
from sqlalchemy.event import listen, remove
from tests.store.queries.fleet import add_host, grown_disk, hold, partial, vm_facts, vm_row, vms, whole

from hostler.domain.fabric.facts import Acceleration, HostFacts, HostState
from hostler.domain.machines.facts import DiskFacts, GuestFacts
from hostler.domain.machines.states import VmState
from hostler.store.queries.observations import (
    bury_vm,
    host_state,
    last_seen_at,
    mark_vm,
    observe_guest,
    observe_host,
    observe_native,
    observe_vm,
    observe_vms,
    plan_vm,
)
from hostler.store.sqlite import SqliteDatabase
from hostler.store.tables import event, host, presence, vm

A, B = (str(uuid.UUID(int=n, version=4)) for n in (1, 2))


@pytest.fixture
def on(connection: Connection) -> Connection:
    add_host(connection, "h1")
    add_host(connection, "h2")
    return connection


def seen(connection: Connection, vm_id: str) -> int | None:
    return connection.execute(select(last_seen_at()).select_from(vm).where(vm.c.id == vm_id)).scalar()


def events(connection: Connection, kind: str = "vm") -> list[tuple[str, dict[str, Any]]]:
    rows = connection.execute(select(event).where(event.c.kind == kind).order_by(event.c.seq))
    return [(row.object_id, row.body) for row in rows]


def planned(connection: Connection, vm_id: str, now: int) -> None:
    row: dict[str, object] = {
        "id": vm_id,
        "name": "planned",
        "host_id": "h1",
        "state": VmState.UNDER_CREATION,
        "job_state": VmState.UNDER_CREATION,
        "cpu_count": 1,
        "memory_mib": 512,
    }
    plan_vm(connection, row, "h1", vm_id, [], now)


def test_vm_made_outside_is_adopted_under_its_own_uuid(on: Connection) -> None:
    observe_vms(on, "h1", whole(vm_facts(A)), 10, 11)
    row = vm_row(on, A)
    assert (row.adopted, row.state, row.host_id, row.observed_at) == (True, "running", "h1", 10)
    assert events(on) == [(A, {"state": "running", "host_id": "h1", "name": row.name})]


@pytest.mark.parametrize("native_id", ["vm-42", "6695EB01-F6A4-8304-79AA-97F2502E193F"])
def test_native_id_that_is_no_plain_uuid_gets_an_id_of_ours(on: Connection, native_id: str) -> None:
    observe_vms(on, "h1", whole(vm_facts(native_id)), 10, 11)
    observe_vms(on, "h1", whole(vm_facts(native_id)), 20, 21)
    (row,) = vms(on)
    assert row.id == str(uuid.UUID(row.id)) != native_id


def test_unchanged_pass_writes_one_freshness_row(database: SqliteDatabase, statements: Callable[[], int]) -> None:
    with database.engine.begin() as connection:
        add_host(connection, "h1")
        read = whole(*(vm_facts(str(uuid.UUID(int=n, version=4))) for n in range(300)))
        assert observe_vms(connection, "h1", read, 10, 11).changes == 600
    before = statements()
    for start in (20, 30):
        with database.engine.begin() as connection:
            assert observe_vms(connection, "h1", read, start, start + 1) == (False, 0)
    assert statements() - before == 2
    with database.engine.begin() as connection:
        assert seen(connection, vms(connection)[0].id) == 30


def test_unchanged_pass_takes_the_same_statements_for_any_number_of_vms(on: Connection) -> None:
    counts = []
    for size in (10, 200):
        read = whole(*(vm_facts(str(uuid.UUID(int=n, version=4))) for n in range(size)))
        observe_vms(on, "h1", read, size, size)
        with_listener: list[str] = []
        note = bound(_note, with_listener)
        listen(on, "before_cursor_execute", note)
        observe_vms(on, "h1", read, size + 1, size + 1)
        remove(on, "before_cursor_execute", note)
        counts.append(len(with_listener))
    assert counts[0] == counts[1] <= 6


def _note(seen_statements: list[str], *arguments: Any) -> None:
    seen_statements.append(arguments[2])


def test_changes_outside_are_taken_up(on: Connection) -> None:
    observe_vms(on, "h1", whole(vm_facts(A)), 10, 11)
    observe_vms(on, "h1", whole(vm_facts(A, VmState.PAUSED, name="new", cpu_count=4, memory_mib=2048)), 20, 21)
    row = vm_row(on, A)
    assert (row.name, row.state, row.cpu_count, row.memory_mib, row.observed_at) == ("new", "paused", 4, 2048, 20)


def test_growing_disk_is_kept_but_no_news(on: Connection) -> None:
    observe_vms(on, "h1", whole(vm_facts(A, disks=grown_disk(1))), 10, 11)
    told = len(events(on))
    observe_vms(on, "h1", whole(vm_facts(A, disks=grown_disk(2))), 20, 21)
    assert vm_row(on, A).facts["disks"][0]["allocated_bytes"] == 2
    assert len(events(on)) == told


def test_cheap_pass_keeps_the_sizes_that_a_costly_read_told(on: Connection) -> None:
    unsized = (DiskFacts(path="/d.qcow2", format="qcow2"),)
    observe_vms(on, "h1", whole(vm_facts(A, disks=grown_disk(5))), 10, 11)
    assert observe_vms(on, "h1", whole(vm_facts(A, disks=unsized)), 20, 21).changes == 0
    observe_vms(on, "h1", whole(vm_facts(A, VmState.PAUSED, disks=unsized)), 30, 31)
    row = vm_row(on, A)
    assert (row.state, row.facts["disks"][0]["allocated_bytes"]) == ("paused", 5)


def test_pass_that_began_earlier_changes_nothing(on: Connection) -> None:
    observe_vms(on, "h1", whole(vm_facts(A)), 20, 21)
    assert observe_vms(on, "h1", whole(vm_facts(B)), 15, 30).stale
    assert [(row.id, row.state) for row in vms(on)] == [(A, "running")]


def test_job_s_later_fact_stays_over_a_pass_that_began_before_it(on: Connection) -> None:
    observe_vms(on, "h1", whole(vm_facts(A)), 10, 11)
    observe_vm(on, A, vm_facts(A, VmState.POWER_OFF), 25)
    observe_vms(on, "h1", whole(vm_facts(A)), 20, 30)
    assert vm_row(on, A).state == "power_off"
    observe_vms(on, "h1", whole(vm_facts(A)), 40, 41)
    assert vm_row(on, A).state == "running"


def test_single_read_that_comes_late_does_not_replace_an_unchanged_pass(on: Connection) -> None:
    observe_vms(on, "h1", whole(vm_facts(A)), 10, 11)
    observe_vms(on, "h1", whole(vm_facts(A)), 30, 31)
    observe_native(on, "h1", vm_facts(A, VmState.POWER_OFF), 20, 40)
    assert vm_row(on, A).state == "running"


def test_missing_only_by_a_complete_pass_and_heals(on: Connection) -> None:
    observe_vms(on, "h1", whole(vm_facts(A)), 10, 11)
    observe_vms(on, "h1", partial(), 20, 21)
    assert vm_row(on, A).state == "running"
    observe_vms(on, "h1", whole(), 30, 31)
    assert vm_row(on, A).state == "missing"
    assert seen(on, A) == 10
    observe_vms(on, "h1", whole(vm_facts(A)), 40, 41)
    assert vm_row(on, A).state == "running"


def test_late_single_read_does_not_find_what_a_later_complete_pass_lacked(on: Connection) -> None:
    observe_vms(on, "h1", whole(vm_facts(A)), 10, 11)
    observe_vms(on, "h1", whole(), 30, 31)
    observe_native(on, "h1", vm_facts(A), 20, 40)
    observe_native(on, "h1", vm_facts(B), 20, 40)
    assert [(row.id, row.state) for row in vms(on)] == [(A, "missing")]


def test_vm_seen_after_the_pass_began_is_not_missing(on: Connection) -> None:
    observe_vms(on, "h1", whole(vm_facts(A)), 10, 11)
    observe_vm(on, A, vm_facts(A), 25)
    observe_vms(on, "h1", whole(), 20, 30)
    assert vm_row(on, A).state == "running"


def test_vm_that_a_job_holds_or_held_during_the_pass_is_not_missing(on: Connection) -> None:
    observe_vms(on, "h1", whole(vm_facts(A), vm_facts(B)), 10, 11)
    hold(on, A, 15)
    hold(on, B, 15, state="completed", ended_at=25)
    observe_vms(on, "h1", whole(), 20, 30)
    assert {row.state for row in vms(on)} == {"running"}
    observe_vms(on, "h1", whole(), 40, 41)
    assert {row.id: row.state for row in vms(on)} == {A: "running", B: "missing"}


def test_planned_vm_is_never_adopted_nor_missing_while_its_job_has_it(on: Connection) -> None:
    planned(on, A, 5)
    hold(on, A, 5)
    observe_vms(on, "h1", whole(), 10, 11)
    assert vm_row(on, A).state == "under_creation"
    observe_vms(on, "h1", whole(vm_facts(A)), 20, 21)
    row = vm_row(on, A)
    assert (row.adopted, row.state, row.observed_state) == (False, "under_creation", "running")
    mark_vm(on, A, None, 30)
    assert vm_row(on, A).state == "running"


def test_older_pass_does_not_revive_a_deleted_vm(on: Connection) -> None:
    observe_vms(on, "h1", whole(vm_facts(A)), 10, 11)
    bury_vm(on, A, 25)
    observe_vms(on, "h1", whole(vm_facts(A)), 20, 30)
    observe_native(on, "h1", vm_facts(A), 21, 31)
    assert vms(on) == []
    assert vm_row(on, A).deleted_at == 25


def test_domain_that_reappears_after_its_deletion_is_adopted_anew(on: Connection) -> None:
    observe_vms(on, "h1", whole(vm_facts(A)), 10, 11)
    bury_vm(on, A, 25)
    observe_vms(on, "h1", whole(), 30, 31)
    observe_vms(on, "h1", whole(vm_facts(A)), 40, 41)
    (row,) = vms(on)
    assert row.id != A
    assert row.adopted
    assert on.execute(select(presence.c.vm_id)).scalars().all() == [row.id]


def test_two_presences_are_a_conflict_until_one_is_gone(on: Connection) -> None:
    observe_vms(on, "h1", whole(vm_facts(A)), 10, 11)
    observe_vms(on, "h2", whole(vm_facts(A, VmState.PAUSED)), 20, 21)
    row = vm_row(on, A)
    assert (row.conflict, row.host_id, row.state) == (["h1", "h2"], "h1", "running")
    observe_vms(on, "h1", whole(), 30, 31)
    observe_vms(on, "h2", whole(vm_facts(A, VmState.PAUSED)), 40, 41)
    row = vm_row(on, A)
    assert (row.conflict, row.host_id, row.state) == (None, "h2", "paused")
    assert on.execute(select(presence.c.host_id)).scalars().all() == ["h2"]


def test_other_copy_that_goes_leaves_the_first(on: Connection) -> None:
    observe_vms(on, "h1", whole(vm_facts(A)), 10, 11)
    observe_vms(on, "h2", whole(vm_facts(A)), 20, 21)
    observe_vms(on, "h2", whole(), 30, 31)
    row = vm_row(on, A)
    assert (row.conflict, row.host_id, row.state) == (None, "h1", "running")


def test_no_conflict_while_a_job_moves_it(on: Connection) -> None:
    observe_vms(on, "h1", whole(vm_facts(A)), 10, 11)
    hold(on, A, 15)
    observe_vms(on, "h2", whole(vm_facts(A)), 20, 21)
    assert vm_row(on, A).conflict is None


def test_silent_host_shows_its_vms_so_and_heals_to_what_was_observed(on: Connection) -> None:
    observe_vms(on, "h1", whole(vm_facts(A), vm_facts(B, VmState.PAUSED)), 10, 11)
    mark_vm(on, B, VmState.UNDER_UPDATE, 12)
    host_state(on, "h1", HostState.NOT_RESPONDING, "no answer", 20)
    assert [(row.state, row.observed_at) for row in vms(on)] == [("host_not_responding", 10), ("under_update", 10)]
    mark_vm(on, B, None, 21)
    assert vm_row(on, B).state == "host_not_responding"
    host_state(on, "h1", HostState.RESPONDING, "", 30)
    assert [row.state for row in vms(on)] == ["running", "paused"]
    assert seen(on, A) == 10


def test_host_state_that_does_not_change_writes_nothing(
    database: SqliteDatabase, statements: Callable[[], int]
) -> None:
    with database.engine.begin() as connection:
        add_host(connection, "h1", maintenance=True)
        host_state(connection, "h1", HostState.NOT_RESPONDING, "no answer", 10)
    before = statements()
    with database.engine.begin() as connection:
        host_state(connection, "h1", HostState.NOT_RESPONDING, "no answer", 20)
        host_state(connection, "h1", HostState.RESPONDING, "", 5)
    assert statements() == before
    with database.engine.begin() as connection:
        row = connection.execute(select(host.c.state, host.c.state_at)).one()
        assert tuple(row) == ("not_responding", 10)
        host_state(connection, "h1", HostState.RESPONDING, "", 30)
        assert connection.execute(select(host.c.state)).scalar() == "maintenance_mode"


def test_host_facts_that_come_late_do_not_replace_later_ones(on: Connection) -> None:
    facts = HostFacts(
        host_name="h1",
        hypervisor="kvm",
        hypervisor_version="1",
        provider_version="1",
        cpu_model="x",
        cpu_count=4,
        cpu_mhz=2000,
        memory_mib=4096,
        acceleration=Acceleration.TCG,
        acceleration_note="",
        volumes=(),
        networks=(),
    )
    observe_host(on, "h1", facts, 20)
    observe_host(on, "h1", facts, 30)
    assert [body for _, body in events(on, "host")] == [{"facts_at": 20}]
    observe_host(on, "h1", HostFacts(**{name: getattr(facts, name) for name in facts.__struct_fields__}), 25)
    assert on.execute(select(host.c.facts_at).where(host.c.id == "h1")).scalar() == 30


def test_guest_s_word_is_kept_and_told_once(on: Connection) -> None:
    observe_vms(on, "h1", whole(vm_facts(A)), 10, 11)
    told = len(events(on))
    observe_guest(on, A, GuestFacts(host_name="web-01", addresses=("10.0.0.2",)), 20)
    observe_guest(on, A, GuestFacts(host_name="web-01", addresses=("10.0.0.2",)), 30)
    observe_guest(on, A, GuestFacts(host_name="old"), 25)
    row = vm_row(on, A)
    assert (row.guest["host_name"], row.guest_at) == ("web-01", 30)
    assert len(events(on)) == told + 1

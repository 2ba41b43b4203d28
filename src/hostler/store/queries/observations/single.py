"""What was seen of one VM: after a job's step, after the hypervisor told of a change, or by its guest."""

import msgspec
from sqlalchemy import Connection, select, update

from hostler.domain.machines.facts import GuestFacts, VmFacts
from hostler.store.queries.events import notify
from hostler.store.queries.observations.changes import Changes
from hostler.store.queries.observations.freshness import FactClass, last_read
from hostler.store.queries.observations.known import known_on, last_observed, news_of
from hostler.store.queries.observations.strangers import take_in
from hostler.store.tables import vm


def observe_vm(connection: Connection, vm_id: str, facts: VmFacts, now: int) -> None:
    """Keep what was just seen of a VM of ours, by a read that began at `now`."""
    row = connection.execute(select(vm.c.host_id).where(vm.c.id == vm_id, vm.c.deleted_at.is_(None))).one_or_none()
    if row is not None and row.host_id is not None:
        observe_native(connection, row.host_id, facts, now, now)


def observe_native(connection: Connection, host_id: str, facts: VmFacts, read_started_at: int, now: int) -> None:
    """Keep what one read of one VM of a host told; an unknown one is adopted."""
    last = last_read(connection, host_id, FactClass.VMS)
    known = known_on(connection, host_id, facts.native_id)
    row = known.get(facts.native_id)
    changes = Changes(connection, host_id, at=read_started_at, now=now)
    if row is None or row.deleted_at is not None:
        if last is None or last.read_started_at < read_started_at:
            take_in(changes, [facts], known, in_pass=False)
        changes.write()
        return
    if (row.seen_at or 0) < read_started_at:
        changes.presence_is(row.native_id, row.vm_id, seen_at=read_started_at, in_last_pass=row.in_last_pass)
    is_newest = read_started_at > last_observed(row, last, host_id)
    if row.host_id in (None, host_id) and is_newest and (news := news_of(row, facts)) is not None:
        changes.vm_is(row, news)
    changes.write()


def observe_guest(connection: Connection, vm_id: str, guest: GuestFacts, now: int) -> None:
    """Keep what the guest said of itself, by a read that began at `now`."""
    row = connection.execute(select(vm.c.guest, vm.c.guest_at).where(vm.c.id == vm_id)).one_or_none()
    if row is None or (row.guest_at or 0) > now:
        return
    connection.execute(update(vm).where(vm.c.id == vm_id).values(guest=guest, guest_at=now))
    if row.guest is None or msgspec.convert(row.guest, GuestFacts) != guest:
        notify(connection, now, "vm", vm_id, {"guest": guest.host_name})

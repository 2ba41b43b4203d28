"""What one observation changes, gathered first and then written in bulk, with the news of it."""

from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, tuple_, update

from hostler.domain.fabric.facts import HostState
from hostler.domain.machines.disk_sizes import differ_beyond_growth
from hostler.domain.machines.facts import VmFacts
from hostler.domain.machines.shown_state import shown_state
from hostler.domain.machines.states import VmState
from hostler.store.database import AnyRow
from hostler.store.queries.events import notify_many
from hostler.store.tables import host, presence, vm

_UPDATE_VM = (
    update(vm)
    .where(vm.c.id == bindparam("vm_id"))
    .values(
        {
            column: bindparam(f"new_{column}")
            for column in (
                "name",
                "cpu_count",
                "memory_mib",
                "facts",
                "host_id",
                "observed_state",
                "observed_at",
                "state",
            )
        }
    )
)
_UPDATE_STATE = (
    update(vm)
    .where(vm.c.id == bindparam("vm_id"))
    .values({column: bindparam(f"new_{column}") for column in ("observed_state", "observed_at", "state")})
)
_UPDATE_PRESENCE = (
    update(presence)
    .where(presence.c.host_id == bindparam("at_host"), presence.c.native_id == bindparam("at_native"))
    .values({column: bindparam(f"new_{column}") for column in ("vm_id", "seen_at", "in_last_pass")})
)


class Changes:
    """The writes of one observation of one host, `at` the moment its read began."""

    def __init__(self, connection: Connection, host_id: str, *, at: int, now: int) -> None:
        self.connection, self.host_id, self.at, self.now = connection, host_id, at, now
        state = connection.execute(select(host.c.state).where(host.c.id == host_id)).scalar()
        self._host_state = None if state is None else HostState(state)
        self._new_vms: list[dict[str, Any]] = []
        self._new_presences: list[dict[str, Any]] = []
        self._vms: list[dict[str, Any]] = []
        self._states: list[dict[str, Any]] = []
        self._presences: list[dict[str, Any]] = []
        self._gone_presences: list[tuple[str, str]] = []
        self._news: list[tuple[str, dict[str, Any]]] = []

    def __len__(self) -> int:
        written = (self._new_vms, self._new_presences, self._vms, self._states, self._presences, self._gone_presences)
        return sum(len(rows) for rows in written)

    def vm_is(self, row: AnyRow, facts: VmFacts) -> None:
        """The VM of a `known_on` row is as `facts` say."""
        state = self._shown(row, facts.state)
        self._vms.append(
            {
                "vm_id": row.vm_id,
                "new_name": facts.name,
                "new_cpu_count": facts.cpu_count,
                "new_memory_mib": facts.memory_mib,
                "new_facts": facts,
                "new_host_id": self.host_id,
                "new_observed_state": facts.state,
                "new_observed_at": self.at,
                "new_state": state,
            }
        )
        if state != row.state or _worth_telling(row.facts, facts):
            self._tell(row.vm_id, state, name=facts.name)

    def vm_is_missing(self, row: AnyRow) -> None:
        state = self._shown(row, VmState.MISSING)
        self._states.append(
            {
                "vm_id": row.vm_id,
                "new_observed_state": VmState.MISSING,
                "new_observed_at": self.at,
                "new_state": state,
            }
        )
        self._tell(row.vm_id, state)

    def vm_lives_on(self, row: AnyRow, host_id: str) -> None:
        """The VM left this host for another, whose next pass tells the rest."""
        self.connection.execute(update(vm).where(vm.c.id == row.vm_id).values(host_id=host_id))
        self._news.append((row.vm_id, {"host_id": host_id}))

    def adopt(self, vm_id: str, facts: VmFacts) -> None:
        """A new VM of ours for one that somebody else made."""
        state = shown_state(None, facts.state, self._host_state)
        self._new_vms.append(
            {
                "id": vm_id,
                "name": facts.name,
                "host_id": self.host_id,
                "state": state,
                "observed_state": facts.state,
                "cpu_count": facts.cpu_count,
                "memory_mib": facts.memory_mib,
                "adopted": True,
                "facts": facts,
                "observed_at": self.at,
                "created_at": self.now,
            }
        )
        self._tell(vm_id, state, name=facts.name)

    def is_here(self, native_id: str, vm_id: str, *, in_last_pass: bool) -> None:
        """A presence that was not there before."""
        self._new_presences.append(
            {
                "host_id": self.host_id,
                "native_id": native_id,
                "vm_id": vm_id,
                "seen_at": self.at,
                "in_last_pass": in_last_pass,
            }
        )

    def presence_is(self, native_id: str, vm_id: str, *, seen_at: int | None, in_last_pass: bool) -> None:
        self._presences.append(
            {
                "at_host": self.host_id,
                "at_native": native_id,
                "new_vm_id": vm_id,
                "new_seen_at": seen_at,
                "new_in_last_pass": in_last_pass,
            }
        )

    def is_not_here(self, native_id: str) -> None:
        """The VM is elsewhere: its presence here ends."""
        self._gone_presences.append((self.host_id, native_id))

    def write(self) -> None:
        for table, rows in ((vm, self._new_vms), (presence, self._new_presences)):
            if rows:
                self.connection.execute(insert(table), rows)
        for statement, rows in (
            (_UPDATE_VM, self._vms),
            (_UPDATE_STATE, self._states),
            (_UPDATE_PRESENCE, self._presences),
        ):
            if rows:
                self.connection.execute(statement, rows)
        if self._gone_presences:
            place = tuple_(presence.c.host_id, presence.c.native_id)
            self.connection.execute(presence.delete().where(place.in_(self._gone_presences)))
        notify_many(self.connection, self.now, "vm", self._news)

    def _shown(self, row: AnyRow, observed: VmState) -> VmState:
        job_state = None if row.job_state is None else VmState(row.job_state)
        return shown_state(job_state, observed, self._host_state)

    def _tell(self, vm_id: str, state: VmState, **more: Any) -> None:
        self._news.append((vm_id, {"state": state, "host_id": self.host_id, **more}))


def _worth_telling(before: str | None, after: VmFacts) -> bool:
    return before is None or differ_beyond_growth(msgspec.json.decode(before, type=VmFacts), after)

"""Every simulated host, behind one door: a call goes through fences, faults and rules, in one transaction."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec

from hostler.domain.machines.facts import VmEvent
from hostler.providers.capabilities import Capabilities
from hostler.providers.contract import Fence
from hostler.providers.errors import HostNotResponding, ProviderError
from hostler.providers.simulated import files, load, machines, power, tasks
from hostler.providers.simulated.host import Host, take_fault
from hostler.providers.simulated.knobs import Fault, FaultKind, Knobs, SimulatedHost
from hostler.providers.simulated.tables import open_state
from hostler.providers.wire import error_codes

_RULES: Mapping[str, Callable[..., object]] = {
    "capabilities": lambda _: Capabilities(),
    "read_host": load.read_host,
    "read_load": load.read_load,
    "read_vms": machines.read_vms,
    "read_vm": machines.read_vm,
    "read_guest": machines.read_guest,
    "read_file": files.read_file,
    "write_seed": files.write_seed,
    "delete_file": files.delete_file,
    "define_vm": machines.define_vm,
    "undefine_vm": machines.undefine_vm,
    "change_power": power.change_power,
    "start_task": tasks.start_task,
    "read_task": tasks.read_task,
    "cancel_task": tasks.cancel_task,
}

_HALVES: Mapping[str, Callable[..., object]] = {
    "write_seed": files.half_write_seed,
    "delete_file": files.half_delete_file,
    "define_vm": machines.half_define_vm,
    "undefine_vm": machines.half_undefine_vm,
    "change_power": power.half_change_power,
    "start_task": tasks.start_task,
    "cancel_task": lambda *_: None,
}
"""What of a call is done when it breaks half-way; a task that was started goes on although its start failed."""

_decode_shape = msgspec.json.Decoder(SimulatedHost).decode


def _not_responding(host_id: str, why: str) -> HostNotResponding:
    return HostNotResponding(f"host {host_id} does not respond: {why}", "Wait until it answers again.")


def _error(fault: Fault) -> ProviderError:
    return error_codes().get(fault.code, ProviderError)(fault.message, "Turn the fault off, or try again.")


class World:
    """`told` receives each host's events after the transaction that made them."""

    def __init__(self, path: Path, told: Callable[[str, VmEvent], None]) -> None:
        self.db = open_state(path)
        self._told = told
        self._knobs: dict[str, Knobs] = {}
        self._wall_ns = time.monotonic_ns()
        self.load_knobs()

    def load_knobs(self) -> None:
        rows = self.db.execute("SELECT host_id, knobs FROM hosts")
        self._knobs = {row["host_id"]: msgspec.json.decode(row["knobs"], type=Knobs) for row in rows}

    def knobs(self, host_id: str) -> Knobs:
        """How the host behaves now; `HostNotResponding` when there is no such host."""
        try:
            return self._knobs[host_id]
        except KeyError:
            raise _not_responding(host_id, "the simulation has no such host") from None

    def set_knobs(self, host_id: str, knobs: Knobs) -> None:
        self.knobs(host_id)
        self._knobs[host_id] = knobs
        self.db.execute("UPDATE hosts SET knobs = ? WHERE host_id = ?", (msgspec.json.encode(knobs), host_id))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits on a `ProviderError` too: what broke half-way stays half-done."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except ProviderError:
            self.db.execute("COMMIT")
            raise
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def settings(self) -> sqlite3.Row:
        """Seed and clock; the clock goes on first, by the wall time since it was last looked at."""
        row: sqlite3.Row = self.db.execute("SELECT * FROM settings").fetchone()
        now = time.monotonic_ns()
        passed, self._wall_ns = now - self._wall_ns, now
        if not row["clock_rate"]:
            return row
        self.db.execute("UPDATE settings SET clock_ns = clock_ns + ?", (int(passed * row["clock_rate"]),))
        moved: sqlite3.Row = self.db.execute("SELECT * FROM settings").fetchone()
        return moved

    def host(self, host_id: str) -> Host:
        knobs = self.knobs(host_id)
        settings = self.settings()
        shape = self.db.execute("SELECT shape FROM hosts WHERE host_id = ?", (host_id,)).fetchone()["shape"]
        return Host(
            db=self.db, shape=_decode_shape(shape), knobs=knobs, clock_ns=settings["clock_ns"], seed=settings["seed"]
        )

    def call(self, host_id: str, name: str, arguments: tuple[object, ...]) -> object:
        """One call of the contract at one host."""
        knobs = self.knobs(host_id)
        if knobs.unreachable:
            raise _not_responding(host_id, "it cannot be reached")
        with self.transaction():
            host = self.host(host_id)
            try:
                return self._call(host, name, arguments)
            finally:
                self.tell(host)

    def tell(self, host: Host) -> None:
        for event in host.events:
            self._told(host.host_id, event)

    def _call(self, host: Host, name: str, arguments: tuple[object, ...]) -> object:
        if arguments and isinstance(arguments[0], Fence):
            host.let_in(arguments[0])
            arguments = arguments[1:]
        fault = self._fault(host, name)
        if fault is not None and fault.kind is FaultKind.REFUSE:
            raise _error(fault)
        if fault is not None and fault.kind is FaultKind.HALF:
            _HALVES.get(name, _RULES[name])(host, *arguments)
            raise _error(fault)
        if name == "read_task":
            self._go_on(host, str(arguments[0]))
        result = _RULES[name](host, *arguments)
        if fault is not None:
            raise _not_responding(host.host_id, fault.message)
        return result

    def _fault(self, host: Host, name: str) -> Fault | None:
        knobs, fault = take_fault(host.knobs, name)
        if knobs is not host.knobs:
            self.set_knobs(host.host_id, knobs)
            host.knobs = knobs
        return fault

    def _go_on(self, host: Host, task_id: str) -> None:
        if not tasks.is_running(host, task_id):
            return
        fault = self._fault(host, "task")
        tasks.step(host, task_id, None if fault is None else _error(fault))

    def close(self) -> None:
        self.db.close()

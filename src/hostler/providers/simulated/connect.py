"""Ways in: start the simulation's process, reach its side door, and get a provider for one of its hosts."""

import contextlib
import itertools
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec import Raw

from hostler.domain.machines.spec import DiskFormat, VmSpec
from hostler.domain.machines.states import VmState
from hostler.providers.errors import HostNotResponding
from hostler.providers.simulated.errors import translate
from hostler.providers.simulated.frames import Answer, Frames, Request, decode_answer, frame
from hostler.providers.simulated.knobs import Controls, Effect, Knobs, OutsideChange, SimulatedHost
from hostler.providers.simulated.provider import SimulatedProvider
from hostler.providers.simulated.server import READY
from hostler.providers.wire import Reply, methods_of, result_of

_METHODS = methods_of(Controls)
_CHUNK_BYTES = 1 << 20


def connect(socket_path: Path, host_id: str) -> SimulatedProvider:
    return SimulatedProvider(socket_path, host_id)


class SimulatedProcess:
    """The simulation's process: started by us, and ended by us. Its file outlives it."""

    def __init__(self, state: Path, socket_path: Path) -> None:
        self.state = state
        self.socket_path = socket_path
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Return once it answers; `HostNotResponding` with what it wrote when it ends instead."""
        command = [sys.executable, "-m", "hostler.providers.simulated.server"]
        command += ["--state", str(self.state), "--socket", str(self.socket_path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own program
        assert process.stdout is not None
        with process.stdout:
            if process.stdout.readline().strip() != READY:
                raise HostNotResponding(
                    f"the simulation did not start: its process ended with {process.wait()}",
                    f"Look at what it wrote, and whether {self.socket_path} can be made.",
                )
        self._process = process

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def wait(self) -> None:
        """Until it ends by itself."""
        if self._process is not None:
            self._process.wait()

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class SideDoor:
    """Implements `Controls` over a blocking socket, so that any thread or loop can use it."""

    def __init__(self, socket_path: Path) -> None:
        self._path = socket_path
        self._numbers = itertools.count(1)
        self._socket: socket.socket | None = None

    def _connected(self) -> socket.socket:
        if self._socket is None:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(self._path))
            except OSError:
                connection.close()
                raise
            self._socket = connection
        return self._socket

    def _call(self, name: str, *arguments: object) -> Any:
        method = _METHODS[name]
        request = Request(number=next(self._numbers), call=name, body=Raw(method.encode(*arguments)))
        try:
            connection = self._connected()
            connection.sendall(frame(request))
            answer = self._receive(connection)
        except OSError as error:
            self.close()
            raise translate(error, self._path) from error
        return result_of(method, Reply(result=answer.result, problem=answer.problem))

    @staticmethod
    def _receive(connection: socket.socket) -> Answer:
        frames = Frames()
        while data := connection.recv(_CHUNK_BYTES):
            for body in frames.feed(data):
                return decode_answer(body)
        raise ConnectionResetError("the connection ended before the answer")

    def close(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None

    def reset(self, seed: int = 1) -> None:
        self._call("reset", seed)

    def add_host(self, host: SimulatedHost) -> None:
        self._call("add_host", host)

    def hosts(self) -> tuple[str, ...]:
        result: tuple[str, ...] = self._call("hosts")
        return result

    def populate(self, seed: int, hosts: int, vms: int) -> None:
        self._call("populate", seed, hosts, vms)

    def set_knobs(self, host_id: str, knobs: Knobs) -> None:
        self._call("set_knobs", host_id, knobs)

    def knobs(self, host_id: str) -> Knobs:
        result: Knobs = self._call("knobs", host_id)
        return result

    def set_clock(self, rate: float) -> None:
        self._call("set_clock", rate)

    def advance_clock(self, seconds: float) -> None:
        self._call("advance_clock", seconds)

    def add_file(self, host_id: str, path: str, size_bytes: int, capacity_bytes: int, disk_format: DiskFormat) -> None:
        self._call("add_file", host_id, path, size_bytes, capacity_bytes, disk_format)

    def vm_appears(self, host_id: str, spec: VmSpec, state: VmState) -> None:
        self._call("vm_appears", host_id, spec, state)

    def vm_changes(self, host_id: str, native_id: str, change: OutsideChange) -> None:
        self._call("vm_changes", host_id, native_id, change)

    def vm_vanishes(self, host_id: str, native_id: str) -> None:
        self._call("vm_vanishes", host_id, native_id)

    def effects(self, job_id: str | None = None) -> tuple[Effect, ...]:
        result: tuple[Effect, ...] = self._call("effects", job_id)
        return result

    def duplicates(self) -> tuple[Effect, ...]:
        result: tuple[Effect, ...] = self._call("duplicates")
        return result

    def leftovers(self, named: tuple[str, ...]) -> tuple[str, ...]:
        result: tuple[str, ...] = self._call("leftovers", named)
        return result

"""The process in which simulated hypervisors live: `python -m hostler.providers.simulated.server --help`."""

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

import msgspec
from msgspec import Raw

from hostler.domain.machines.facts import VmEvent
from hostler.providers.contract import Provider
from hostler.providers.errors import HostNotResponding, ProviderError, Refused
from hostler.providers.simulated.frames import Answer, Frames, Request, decode_request, frame
from hostler.providers.simulated.knobs import Controls
from hostler.providers.simulated.outside import Outside
from hostler.providers.simulated.world import World
from hostler.providers.wire import arguments_of, methods_of, problem_of

READY = "ready"
_CALLS = methods_of(Provider)
_CONTROLS = methods_of(Controls)


class Hall:
    """The world and everybody who is connected to it."""

    def __init__(self, state: Path) -> None:
        self.listeners: dict[str, list[tuple[Caller, int]]] = {}
        self.delayed: set[asyncio.Task[None]] = set()
        self.world = World(state, self._tell)
        self._outside = Outside(self.world)

    def _tell(self, host_id: str, event: VmEvent) -> None:
        for caller, number in self.listeners.get(host_id, []):
            caller.send(Answer(number=number, result=Raw(msgspec.json.encode(event))))

    def listen(self, host_id: str, caller: "Caller", number: int) -> None:
        if self.world.knobs(host_id).unreachable:
            raise HostNotResponding(f"host {host_id} does not respond: it cannot be reached")
        self.listeners.setdefault(host_id, []).append((caller, number))

    def leave(self, gone: "Caller") -> None:
        for host_id, listening in self.listeners.items():
            self.listeners[host_id] = [(caller, number) for caller, number in listening if caller is not gone]

    def _cut_off(self) -> None:
        """End the streams of hosts that cannot be reached any more, or that are gone."""
        for host_id, listening in self.listeners.items():
            try:
                if not self.world.knobs(host_id).unreachable:
                    continue
                problem = problem_of(HostNotResponding(f"the link to host {host_id} broke"))
            except HostNotResponding as error:
                problem = problem_of(error)
            for caller, number in listening:
                caller.send(Answer(number=number, problem=problem))
            self.listeners[host_id] = []

    def answer(self, request: Request) -> Answer:
        """Do what is asked, now."""
        methods = _CALLS if request.host_id else _CONTROLS
        try:
            if request.call not in methods:
                raise Refused(f"the simulation knows no call {request.call!r}")
            arguments = arguments_of(methods[request.call].decode(request.body))
            if request.host_id:
                result = self.world.call(request.host_id, request.call, arguments)
            else:
                result = getattr(self._outside, request.call)(*arguments)
                self._cut_off()
        except ProviderError as error:
            return Answer(number=request.number, problem=problem_of(error))
        return Answer(number=request.number, result=Raw(msgspec.json.encode(result)))

    def latency(self, request: Request) -> float:
        if not request.host_id:
            return 0.0
        with contextlib.suppress(HostNotResponding):
            return self.world.knobs(request.host_id).latency_seconds
        return 0.0


class Caller(asyncio.Protocol):
    """One connection."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._hall.leave(self)

    def send(self, answer: Answer) -> None:
        if self._transport is not None:
            self._transport.write(frame(answer))

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._frames.feed(data):
                self._take(decode_request(body))
        except (ValueError, msgspec.DecodeError):
            # Whoever writes no frames is not spoken to: there is no request that an answer could name.
            if self._transport is not None:
                self._transport.abort()

    def _take(self, request: Request) -> None:
        latency = self._hall.latency(request)
        if latency:
            task = asyncio.get_running_loop().create_task(self._later(request, latency))
            self._hall.delayed.add(task)
            task.add_done_callback(self._hall.delayed.discard)
        else:
            self._now(request)

    async def _later(self, request: Request, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._now(request)

    def _now(self, request: Request) -> None:
        if request.call != "events":
            self.send(self._hall.answer(request))
            return
        try:
            self._hall.listen(request.host_id, self, request.number)
        except HostNotResponding as error:
            self.send(Answer(number=request.number, problem=problem_of(error)))


async def serve(state: Path, socket: Path) -> None:
    """Serve until SIGTERM or SIGINT."""
    hall = Hall(state)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    socket.unlink(missing_ok=True)
    server = await loop.create_unix_server(lambda: Caller(hall), str(socket))
    socket.chmod(0o600)
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    try:
        await stop.wait()
    finally:
        server.close()
        hall.world.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="A simulated hypervisor in a process of its own.")
    parser.add_argument("--state", type=Path, required=True, help="its SQLite file")
    parser.add_argument("--socket", type=Path, required=True, help="the unix socket to listen on")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.state, arguments.socket))


if __name__ == "__main__":
    main()

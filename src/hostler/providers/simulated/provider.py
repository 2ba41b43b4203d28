"""One simulated host as a provider: each call goes over the socket to the process that holds its truth."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from msgspec import Raw

from hostler.domain.machines.facts import VmEvent
from hostler.providers.contract import Provider
from hostler.providers.errors import HostNotResponding
from hostler.providers.proxy import Proxy
from hostler.providers.simulated.errors import translate
from hostler.providers.simulated.frames import Answer, Frames, Request, decode_answer, frame
from hostler.providers.wire import Reply, methods_of, result_of

_METHODS = methods_of(Provider)
_STREAM = 0
"""The number of the one request of a stream, which has a connection of its own."""


class _Link(asyncio.Protocol):
    """A connection. Answers to calls end their futures; those of a stream queue up."""

    def __init__(self, socket: Path) -> None:
        self.calls: dict[int, asyncio.Future[Answer]] = {}
        self.stream: asyncio.Queue[Answer | HostNotResponding] = asyncio.Queue()
        self.transport: asyncio.Transport | None = None
        self._socket = socket
        self._frames = Frames()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        for body in self._frames.feed(data):
            answer = decode_answer(body)
            if answer.number == _STREAM:
                self.stream.put_nowait(answer)
            elif (future := self.calls.get(answer.number)) is not None and not future.done():
                future.set_result(answer)

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self.stream.put_nowait(self._broken())
        for future in self.calls.values():
            if not future.done():
                future.set_exception(self._broken())

    def send(self, request: Request) -> None:
        if self.transport is None:
            raise self._broken()
        self.transport.write(frame(request))

    def _broken(self) -> HostNotResponding:
        return HostNotResponding(
            f"the simulation at {self._socket} broke the connection; what became of the call is not known",
            "Wait until it answers again.",
        )


class SimulatedProvider(Proxy):
    """Implements `Provider`. It connects at the first call, and again after a broken connection."""

    def __init__(self, socket: Path, host_id: str) -> None:
        self._socket = socket
        self._host_id = host_id
        self._link: _Link | None = None
        self._connecting = asyncio.Lock()
        self._numbers = itertools.count(_STREAM + 1)

    async def _connect(self) -> _Link:
        loop = asyncio.get_running_loop()
        try:
            _, link = await loop.create_unix_connection(lambda: _Link(self._socket), str(self._socket))
        except OSError as error:
            raise translate(error, self._socket) from error
        return link

    async def _connected(self) -> _Link:
        async with self._connecting:
            if self._link is None or self._link.transport is None:
                self._link = await self._connect()
            return self._link

    async def _call(self, name: str, *arguments: object) -> Any:
        method = _METHODS[name]
        body = Raw(method.encode(*arguments))
        link = self._link
        if link is None or link.transport is None:
            link = await self._connected()
        number = next(self._numbers)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        link.calls[number] = future
        try:
            link.send(Request(number=number, host_id=self._host_id, call=name, body=body))
            answer = await future
        finally:
            del link.calls[number]
        return result_of(method, Reply(result=answer.result, problem=answer.problem))

    async def events(self) -> AsyncIterator[VmEvent]:
        method = _METHODS["events"]
        link = await self._connect()
        try:
            link.send(Request(number=_STREAM, host_id=self._host_id, call="events", body=Raw(method.encode())))
            while True:
                answer = await link.stream.get()
                if isinstance(answer, HostNotResponding):
                    raise answer
                yield result_of(method, Reply(result=answer.result, problem=answer.problem))
        finally:
            if link.transport is not None:
                link.transport.abort()

    async def close(self) -> None:
        if self._link is not None and self._link.transport is not None:
            self._link.transport.abort()

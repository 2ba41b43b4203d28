"""A page of 100 VMs, signed in, against a bare FastAPI route with the same look-up and query by sqlite3.

Both serve from a process of their own by uvicorn, on one database file. The client is a socket that sends bytes
made before and reads to the end of the answer, so that what is measured is the servers. Places are random pages of
the whole list. Rounds take turns, so that what disturbs the machine disturbs both; each figure is the best round.
"""

import asyncio
import hashlib
import multiprocessing
import random
import secrets
import socket
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Iterator
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from bench.row import Row

PAGE = 100
HOSTS = 500
ROUNDS = 5
ROUND_SECONDS = 2.0
FOLLOWERS = 4
COLUMNS = (
    "vm.id, vm.name, vm.state, vm.host_id, host.name AS host_name, vm.cpu_count, vm.memory_mib, vm.owner, "
    "vm.created_at, vm.observed_at"
)


class Load(NamedTuple):
    """What one server did in its best round."""

    per_second: float
    p99_ms: float


def rows(*, small: int = 25_000, large: int = 100_000) -> Iterator[Row]:
    """The two figures of lists, from so many VMs."""
    with tempfile.TemporaryDirectory() as folder:
        ours, bare = _compare(Path(folder) / "small.sqlite", small)
        yield Row(
            f"page of 100 from {small:,} VMs, signed in",
            ours.per_second,
            "pages/s",
            "bare FastAPI route with sqlite3",
            bare.per_second,
            ours.per_second / bare.per_second,
            0.5,
            higher_is_better=True,
        )
        ours, bare = _compare(Path(folder) / "large.sqlite", large)
        yield Row(
            f"page of 100 from {large:,} VMs, p99",
            ours.p99_ms,
            "ms",
            "bare FastAPI route with sqlite3",
            bare.p99_ms,
            ours.p99_ms / bare.p99_ms,
            2.0,
            higher_is_better=False,
        )


def _compare(path: Path, vms: int) -> tuple[Load, Load]:
    token = _fill(path, vms)
    with _Server(_serve_ours, path) as ours, _Server(_serve_bare, path) as bare:
        requests = {
            ours: [_request(f"/api/v1/vms?{query}", token) for query in _places_ours(path)],
            bare: [_request(f"/vms?{query}", token) for query in _places_bare(path)],
        }
        best: dict[_Server, list[Load]] = {ours: [], bare: []}
        for _ in range(ROUNDS):
            for server, texts in requests.items():
                best[server].append(asyncio.run(_round(server.port, texts)))
    return _best(best[ours]), _best(best[bare])


def _best(rounds: list[Load]) -> Load:
    return Load(max(one.per_second for one in rounds), min(one.p99_ms for one in rounds))


def _fill(path: Path, vms: int) -> str:
    """A database with so many VMs and one token; the token's secret."""
    from sqlalchemy import Connection, insert

    from hostler.store.queries import sign_in
    from hostler.store.sqlite import SqliteDatabase
    from hostler.store.tables import api_token, host, metadata, vm

    now = time.time_ns() // 1000
    chance = random.Random(1)
    hosts = [str(uuid.UUID(int=chance.getrandbits(128))) for _ in range(HOSTS)]
    secret = sign_in.TOKEN_PREFIX + secrets.token_urlsafe(32)

    def unit(connection: Connection) -> None:
        user_id = sign_in.ensure_administrator(connection, now)
        connection.execute(
            insert(api_token).values(
                id=str(uuid.uuid4()),
                name="bench",
                secret_hash=sign_in.hash_of(secret),
                user_id=user_id,
                created_at=now,
            )
        )
        for n, identity in enumerate(hosts):
            values = {"id": identity, "name": f"host-{n:03}", "provider": "kvm", "address": "x", "vm_path": "/x"}
            connection.execute(insert(host).values(**values, state="responding", state_at=now, created_at=now))
        connection.execute(
            insert(vm),
            [
                {
                    "id": str(uuid.UUID(int=chance.getrandbits(128))),
                    "name": f"vm-{chance.getrandbits(40):010x}",
                    "host_id": hosts[n % HOSTS],
                    "state": "running",
                    "cpu_count": 2,
                    "memory_mib": 2048,
                    "observed_at": now,
                    "created_at": now,
                }
                for n in range(vms)
            ],
        )

    database = SqliteDatabase(path)
    metadata.create_all(database.engine)
    asyncio.run(database.write(unit))
    database.close()
    return secret


def _some_places(path: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(path) as connection:
        whole = list(connection.execute("SELECT name, id FROM vm ORDER BY name, id"))
    return random.Random(2).sample(whole[: -PAGE - 1], 400)


def _places_bare(path: Path) -> list[str]:
    return [urlencode({"name": name, "id": identity, "limit": PAGE}) for name, identity in _some_places(path)]


def _places_ours(path: Path) -> list[str]:
    from hostler.store.queries.listing import place_after

    return [
        urlencode({"after": place_after("name", name, identity), "limit": PAGE})
        for name, identity in _some_places(path)
    ]


def _request(target: str, token: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


async def _round(port: int, requests: list[bytes]) -> Load:
    await asyncio.gather(*(_follow(port, requests[n::FOLLOWERS], 0.3) for n in range(FOLLOWERS)))
    started = time.perf_counter()
    each = await asyncio.gather(*(_follow(port, requests[n::FOLLOWERS], ROUND_SECONDS) for n in range(FOLLOWERS)))
    took = time.perf_counter() - started
    times = sorted(one for times in each for one in times)
    return Load(len(times) / took, 1000 * times[int(len(times) * 0.99)])


async def _follow(port: int, requests: list[bytes], seconds: float) -> list[float]:
    """Ask on one connection, one page after the other; the time of each."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    times: list[float] = []
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        writer.write(requests[len(times) % len(requests)])
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode())
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        times.append(time.perf_counter() - began)
    writer.close()
    await writer.wait_closed()
    return times


class _Server:
    """A server in a process of its own, listening before it is told to us."""

    def __init__(self, serve: Any, path: Path) -> None:
        self._serve, self._path = serve, path
        self.port = 0

    def __enter__(self) -> "_Server":
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._process = context.Process(target=self._serve, args=(self._path, theirs), daemon=True)
        self._process.start()
        self.port = ours.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()


def _listen(pipe: Pipe) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio asks for its protocol
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    pipe.send(listener.getsockname()[1])
    return listener


def _serve_ours(path: Path, pipe: Pipe) -> None:
    import hostler.operations  # noqa: F401 - registers every operation
    from hostler.api.app import build
    from hostler.jobs.engine import Engine
    from hostler.jobs.worker import Worker
    from hostler.service.connections import Connections
    from hostler.service.web import WebServer
    from hostler.store.sqlite import SqliteDatabase

    async def main() -> None:
        database = SqliteDatabase(path)
        worker = Worker(database, Connections(database, path.parent))
        await worker.start(alone=True)
        await WebServer(build(Engine(database, worker), database), "127.0.0.1", 0).serve(sockets=[_listen(pipe)])

    asyncio.run(main())


def _serve_bare(path: Path, pipe: Pipe) -> None:
    import uvicorn
    from fastapi import FastAPI, Header, HTTPException

    app = FastAPI()
    connection = sqlite3.connect(path, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    query = (
        f"SELECT {COLUMNS} FROM vm LEFT JOIN host ON host.id = vm.host_id "
        "WHERE vm.deleted_at IS NULL AND (vm.name, vm.id) > (?, ?) ORDER BY vm.name, vm.id LIMIT ?"
    )
    who = (
        "SELECT api_token.id, user.name FROM api_token JOIN user ON user.id = api_token.user_id "
        "WHERE secret_hash = ? AND revoked_at IS NULL AND enabled"
    )

    @app.get("/vms")
    async def vms(name: str, id: str, limit: int, authorization: str = Header()) -> Any:  # noqa: A002 - its name
        secret = authorization.removeprefix("Bearer ")
        if connection.execute(who, (hashlib.sha256(secret.encode()).hexdigest(),)).fetchone() is None:
            raise HTTPException(401)
        found = [dict(row) for row in connection.execute(query, (name, id, limit + 1))]
        return {"items": found[:limit], "next": f"{found[limit - 1]['name']},{found[limit - 1]['id']}"}

    config = uvicorn.Config(app, access_log=False, log_config=None)
    asyncio.run(uvicorn.Server(config).serve(sockets=[_listen(pipe)]))


if __name__ == "__main__":
    for row in rows():
        print(row)

"""SQLite as the ground: one writer thread that commits what waits together, many readers on snapshots.

SQLite has one writer at a time anyway; a thread of its own turns that into group commit: while one batch reaches the
disk, the next gathers. `synchronous=FULL`: a committed transaction survives a power cut.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from hostler.store.database import Unit

BATCH_LIMIT = 256
"""Units in one commit at most, so that the first of a burst does not wait for all."""

READERS = 4

T = TypeVar("T")


class _Waiting(NamedTuple):
    """A unit of work, and who waits for its outcome: a coroutine."""

    work: Unit[Any]
    outcome: asyncio.Future[Any]


class _UnitFailedError(Exception):
    """A unit raised: the batch is run again, so that it fails alone."""


class _Settled(NamedTuple):
    """What a unit of work came to."""

    outcome: asyncio.Future[Any]
    result: Any
    failure: Exception | None


def _engine(path: Path, begin: str, *, query_only: bool) -> Engine:
    made = create_engine(f"sqlite:///{path}", poolclass=QueuePool, pool_size=READERS, connect_args={"timeout": 30})

    @event.listens_for(made, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-4096"):
            connection.execute(f"PRAGMA {pragma}")
        if query_only:
            connection.execute("PRAGMA query_only=ON")

    @event.listens_for(made, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return made


class SqliteDatabase:
    """The database of one file. Made with its tables by `store.migrations`; `write` and `read` run functions on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.engine = _engine(path, "BEGIN IMMEDIATE", query_only=False)
        self._snapshots = _engine(path, "BEGIN", query_only=True)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._listeners: list[Callable[[], object]] = []
        self._thread = threading.Thread(target=self._write_batches, name="writer", daemon=True)
        self._thread.start()

    def on_commit(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Call `listener` after each commit, in the writer's thread; the answer takes it off again."""
        self._listeners.append(listener)

        def forget() -> None:
            with suppress(ValueError):
                self._listeners.remove(listener)

        return forget

    async def write(self, work: Unit[T]) -> T:
        """Queue a unit of work; its exception undoes it alone, not the batch it commits with."""
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put(_Waiting(work, outcome))
        return await outcome

    async def read(self, query: Unit[T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, query)

    def read_now(self, query: Unit[T]) -> T:
        with self._snapshots.begin() as connection:
            return query(connection)

    def close(self) -> None:
        """Finish what is queued, then close."""
        self._queue.put(None)
        self._thread.join()
        self._readers.shutdown()
        self.engine.dispose()
        self._snapshots.dispose()

    def _write_batches(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, more = self._gather(first)
            self._commit(batch)
            if not more:
                return

    def _gather(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        batch = [first]
        while len(batch) < BATCH_LIMIT:
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                break
            if waiting is None:
                return batch, False
            batch.append(waiting)
        return batch, True

    def _commit(self, batch: list[_Waiting]) -> None:
        batch = [waiting for waiting in batch if not waiting.outcome.cancelled()]
        try:
            settled = self._commit_whole(batch)
        except _UnitFailedError:
            settled = self._commit_each(batch)
        # News first: who waits for an outcome must find nothing remembered from before it, such as a revoked token.
        for listener in list(self._listeners):
            listener()
        _tell(settled)

    def _commit_whole(self, batch: list[_Waiting]) -> list[_Settled]:
        """Nearly always all go well, and a savepoint each would cost as much as many a unit does."""
        try:
            with self.engine.begin() as connection:
                return [_Settled(waiting.outcome, _run(connection, waiting.work), None) for waiting in batch]
        except _UnitFailedError:
            raise
        except Exception as failure:  # noqa: BLE001 - whatever broke the commit is the outcome of each unit in it
            return [_Settled(waiting.outcome, None, failure) for waiting in batch]

    def _commit_each(self, batch: list[_Waiting]) -> list[_Settled]:
        """In one commit too, but each under a savepoint of its own."""
        try:
            with self.engine.begin() as connection:
                return [_run_alone(connection, waiting) for waiting in batch]
        except Exception as failure:  # noqa: BLE001 - whatever broke the commit is the outcome of each unit in it
            return [_Settled(waiting.outcome, None, failure) for waiting in batch]


def _run(connection: Connection, work: Unit[T]) -> T:
    try:
        return work(connection)
    except Exception as failure:
        raise _UnitFailedError from failure


def _run_alone(connection: Connection, waiting: _Waiting) -> _Settled:
    connection.exec_driver_sql("SAVEPOINT unit")
    try:
        result = waiting.work(connection)
    except Exception as failure:  # noqa: BLE001 - the unit's failure is its caller's, by its future
        connection.exec_driver_sql("ROLLBACK TO unit")
        connection.exec_driver_sql("RELEASE unit")
        return _Settled(waiting.outcome, None, failure)
    connection.exec_driver_sql("RELEASE unit")
    return _Settled(waiting.outcome, result, None)


def _tell(settled: list[_Settled]) -> None:
    """Wake each event loop once, however many of its coroutines wait."""
    loops: dict[asyncio.AbstractEventLoop, list[_Settled]] = {}
    for one in settled:
        loops.setdefault(one.outcome.get_loop(), []).append(one)
    for loop, own in loops.items():
        with suppress(RuntimeError):  # the loop has been closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, own)


def _settle(settled: list[_Settled]) -> None:
    for outcome, result, failure in settled:
        if outcome.done():
            continue
        if failure is None:
            outcome.set_result(result)
        else:
            outcome.set_exception(failure)

"""SQLite as the ground: one writer thread that commits what waits together, many readers on snapshots.

SQLite has one writer at a time anyway; a thread of its own turns that into group commit: while one batch reaches the
disk, the next gathers. `synchronous=FULL`: a committed transaction survives a power cut.
"""

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from hostler.store.database import Unit

BATCH_LIMIT = 256
"""Units in one commit at most, so that the first of a burst does not wait for all."""

READERS = 2
"""Threads that read what takes longer; more of them would only fight for the interpreter with the event loop."""

log = logging.getLogger(__name__)

T = TypeVar("T")


class ClosedError(Exception):
    """The database was closed: nothing more is written."""


class UnsafeFileError(Exception):
    """The file cannot keep what is committed; the message says why, and what to do."""


class _Waiting(NamedTuple):
    """A unit of work, and who waits for its outcome: a coroutine, or a thread."""

    work: Unit[Any]
    outcome: asyncio.Future[Any] | Future[Any]

    def is_wanted(self) -> bool:
        """False when it was cancelled before it began."""
        if isinstance(self.outcome, Future):
            return self.outcome.set_running_or_notify_cancel()
        return not self.outcome.cancelled()


class _Settled(NamedTuple):
    """What a unit of work came to."""

    outcome: asyncio.Future[Any] | Future[Any]
    result: Any
    failure: Exception | None

    def hand_over(self) -> None:
        if self.failure is None:
            self.outcome.set_result(self.result)
        else:
            self.outcome.set_exception(self.failure)


def _engine(path: Path, begin: str, *, query_only: bool) -> Engine:
    made = create_engine(f"sqlite:///{path}", poolclass=QueuePool, pool_size=READERS, connect_args={"timeout": 30})

    @event.listens_for(made, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-4096"):
            connection.execute(f"PRAGMA {pragma}")
        _prove_durable(connection, path)
        if query_only:
            connection.execute("PRAGMA query_only=ON")

    @event.listens_for(made, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return made


def _prove_durable(connection: sqlite3.Connection, path: Path) -> None:
    """SQLite answers a pragma that it cannot follow with what it does instead, and no error."""
    found = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    if found != {"journal_mode": "wal", "synchronous": 2}:
        raise UnsafeFileError(
            f"{path} cannot be kept safely: SQLite runs with {found} where it needs a write-ahead log and full "
            "synchronisation. Put the data folder on a local file system."
        )


class SqliteDatabase:
    """The database of one file. Made with its tables by `store.migrations`; `write` and `read` run functions on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.engine = _engine(path, "BEGIN IMMEDIATE", query_only=False)
        self._snapshots = _engine(path, "BEGIN", query_only=True)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._door = threading.Lock()
        self._closed = False
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
        """Queue a unit of work; its exception undoes it alone. ClosedError once the database is closed."""
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._enqueue(_Waiting(work, outcome))
        return await outcome

    def submit(self, work: Unit[T]) -> Future[T]:
        """The same for threads."""
        outcome: Future[Any] = Future()
        self._enqueue(_Waiting(work, outcome))
        return cast(Future[T], outcome)

    def _enqueue(self, waiting: _Waiting) -> None:
        with self._door:
            if self._closed:
                raise ClosedError(f"{self.path} is closed")
            self._queue.put(waiting)

    async def read(self, query: Unit[T], *, brief: bool = False) -> T:
        if brief:
            return self.read_now(query)
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read_now, query)

    def read_now(self, query: Unit[T]) -> T:
        with self._snapshots.begin() as connection:
            try:
                return query(connection)
            except StopIteration as stray:
                raise _told(stray) from stray

    def close(self) -> None:
        """Finish what is queued, then close."""
        with self._door:
            self._closed = True
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
        batch = [waiting for waiting in batch if waiting.is_wanted()]
        try:
            with self.engine.begin() as connection:
                settled = [_run(connection, waiting) for waiting in batch]
        except Exception as failure:  # noqa: BLE001 - whatever broke the commit is the outcome of each unit in it
            settled = [_Settled(waiting.outcome, None, failure) for waiting in batch]
        # News first: who waits for an outcome must find nothing remembered from before it, such as a revoked token.
        self._tell()
        _settle(settled)

    def _tell(self) -> None:
        for listener in list(self._listeners):
            try:
                listener()
            except Exception:  # a listener may be of an event loop that is gone: the writer must outlive it
                log.exception("a listener to commits failed")


def _told(stray: StopIteration) -> RuntimeError:
    """asyncio can carry no StopIteration: its caller would wait for ever."""
    told = RuntimeError("a unit of work ran out of what it looked for")
    told.__cause__ = stray
    return told


def _run(connection: Connection, waiting: _Waiting) -> _Settled:
    # By the driver itself: SQLAlchemy would spend more on the savepoint than many a unit does on its work.
    driver = cast(sqlite3.Connection, connection.connection.driver_connection)
    driver.execute("SAVEPOINT unit")
    try:
        result = waiting.work(connection)
    except Exception as failure:  # noqa: BLE001 - the unit's failure is its caller's, by its future
        driver.execute("ROLLBACK TO unit")
        driver.execute("RELEASE unit")
        return _Settled(waiting.outcome, None, _told(failure) if isinstance(failure, StopIteration) else failure)
    driver.execute("RELEASE unit")
    return _Settled(waiting.outcome, result, None)


def _settle(settled: list[_Settled]) -> None:
    """Wake each event loop once, however many of its coroutines wait."""
    loops: dict[asyncio.AbstractEventLoop, list[_Settled]] = {}
    for one in settled:
        if isinstance(one.outcome, Future):
            one.hand_over()
        else:
            loops.setdefault(one.outcome.get_loop(), []).append(one)
    for loop, own in loops.items():
        with suppress(RuntimeError):  # the loop has been closed: nobody waits any more
            loop.call_soon_threadsafe(_hand_over, own)


def _hand_over(settled: list[_Settled]) -> None:
    for one in settled:
        if not one.outcome.done():
            one.hand_over()

"""Live events: one reader tails the `event` table for all followers; each resumes where it was."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

from msgspec import Struct
from sqlalchemy import Connection, func, select, type_coerce
from sqlalchemy import Text as SqlText

from hostler.store.database import Database
from hostler.store.tables import event

log = logging.getLogger(__name__)

KEPT = 2048
"""Events kept in memory, for followers that are up to date; those behind read the table."""

BATCH = 500
RETRY_SECONDS = 1.0


class Event(Struct, frozen=True):
    """An event as it was written; `body` is its JSON text."""

    seq: int
    kind: str
    object_id: str
    body: str


class Gap(Struct, frozen=True):
    """Events that the follower asked for are gone: it must read everything anew and go on after `seq`."""

    seq: int


class Feed:
    """The events of the house, in order, each once. It holds at most `KEPT` of them, whatever its followers do."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._recent: deque[Event] = deque(maxlen=KEPT)
        self._last = 0
        self._news = asyncio.Event()
        self._committed = asyncio.Event()
        self._tail: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self.closed = False

    async def start(self) -> None:
        """Begin to follow the table; from the loop that serves."""
        loop = asyncio.get_running_loop()

        def committed() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has closed: nobody follows any more
                loop.call_soon_threadsafe(self._committed.set)

        self._unsubscribe = self._database.on_commit(committed)
        self._last = (await self._database.read(_bounds))[1]
        self._tail = asyncio.create_task(self._follow_table(), name="event feed")

    async def stop(self) -> None:
        self.close()
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._tail is not None:
            self._tail.cancel()
            await asyncio.gather(self._tail, return_exceptions=True)

    def close(self) -> None:
        """End every follower; call it before the server waits for its connections."""
        self.closed = True
        self._wake()

    async def newest(self) -> int:
        """The sequence number of the newest event that stands in the table."""
        return (await self._database.read(_bounds))[1]

    async def follow(self, after: int, pause_seconds: float) -> AsyncIterator[Sequence[Event] | Gap]:
        """Batches of events after a sequence number; an empty one after each pause without any."""
        first, newest = await self._database.read(_bounds)
        if after > newest or (after + 1 < first):
            after = newest
            yield Gap(newest)
        while not self.closed:
            news = self._news
            batch = await self._after(after)
            if batch:
                after = batch[-1].seq
                yield batch
            elif not await _set_within(news, pause_seconds):
                yield ()

    async def _after(self, seq: int) -> Sequence[Event]:
        if seq >= self._last:
            return ()
        if self._recent and self._recent[0].seq <= seq + 1:
            return [kept for kept in self._recent if kept.seq > seq][:BATCH]
        upto = self._last
        return await self._database.read(lambda connection: _read(connection, seq, upto))

    async def _follow_table(self) -> None:
        while True:
            await self._committed.wait()
            self._committed.clear()
            try:
                await self._catch_up()
            except Exception:
                log.exception("the events could not be read; trying again")
                await asyncio.sleep(RETRY_SECONDS)
                self._committed.set()

    async def _catch_up(self) -> None:
        while batch := await self._database.read(partial(_read, after=self._last, upto=None)):
            self._recent.extend(batch)
            self._last = batch[-1].seq
            self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


async def _set_within(news: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        return False
    return True


def _bounds(connection: Connection) -> tuple[int, int]:
    """The first sequence number in the table and the last one."""
    first, last = connection.execute(select(func.min(event.c.seq), func.max(event.c.seq))).one()
    return first or 0, last or 0


def _read(connection: Connection, after: int, upto: int | None) -> Sequence[Event]:
    wanted = select(event.c.seq, event.c.kind, event.c.object_id, type_coerce(event.c.body, SqlText))
    wanted = wanted.where(event.c.seq > after)
    if upto is not None:
        wanted = wanted.where(event.c.seq <= upto)
    return [Event(*row) for row in connection.execute(wanted.order_by(event.c.seq).limit(BATCH))]

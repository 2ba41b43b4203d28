"""The writer: commits what waits together, loses nothing, and outlives what goes wrong in it."""

import asyncio
import sqlite3
import threading
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, func, insert, select, text

from hostler.store import sqlite as sqlite_module
from hostler.store.sqlite import ClosedError, SqliteDatabase, UnsafeFileError
from hostler.store.tables import job_limit


class PlantedError(Exception):
    pass


def adding(key: str, *, fails: bool = False) -> Any:
    def unit(connection: Connection) -> str:
        connection.execute(insert(job_limit).values(key=key, at_most=1))
        if fails:
            raise PlantedError(key)
        return key

    return unit


def keys(database: SqliteDatabase) -> set[str]:
    return set(database.read_now(lambda connection: list(connection.execute(select(job_limit.c.key)).scalars())))


class Held:
    """Holds the writer in a unit of its own, so that what is queued behind it becomes one batch."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._begun, self._go = threading.Event(), threading.Event()
        self.outcome = database.submit(self._unit)
        assert self._begun.wait(10)

    def _unit(self, _connection: Connection) -> None:
        self._begun.set()
        assert self._go.wait(10)

    def let_go(self) -> None:
        self._go.set()
        self.outcome.result(10)


def commits(database: SqliteDatabase) -> list[int]:
    counted: list[int] = []
    database.on_commit(lambda: counted.append(1))
    return counted


def test_a_unit_that_fails_undoes_itself_alone(database: SqliteDatabase) -> None:
    held, counted = Held(database), commits(database)
    outcomes = [database.submit(adding(f"k{n}", fails=n % 3 == 0)) for n in range(10)]
    held.let_go()
    failed = [n for n, outcome in enumerate(outcomes) if outcome.exception(10) is not None]
    assert failed == [0, 3, 6, 9]
    assert keys(database) == {f"k{n}" for n in range(10) if n % 3}
    assert len(counted) == 2, "ten units behind the first are one commit"


def test_a_commit_that_fails_fails_all_of_its_batch(database: SqliteDatabase) -> None:
    def breaks_the_commit(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        connection.exec_driver_sql("INSERT INTO job_object (job_id, object, exclusive, hold) VALUES ('x', 'x', 1, 'x')")

    held = Held(database)
    outcomes: list[Future[Any]] = [database.submit(adding("before")), database.submit(breaks_the_commit)]
    outcomes.append(database.submit(adding("after")))
    held.let_go()
    assert all(isinstance(outcome.exception(10), Exception) for outcome in outcomes)
    assert keys(database) == set()
    assert database.submit(adding("next")).result(10) == "next"
    assert keys(database) == {"next"}


def test_a_batch_has_its_limit(database: SqliteDatabase) -> None:
    held, counted = Held(database), commits(database)
    outcomes = [database.submit(adding(str(n))) for n in range(sqlite_module.BATCH_LIMIT + 10)]
    held.let_go()
    for outcome in outcomes:
        outcome.result(10)
    assert len(counted) == 3


async def test_an_answer_is_durable_and_readable(database: SqliteDatabase) -> None:
    for n in range(20):
        await database.write(adding(str(n)))
        with closing(sqlite3.connect(database.path)) as another:
            assert another.execute("SELECT count(*) FROM job_limit").fetchone() == (n + 1,)
        assert await database.read(lambda c: c.execute(select(func.count()).select_from(job_limit)).scalar()) == n + 1


async def test_reads_see_nothing_that_is_not_committed(database: SqliteDatabase) -> None:
    written, go = threading.Event(), threading.Event()

    def unit(connection: Connection) -> None:
        adding("secret")(connection)
        written.set()
        assert go.wait(10)

    outcome = database.submit(unit)
    assert written.wait(10)
    assert keys(database) == set()
    go.set()
    outcome.result(10)
    assert keys(database) == {"secret"}


async def test_readers_cannot_write(database: SqliteDatabase) -> None:
    with pytest.raises(Exception, match="readonly"):
        await database.read(adding("sly"))


@pytest.mark.parametrize("units", [0, 1, 600])
def test_close_finishes_what_is_queued(database: SqliteDatabase, units: int) -> None:
    held = Held(database)
    outcomes = [database.submit(adding(str(n))) for n in range(units)]
    closing_thread = threading.Thread(target=database.close)
    closing_thread.start()
    held.let_go()
    closing_thread.join(20)
    assert not closing_thread.is_alive()
    assert {outcome.result(0) for outcome in outcomes} == {str(n) for n in range(units)}
    with closing(sqlite3.connect(database.path)) as another:
        assert another.execute("SELECT count(*) FROM job_limit").fetchone() == (units,)


def test_what_comes_after_close_is_refused_and_not_forgotten(database: SqliteDatabase) -> None:
    database.close()
    with pytest.raises(ClosedError):
        database.submit(adding("late"))


async def test_no_wake_up_is_lost(database: SqliteDatabase) -> None:
    """Who waits for news and then reads always finds the newest."""
    news, loop = asyncio.Event(), asyncio.get_running_loop()
    database.on_commit(lambda: loop.call_soon_threadsafe(news.set))

    async def write() -> None:
        for n in range(300):
            await database.write(adding(str(n)))

    writing = asyncio.create_task(write())
    async with asyncio.timeout(20):
        while True:
            news.clear()
            if await database.read(lambda c: c.execute(text("SELECT count(*) FROM job_limit")).scalar()) == 300:
                break
            await news.wait()
    await writing


def test_news_come_before_the_answer_until_they_are_not_wanted(database: SqliteDatabase) -> None:
    heard: list[int] = []
    forget = database.on_commit(lambda: heard.append(1))
    for n in range(3):
        database.submit(adding(str(n))).result(10)
        assert len(heard) == n + 1
    forget()
    forget()
    database.submit(adding("unheard")).result(10)
    assert len(heard) == 3


def test_a_listener_that_fails_stops_neither_the_writer_nor_the_others(database: SqliteDatabase) -> None:
    heard: list[int] = []

    def broken() -> None:
        raise PlantedError

    database.on_commit(broken)
    database.on_commit(lambda: heard.append(1))
    for key in ("a", "b"):
        assert database.submit(adding(key)).result(10) == key
    assert len(heard) == 2


async def test_who_gives_up_waiting_before_the_turn_writes_nothing(database: SqliteDatabase) -> None:
    held = Held(database)
    waiting = asyncio.create_task(database.write(adding("given up")))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    held.let_go()
    await database.write(adding("other"))
    assert keys(database) == {"other"}


@given(fails=st.lists(st.booleans(), max_size=40), batch=st.integers(1, 10))
def test_exactly_the_units_that_were_answered_are_there(
    tmp_path_factory: pytest.TempPathFactory, fails: list[bool], batch: int
) -> None:
    database = SqliteDatabase(tmp_path_factory.mktemp("any") / "hostler.sqlite")
    job_limit.create(database.engine)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sqlite_module, "BATCH_LIMIT", batch)
            outcomes = [database.submit(adding(str(n), fails=bad)) for n, bad in enumerate(fails)]
            answered = {str(n) for n, outcome in enumerate(outcomes) if outcome.exception(10) is None}
        assert keys(database) == answered == {str(n) for n, bad in enumerate(fails) if not bad}
    finally:
        database.close()


def test_a_file_that_cannot_keep_what_is_committed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class WithoutLog(sqlite3.Connection):
        def execute(self, statement: str, *rest: Any) -> sqlite3.Cursor:
            return super().execute(statement.replace("journal_mode=WAL", "journal_mode=DELETE"), *rest)

    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3.dbapi2, "connect", lambda *rest, **more: connect(*rest, **(more | {"factory": WithoutLog}))
    )
    database = SqliteDatabase(tmp_path / "hostler.sqlite")
    with pytest.raises(UnsafeFileError, match="local file system"):
        database.read_now(lambda _: None)
    database.close()


@pytest.mark.parametrize("way", ["read", "write"])
async def test_a_unit_that_finds_nothing_does_not_leave_its_caller_waiting(database: SqliteDatabase, way: str) -> None:
    run = database.read if way == "read" else database.write
    async with asyncio.timeout(20):
        with pytest.raises(RuntimeError, match="ran out"):
            await run(lambda _: next(iter(())))

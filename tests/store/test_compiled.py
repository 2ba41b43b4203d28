"""Statements compiled once do what SQLAlchemy's own execution does."""

from pathlib import Path

import pytest
from sqlalchemy import Boolean, Column, Integer, MetaData, String, Table, Text, bindparam, select

from hostler.jobs.states import Hold
from hostler.store.compiled import Insert, Query, Update
from hostler.store.sqlite import SqliteDatabase
from hostler.store.tables.base import Json

METADATA = MetaData()
THING = Table(
    "thing",
    METADATA,
    Column("id", String(36), primary_key=True),
    Column("document", Json),
    Column("flag", Boolean, nullable=False, default=False),
    Column("count", Integer, nullable=False, default=7),
    Column("hold", Text, nullable=False, default="lock"),
)
BY_ID = Query(select(THING).where(THING.c.id == bindparam("of")))
LOCKED = Query(select(THING.c.id).where(THING.c.hold == Hold.LOCK).order_by(THING.c.id).limit(bindparam("room")))


@pytest.fixture
def database(tmp_path: Path) -> SqliteDatabase:
    made = SqliteDatabase(tmp_path / "things.sqlite")
    METADATA.create_all(made.engine)
    return made


async def test_an_insert_fills_defaults_and_turns_values(database: SqliteDatabase) -> None:
    things = Insert(THING)
    await database.write(lambda c: things.one(c, id="a", document={"x": [1]}, flag=True))
    await database.write(lambda c: things.many(c, [{"id": "b", "document": None}, {"id": "c", "document": "é"}]))
    assert await database.read(lambda c: BY_ID.rows(c, of="a")) == [("a", {"x": [1]}, True, 7, "lock")]
    assert await database.read(lambda c: BY_ID.first(c, of="b")) == ("b", None, False, 7, "lock")
    assert await database.read(lambda c: BY_ID.first(c, of="none")) is None
    rows = await database.read(lambda c: [tuple(row) for row in c.execute(select(THING).order_by(THING.c.id))])
    assert rows == [("a", {"x": [1]}, True, 7, "lock"), ("b", None, False, 7, "lock"), ("c", "é", False, 7, "lock")]


async def test_an_update_changes_what_its_condition_names_and_says_what_it_saw(database: SqliteDatabase) -> None:
    change = Update(THING, THING.c.id == bindparam("of"), THING.c.hold == Hold.LOCK, returning=(THING.c.flag,))
    await database.write(lambda c: Insert(THING).many(c, [{"id": "a"}, {"id": "b"}]))
    assert await database.write(lambda c: change.run(c, {"of": "a"}, count=8, document={"y": None})) == [(False,)]
    assert await database.write(lambda c: change.run(c, {"of": "a"}, hold=Hold.NONE)) == [(False,)]
    assert await database.write(lambda c: change.run(c, {"of": "a"}, count=9)) == []
    assert await database.read(lambda c: BY_ID.rows(c, of="a")) == [("a", {"y": None}, False, 8, "none")]
    assert await database.read(lambda c: LOCKED.rows(c, room=5)) == [("b",)]


async def test_a_missing_value_is_an_error_and_changes_nothing(database: SqliteDatabase) -> None:
    with pytest.raises(KeyError):
        await database.write(lambda c: BY_ID.rows(c))

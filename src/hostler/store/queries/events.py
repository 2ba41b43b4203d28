"""News for those who follow live: a row for each thing that changed, in the transaction that changed it."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from hostler.store.compiled import Insert
from hostler.store.tables import event

_EVENT = Insert(event)


def notify(connection: Connection, now: int, kind: str, object_id: str, body: dict[str, Any]) -> None:
    """Tell that an object of this kind changed; `body` is small, the rest is read by id."""
    _EVENT.one(connection, at=now, kind=kind, object_id=object_id, body=body)


def notify_many(connection: Connection, now: int, kind: str, news: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Tell of many objects at once: pairs of an id and what changed."""
    rows = [{"at": now, "kind": kind, "object_id": object_id, "body": body} for object_id, body in news]
    if rows:
        _EVENT.many(connection, rows)

"""The nouns of the house: which table holds each, and how a reference finds one of them."""

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Table, select, true

from hostler.domain.references import Reference, parse_reference
from hostler.store import tables
from hostler.store.database import AnyRow


class Noun(Struct, frozen=True, kw_only=True):
    """A kind of object that people name. `plural` is its word in addresses and in the SDK."""

    name: str
    plural: str
    title: str
    table: Table


NOUNS = {
    noun.name: noun
    for noun in (
        Noun(name="vm", plural="vms", title="virtual machine", table=tables.vm),
        Noun(name="host", plural="hosts", title="host", table=tables.host),
        Noun(name="template", plural="templates", title="template", table=tables.template),
        Noun(
            name="hardware-profile",
            plural="hardware-profiles",
            title="hardware profile",
            table=tables.hardware_profile,
        ),
        Noun(
            name="guest-os-profile",
            plural="guest-os-profiles",
            title="guest OS profile",
            table=tables.guest_os_profile,
        ),
        Noun(name="library-share", plural="library-shares", title="library share", table=tables.library_share),
        Noun(name="library-object", plural="library-objects", title="library object", table=tables.library_object),
    )
}


class BadReferenceError(Exception):
    """A reference that finds nothing, too much, or something of another name."""

    def __init__(self, message: str, ids: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.ids = ids


def alive(table: Table) -> ColumnElement[bool]:
    """Rows that still stand for something: a deleted object keeps its row as a tombstone."""
    return table.c.deleted_at.is_(None) if "deleted_at" in table.c else true()


def resolve(connection: Connection, noun: str, text: str) -> AnyRow:
    """The row that `text` names; BadReferenceError with a message for the user otherwise."""
    kind, reference = NOUNS[noun], parse_reference(text)
    table = kind.table
    condition = table.c.id == reference.id if reference.id is not None else table.c.name == reference.name
    rows = connection.execute(select(table).where(condition, alive(table)).limit(11)).all()
    if not rows:
        raise BadReferenceError(f"There is no {kind.title} with the {_told(reference)}.")
    if len(rows) > 1:
        ids = tuple(row.id for row in rows)
        raise BadReferenceError(
            f"{len(rows)} {kind.plural} have the {_told(reference)}; use an id: {', '.join(ids)}", ids
        )
    if reference.id is not None and reference.name is not None and rows[0].name != reference.name:
        raise BadReferenceError(
            f"The {kind.title} {reference.id} is now called {rows[0].name!r}, not {reference.name!r} as the call says."
        )
    return rows[0]


def named(connection: Connection, noun: str, name: str) -> str | None:
    """The id of an object with exactly this name, if there is one."""
    table = NOUNS[noun].table
    return connection.execute(select(table.c.id).where(table.c.name == name, alive(table)).limit(1)).scalar()


def _told(reference: Reference) -> str:
    return f"id {reference.id}" if reference.id is not None else f"name {reference.name!r}"

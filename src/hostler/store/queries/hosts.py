"""What is shown of hosts, with how fresh each class of facts is."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from hostler.store.queries.columns import Attachment, Column, ColumnType, Listing, moment
from hostler.store.tables import freshness, host


def _freshness(connection: Connection, ids: Sequence[str]) -> Mapping[str, list[dict[str, Any]]]:
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    rows = connection.execute(
        select(freshness).where(freshness.c.source.in_(ids)).order_by(freshness.c.source, freshness.c.fact_class)
    )
    for row in rows:
        found[row.source].append(
            {
                "fact_class": row.fact_class,
                "read_started_at": moment(row.read_started_at),
                "read_ended_at": moment(row.read_ended_at),
                "complete": row.complete,
                "problems": row.problems,
            }
        )
    return found


HOSTS = Listing(
    plural="hosts",
    source=host,
    where=host.c.deleted_at.is_(None),
    columns=(
        Column(name="id", expression=host.c.id, type=ColumnType.TEXT, about="UUID"),
        Column(name="name", expression=host.c.name, type=ColumnType.TEXT, about="Name, unique"),
        Column(name="state", expression=host.c.state, type=ColumnType.TEXT, about="Whether we can talk to it"),
        Column(name="state_note", expression=host.c.state_note, type=ColumnType.TEXT, about="Why it is in that state"),
        Column(name="state_at", expression=host.c.state_at, type=ColumnType.TIME, about="Since when it is"),
        Column(
            name="group_path", expression=host.c.group_path, type=ColumnType.TEXT, about="Host group, from the root"
        ),
        Column(name="provider", expression=host.c.provider, type=ColumnType.TEXT, about="kvm, simulated …"),
        Column(name="address", expression=host.c.address, type=ColumnType.TEXT, about="How the service reaches it"),
        Column(
            name="available_for_placement",
            expression=host.c.available_for_placement,
            type=ColumnType.BOOLEAN,
            about="Whether placement may choose it",
        ),
        Column(name="maintenance", expression=host.c.maintenance, type=ColumnType.BOOLEAN, about="In maintenance mode"),
        Column(
            name="observed_at",
            expression=host.c.facts_at,
            type=ColumnType.TIME,
            about="When its facts were last read",
            nullable=True,
        ),
        Column(
            name="load_at",
            expression=host.c.load_at,
            type=ColumnType.TIME,
            about="When its load was last read",
            nullable=True,
        ),
        Column(name="created_at", expression=host.c.created_at, type=ColumnType.TIME, about="When it was added"),
        Column(
            name="vm_path",
            expression=host.c.vm_path,
            type=ColumnType.TEXT,
            about="Folder of the host where VMs are put",
            listed=False,
        ),
        Column(
            name="reserve",
            expression=host.c.reserve,
            type=ColumnType.JSON,
            about="What is kept back from VMs",
            nullable=True,
            listed=False,
        ),
        Column(
            name="facts",
            expression=host.c.facts,
            type=ColumnType.JSON,
            about="Hardware, versions, storage, networks",
            nullable=True,
            listed=False,
        ),
        Column(
            name="load",
            expression=host.c.load,
            type=ColumnType.JSON,
            about="Counters of the last read",
            nullable=True,
            listed=False,
        ),
    ),
    attachments=(
        Attachment(name="freshness", about="When each class of its facts was read, and how well", load=_freshness),
    ),
)

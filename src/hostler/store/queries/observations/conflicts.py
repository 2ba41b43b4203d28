"""Two hosts that both have one VM outside a migration: shown with the VM until only one of them has it."""

from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import Connection, select, update

from hostler.store.database import AnyRow
from hostler.store.queries.events import notify_many
from hostler.store.queries.observations.known import held_since, portions
from hostler.store.tables import host, presence, vm


def settle_conflicts(connection: Connection, host_id: str, known: Iterable[AnyRow], now: int) -> int:
    """Note and lift conflicts of VMs that this host has or had (`known`, before its pass); how many changed."""
    candidates = _twice_seen(connection, host_id) | {row.vm_id for row in known if row.conflict is not None}
    if not candidates:
        return 0
    places = _places(connection, candidates)
    held = held_since(connection, candidates, now)
    news = []
    for row in _rows(connection, candidates):
        hosts = places[row.id] if len(places[row.id]) > 1 else None
        if hosts == row.conflict or (hosts is not None and row.id in held):
            continue
        connection.execute(update(vm).where(vm.c.id == row.id).values(conflict=hosts))
        news.append((row.id, {"conflict": hosts}))
    notify_many(connection, now, "vm", news)
    return len(news)


def _twice_seen(connection: Connection, host_id: str) -> set[str]:
    other = presence.alias("other")
    query = (
        select(presence.c.vm_id)
        .join(other, other.c.vm_id == presence.c.vm_id)
        .where(presence.c.host_id == host_id, presence.c.in_last_pass)
        .where(other.c.host_id != presence.c.host_id, other.c.in_last_pass)
    )
    return set(connection.execute(query).scalars())


def _places(connection: Connection, vm_ids: Iterable[str]) -> dict[str, list[str]]:
    places: dict[str, list[str]] = defaultdict(list)
    for some in portions(vm_ids):
        rows = connection.execute(
            select(presence.c.vm_id, presence.c.host_id)
            .join(host, host.c.id == presence.c.host_id)
            .where(presence.c.vm_id.in_(some), presence.c.in_last_pass, host.c.deleted_at.is_(None))
            .order_by(presence.c.host_id)
        )
        for row in rows:
            places[row.vm_id].append(row.host_id)
    return places


def _rows(connection: Connection, vm_ids: Iterable[str]) -> list[AnyRow]:
    rows: list[AnyRow] = []
    for some in portions(vm_ids):
        rows += connection.execute(select(vm.c.id, vm.c.conflict).where(vm.c.id.in_(some), vm.c.deleted_at.is_(None)))
    return rows

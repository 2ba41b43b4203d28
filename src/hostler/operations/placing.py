"""Where a new VM goes: the host that was named, if it can take it, or the best that Intelligent Placement finds."""

from msgspec import Struct
from sqlalchemy import select

from hostler.domain.library.profiles import Hardware
from hostler.domain.machines.spec import CloneKind
from hostler.domain.placement.model import Rating, Request
from hostler.domain.placement.needs import needs_of
from hostler.domain.placement.rank import rank
from hostler.jobs.errors import ConflictError
from hostler.jobs.operation import Acceptance
from hostler.store.database import AnyRow
from hostler.store.queries.placement import fleet_snapshot
from hostler.store.tables import host

_TOLD = 5
"""Hosts whose reasons a refusal lists; the rest are counted."""


class Placed(Struct, frozen=True):
    """The chosen host's row, and why it was chosen."""

    host: AnyRow
    rating: Rating


def needs_from(hardware: Hardware, disk: AnyRow, clone: CloneKind) -> Request:
    """What a VM of this hardware needs whose disk is cloned from this library object."""
    return needs_of(hardware, clone, size_bytes=disk.size_bytes, virtual_size_bytes=disk.virtual_size_bytes)


def choose_host(at: Acceptance, named: str | None, wanted: Request) -> Placed:
    """The host for the VM; ConflictError with every reason when the named one, or none at all, can take it."""
    ranking = rank(fleet_snapshot(at.connection), wanted, seed=at.now)
    if named is not None:
        row = at.find("host", named)
        rating = next((rating for rating in ranking.ratings if rating.host_id == row.id), None)
        if rating is None:
            raise ConflictError(
                f"The host {row.name} cannot be rated: it has never been read.",
                f"Wait until it answers, or see why it does not: hostler host show {row.id}",
            )
        if rating.zero_reasons:
            raise ConflictError(f"The host cannot take the virtual machine. {_reasons(rating)}", _help(rating))
        return Placed(row, rating)
    best = ranking.suggested
    if best is None:
        told = " ".join(_reasons(rating) for rating in ranking.ratings[:_TOLD])
        more = f" And {len(ranking.ratings) - _TOLD} more hosts." if len(ranking.ratings) > _TOLD else ""
        raise ConflictError(
            f"No host can take the virtual machine. {told or 'There is no host.'}{more}",
            _help(ranking.ratings[0]) if ranking.ratings else "Add a host: hostler host add",
        )
    return Placed(at.connection.execute(select(host).where(host.c.id == best.host_id)).one(), best)


def _reasons(rating: Rating) -> str:
    return f"{rating.host_name}: {'; '.join(reason.text for reason in rating.zero_reasons)}."


def _help(rating: Rating) -> str:
    return "; ".join(reason.what_would_help for reason in rating.zero_reasons)

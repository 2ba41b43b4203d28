"""What others read of jobs: the audit trail, and the events that consoles and commands follow."""

from typing import Any

from sqlalchemy import Connection

from hostler.domain.access.rights import Caller
from hostler.store.compiled import Insert
from hostler.store.queries.events import notify
from hostler.store.tables import audit as audit_table

_AUDIT = Insert(audit_table)


def audit(
    connection: Connection,
    caller: Caller,
    now: int,
    action: str,
    subject: str,
    outcome: str,
    *,
    job_id: str | None = None,
    detail: Any = None,
) -> None:
    """Append a record of who asked for what, and what became of it."""
    _AUDIT.one(
        connection,
        at=now,
        user=caller.user_name,
        source=caller.source,
        action=action,
        object=_storable(subject),
        outcome=outcome,
        job_id=job_id,
        reason=_storable(caller.reason),
        detail=detail,
    )


def job_event(connection: Connection, now: int, job_id: str, state: str, **more: Any) -> None:
    """Tell those who follow that a job moved on."""
    notify(connection, now, "job", job_id, {"state": state, **more})


def _storable(text: str) -> str:
    """What a refused call said may hold what no database stores: it is kept readable, not exact."""
    return text.encode(errors="replace").decode().replace("\0", "?")

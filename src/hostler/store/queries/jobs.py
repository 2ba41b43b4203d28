"""What is shown of jobs, with their steps, and of the audit trail."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from hostler.store.queries.columns import Attachment, Column, ColumnType, Listing, moment
from hostler.store.tables import audit, job, job_step


def _steps(connection: Connection, ids: Sequence[str]) -> Mapping[str, list[dict[str, Any]]]:
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in connection.execute(select(job_step).where(job_step.c.job_id.in_(ids)).order_by(job_step.c.n)):
        found[row.job_id].append(
            {
                "n": row.n,
                "name": row.name,
                "title": row.title,
                "state": row.state,
                "attempt": row.attempt,
                "percent": row.percent,
                "error": row.error,
                "started_at": moment(row.started_at),
                "ended_at": moment(row.ended_at),
            }
        )
    return found


def _children(connection: Connection, ids: Sequence[str]) -> Mapping[str, list[dict[str, Any]]]:
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    shown = (job.c.parent_id, job.c.id, job.c.title, job.c.state, job.c.percent, job.c.resolution)
    for row in connection.execute(select(*shown).where(job.c.parent_id.in_(ids)).order_by(job.c.seq)):
        found[row.parent_id].append({name: row[n] for n, name in enumerate(row._fields) if name != "parent_id"})
    return found


def _text(name: str, about: str, *, nullable: bool = False, listed: bool = True) -> Column:
    return Column(
        name=name, expression=job.c[name], type=ColumnType.TEXT, about=about, nullable=nullable, listed=listed
    )


def _time(name: str, about: str, *, nullable: bool = True) -> Column:
    return Column(name=name, expression=job.c[name], type=ColumnType.TIME, about=about, nullable=nullable)


JOBS = Listing(
    plural="jobs",
    source=job,
    owned_by=job.c.user_id,
    key="seq",
    order="-seq",
    columns=(
        Column(name="seq", expression=job.c.seq, type=ColumnType.INTEGER, about="Order of acceptance"),
        _text("id", "UUID: the Idempotency-Key of the call"),
        _text("operation", "noun.verb"),
        _text("title", "What it does, for a person"),
        _text("state", "queued, running, completed, completed_with_info, failed or cancelled"),
        _text("resolution", "What was decided of it once it had failed: undone or dismissed", nullable=True),
        Column(name="percent", expression=job.c.percent, type=ColumnType.INTEGER, about="How far it is, 0–100"),
        Column(name="attempt", expression=job.c.attempt, type=ColumnType.INTEGER, about="Which attempt this is"),
        Column(
            name="undoing",
            expression=job.c.undoing,
            type=ColumnType.BOOLEAN,
            about="Whether it goes back over its plan",
        ),
        Column(
            name="cancel_requested",
            expression=job.c.cancel_requested,
            type=ColumnType.BOOLEAN,
            about="Whether it shall stop at its next safe point",
        ),
        _text("subject_kind", "Noun of the object it is about"),
        _text("subject_id", "Id of that object"),
        _text("subject_name", "Name of that object when the job was accepted"),
        _text("user", "Who asked for it"),
        _text("source", "Address that the call came from"),
        _text("reason", "Why, in the caller's words"),
        _text("parent_id", "Job that this is a part of", nullable=True),
        _time("created_at", "When it was accepted", nullable=False),
        _time("started_at", "When its first attempt began"),
        _time("ended_at", "When it ended"),
        Column(
            name="error",
            expression=job.c.error,
            type=ColumnType.JSON,
            about="Step, code, message, remedy, next, and in `left` what it left behind",
            nullable=True,
        ),
        Column(
            name="info",
            expression=job.c.info,
            type=ColumnType.JSON,
            about="What a completed job has to say",
            nullable=True,
        ),
        Column(
            name="changes",
            expression=job.c.changes,
            type=ColumnType.JSON,
            about="Properties that it changes: object, property, old, new",
            listed=False,
        ),
        Column(name="call", expression=job.c.call, type=ColumnType.JSON, about="The call as data", listed=False),
        _text("root_id", "Topmost job that this is a part of", listed=False),
        _text("token_id", "API token that asked", nullable=True, listed=False),
    ),
    attachments=(
        Attachment(name="steps", about="Its steps, with state, percentage and times", load=_steps),
        Attachment(name="children", about="The jobs that are parts of it, with state and percentage", load=_children),
    ),
)

AUDIT = Listing(
    plural="audit",
    source=audit,
    key="seq",
    order="-seq",
    columns=(
        Column(name="seq", expression=audit.c.seq, type=ColumnType.INTEGER, about="Order of the records"),
        Column(name="at", expression=audit.c.at, type=ColumnType.TIME, about="When"),
        Column(name="user", expression=audit.c.user, type=ColumnType.TEXT, about="Who"),
        Column(name="source", expression=audit.c.source, type=ColumnType.TEXT, about="From where"),
        Column(name="action", expression=audit.c.action, type=ColumnType.TEXT, about="noun.verb that was asked for"),
        Column(name="object", expression=audit.c.object, type=ColumnType.TEXT, about="Of what"),
        Column(name="outcome", expression=audit.c.outcome, type=ColumnType.TEXT, about="accepted or refused"),
        Column(name="job_id", expression=audit.c.job_id, type=ColumnType.TEXT, about="Job it became", nullable=True),
        Column(name="reason", expression=audit.c.reason, type=ColumnType.TEXT, about="Why, in the caller's words"),
        Column(
            name="detail",
            expression=audit.c.detail,
            type=ColumnType.JSON,
            about="Why it was refused",
            nullable=True,
        ),
    ),
)

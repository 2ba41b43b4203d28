"""What is forgotten of old jobs, and what never is."""

from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select

from hostler.store.queries.pruning import Retention, prune
from hostler.store.tables import audit, job, job_object, job_step

DAY = 86_400 * 1_000_000
NOW = 1_000 * DAY
KEEP = Retention(jobs_days=90)
OLD, YOUNG = NOW - 91 * DAY, NOW - 89 * DAY


def add_job(connection: Connection, hold: str | None = "none", **values: Any) -> None:
    empty = dict.fromkeys(("title", "subject_kind", "subject_id", "subject_name", "user_id", "user", "source"), "")
    documents: dict[str, Any] = {"call": {}, "plan": {}, "changes": []}
    row = {"id": "j", "root_id": "j", "operation": "a.b", "version": 1, "request_hash": "", "created_at": OLD}
    connection.execute(insert(job).values(**empty, **documents, **row, **values))
    step = {"job_id": "j", "n": 0, "name": "s", "title": "s", "state": "done"}
    connection.execute(insert(job_step).values(step))
    if hold is not None:
        connection.execute(insert(job_object).values(job_id="j", object="vm/1", exclusive=True, hold=hold))


def add_part(connection: Connection) -> None:
    """A job that is a part of `j`, and completed long ago."""
    columns = [column for column in job.c if column is not job.c.seq]
    root = connection.execute(select(*columns).where(job.c.id == "j")).one()._mapping
    part = {"id": "p", "parent_id": "j", "state": "completed", "resolution": None, "ended_at": OLD}
    connection.execute(insert(job).values(**{**root, **part}))


def left(connection: Connection) -> list[int]:
    tables = (job, job_step, job_object)
    return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]


@pytest.mark.parametrize(
    "values",
    [
        {"state": "completed"},
        {"state": "completed_with_info"},
        {"state": "failed", "resolution": "undone"},
        {"state": "failed", "resolution": "dismissed"},
        {"state": "cancelled", "resolution": "undone"},
    ],
    ids=str,
)
def test_old_jobs_go_with_all_that_is_theirs(connection: Connection, values: dict[str, Any]) -> None:
    connection.execute(insert(audit).values(at=OLD, user="", source="", action="", object="", outcome="", job_id="j"))
    add_job(connection, ended_at=OLD, **values)
    assert prune(connection, KEEP, NOW) == 1
    assert left(connection) == [0, 0, 0]
    assert connection.execute(select(func.count()).select_from(audit)).scalar_one() == 1
    assert prune(connection, KEEP, NOW) == 0


@pytest.mark.parametrize(
    ("values", "hold"),
    [
        ({"state": "completed", "ended_at": YOUNG}, "none"),
        ({"state": "queued"}, "lock"),
        ({"state": "running"}, "lock"),
        ({"state": "failed", "ended_at": OLD}, "block"),
        ({"state": "failed", "ended_at": OLD}, "none"),
        ({"state": "failed", "ended_at": OLD}, None),
        ({"state": "cancelled", "ended_at": OLD}, None),
    ],
    ids=str,
)
def test_young_jobs_and_those_that_nobody_decided_on_stay(
    connection: Connection, values: dict[str, Any], hold: str | None
) -> None:
    add_job(connection, hold=hold, **values)
    before = left(connection)
    assert prune(connection, KEEP, NOW) == 0
    assert left(connection) == before


@pytest.mark.parametrize(
    "root",
    [
        {"state": "failed", "ended_at": OLD},
        {"state": "running"},
        {"state": "completed", "ended_at": YOUNG},
    ],
    ids=str,
)
def test_a_part_stays_as_long_as_the_whole_may_need_it(connection: Connection, root: dict[str, Any]) -> None:
    add_job(connection, **root)
    add_part(connection)
    assert prune(connection, KEEP, NOW) == 0
    connection.execute(job.update().where(job.c.id == "j").values(state="failed", resolution="undone", ended_at=OLD))
    assert prune(connection, KEEP, NOW) == 2

"""Raw transactions: the rows that our engine writes for a job, in as many transactions, by sqlite3 on one thread.

It decides nothing, checks nothing and reads nothing: each job's five transactions change the rows that ours change.
"""

import sqlite3
import time
import uuid
from pathlib import Path

from sqlalchemy import create_engine

from bench.contenders.contest import Outcome
from hostler.store.tables import metadata

_DOCUMENT = '{"noun":"three-steps","verb":"run","subject":null,"arguments":{"host":0}}'
_JOB = """INSERT INTO job (id, operation, version, title, state, attempt, round, undoing, cancel_requested, limit_key,
    root_id, subject_kind, subject_id, subject_name, user_id, user, source, reason, call, plan, request_hash, changes,
    percent, created_at) VALUES (?, 'three-steps.run', 1, ?, 'queued', 0, 0, 0, 0, 'host/0', ?, 'vm', ?, ?, 'hostler',
    'bench', '127.0.0.1', '', ?, ?, ?, '[]', 0, ?)"""
_STEP = "INSERT INTO job_step (job_id, n, name, title, state, attempt, percent) VALUES (?, ?, ?, ?, 'planned', 0, 0)"
_OBJECT = "INSERT INTO job_object (job_id, object, exclusive, hold) VALUES (?, ?, ?, 'lock')"
_AUDIT = """INSERT INTO audit (at, user, source, action, object, outcome, job_id, reason)
    VALUES (?, 'bench', '127.0.0.1', 'three-steps.run', ?, 'accepted', ?, '')"""
_EVENT = "INSERT INTO event (at, kind, object_id, body) VALUES (?, 'job', ?, ?)"
_TAKE = "UPDATE job SET state = 'running', replica = ?, attempt = 1, started_at = ? WHERE id = ?"
_INTEND = "UPDATE job_step SET state = 'intent', attempt = 1, started_at = ? WHERE job_id = ? AND n = ?"
_DONE = "UPDATE job_step SET state = 'done', result = ?, percent = 100, ended_at = ? WHERE job_id = ? AND n = ?"
_PERCENT = "UPDATE job SET percent = ? WHERE id = ?"
_END = "UPDATE job SET state = 'completed', ended_at = ?, replica = NULL, percent = 100 WHERE id = ?"
_FREE = "UPDATE job_object SET hold = 'none' WHERE job_id = ?"


def run(path: Path, jobs: int) -> Outcome:
    """So many jobs, one after the other."""
    made = create_engine(f"sqlite:///{path}")
    metadata.create_all(made)
    made.dispose()
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-16384"):
        connection.execute(f"PRAGMA {pragma}")
    before, begun = connection.total_changes, time.perf_counter()
    for _ in range(jobs):
        _run_job(connection)
    seconds = time.perf_counter() - begun
    rows_changed = connection.total_changes - before
    connection.close()
    return Outcome(seconds, jobs, rows_changed)


def _run_job(connection: sqlite3.Connection) -> None:
    job_id, vm_id = str(uuid.uuid4()), str(uuid.uuid4())
    name, now = f"bench-{vm_id}", time.time_ns() // 1000
    execute = connection.execute
    execute("BEGIN IMMEDIATE")
    plan = f'{{"vm_id":"{vm_id}","host":0}}'
    execute(_JOB, (job_id, f"Do nothing to {name}", job_id, vm_id, name, _DOCUMENT, plan, job_id, now))
    steps = ((job_id, n, step, "Do nothing") for n, step in enumerate(("first", "middle", "last")))
    connection.executemany(_STEP, steps)
    connection.executemany(_OBJECT, ((job_id, "host/0", 0), (job_id, f"vm/{vm_id}", 1)))
    execute(_AUDIT, (now, name, job_id))
    execute(_EVENT, (now, job_id, '{"state":"queued"}'))
    execute("COMMIT")
    execute("BEGIN IMMEDIATE")
    execute(_TAKE, ("replica", now, job_id))
    execute(_EVENT, (now, job_id, '{"state":"running","percent":0}'))
    execute(_INTEND, (now, job_id, 0))
    execute("COMMIT")
    for n in range(3):
        execute("BEGIN IMMEDIATE")
        execute(_DONE, (f'{{"ok":"{vm_id}"}}', now, job_id, n))
        execute(_PERCENT, (100 * (n + 1) // 3, job_id))
        if n < 2:
            execute(_INTEND, (now, job_id, n + 1))
            execute(_EVENT, (now, job_id, f'{{"state":"running","step":{n + 1}}}'))
        else:
            execute(_END, (now, job_id))
            execute(_FREE, (job_id,))
            execute(_EVENT, (now, job_id, '{"state":"completed"}'))
        execute("COMMIT")

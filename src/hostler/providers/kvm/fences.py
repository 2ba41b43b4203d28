"""The fence of a host: the highest attempt of each job that has spoken to it, kept across restarts."""

import contextlib
import sqlite3
import threading
import time
from pathlib import Path

from hostler.providers.contract import Fence
from hostler.providers.errors import Fenced

KEEP_SECONDS = 90 * 24 * 3600


class Fences:
    """Blocking; a commit each call that raises a job's attempt, nothing but a read otherwise."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        with self._open() as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute(
                "CREATE TABLE IF NOT EXISTS fence "
                "(job_id TEXT PRIMARY KEY, attempt INTEGER NOT NULL, seen_at INTEGER NOT NULL) WITHOUT ROWID"
            )
            db.execute("DELETE FROM fence WHERE seen_at < ?", (int((time.time() - KEEP_SECONDS) * 1_000_000),))

    def _open(self) -> contextlib.closing[sqlite3.Connection]:
        db = sqlite3.connect(self._path, timeout=10, isolation_level=None)
        db.execute("PRAGMA synchronous=FULL")
        return contextlib.closing(db)

    def pass_or_raise(self, fence: Fence) -> None:
        """Remember the attempt. Raises Fenced when a later one has been here."""
        with self._lock, self._open() as db:
            row = db.execute("SELECT attempt FROM fence WHERE job_id = ?", (fence.job_id,)).fetchone()
            if row is None or row[0] < fence.attempt:
                # One statement: of two processes that race, the later attempt stays.
                db.execute(
                    "INSERT INTO fence VALUES (?, ?, ?) ON CONFLICT (job_id) DO UPDATE SET attempt = excluded.attempt, "
                    "seen_at = excluded.seen_at WHERE excluded.attempt > fence.attempt",
                    (fence.job_id, fence.attempt, int(time.time() * 1_000_000)),
                )
                row = db.execute("SELECT attempt FROM fence WHERE job_id = ?", (fence.job_id,)).fetchone()
        if row[0] > fence.attempt:
            raise Fenced(
                f"attempt {fence.attempt} of job {fence.job_id} came late: attempt {row[0]} has spoken to this host",
                "nothing to do: the later attempt carries the job on",
            )

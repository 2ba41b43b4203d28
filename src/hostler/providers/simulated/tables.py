"""The simulation's own SQLite file: what is true on every simulated host."""

import sqlite3
from pathlib import Path

_TABLES = """
CREATE TABLE IF NOT EXISTS settings (
  only INTEGER PRIMARY KEY CHECK (only = 1), seed INTEGER NOT NULL, clock_ns INTEGER NOT NULL, clock_rate REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS hosts (
  host_id TEXT PRIMARY KEY, shape BLOB NOT NULL, knobs BLOB NOT NULL, booted_ns INTEGER NOT NULL,
  retired_cpu_ns INTEGER NOT NULL DEFAULT 0, retired_disk_requests INTEGER NOT NULL DEFAULT 0,
  retired_net_bytes INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS vms (
  host_id TEXT NOT NULL, native_id TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, spec BLOB NOT NULL,
  job_id TEXT NOT NULL DEFAULT '', half INTEGER NOT NULL DEFAULT 0, started_ns INTEGER NOT NULL DEFAULT 0,
  guest_name TEXT, guest_reads INTEGER NOT NULL DEFAULT 0, off_reads INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (host_id, native_id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS vm_names ON vms (host_id, name);
CREATE TABLE IF NOT EXISTS files (
  host_id TEXT NOT NULL, path TEXT NOT NULL, volume TEXT NOT NULL, size_bytes INTEGER NOT NULL,
  capacity_bytes INTEGER NOT NULL, format TEXT NOT NULL, backing TEXT, seed BLOB, whole INTEGER NOT NULL,
  job_id TEXT NOT NULL DEFAULT '', PRIMARY KEY (host_id, path)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tasks (
  host_id TEXT NOT NULL, task_id TEXT NOT NULL, job_id TEXT NOT NULL, attempt INTEGER NOT NULL, work BLOB NOT NULL,
  state TEXT NOT NULL, steps_done INTEGER NOT NULL, steps INTEGER NOT NULL, before TEXT NOT NULL DEFAULT '',
  error TEXT NOT NULL DEFAULT '', remedy TEXT NOT NULL DEFAULT '', PRIMARY KEY (host_id, task_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fences (
  host_id TEXT NOT NULL, job_id TEXT NOT NULL, attempt INTEGER NOT NULL, PRIMARY KEY (host_id, job_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS effects (
  number INTEGER PRIMARY KEY, host_id TEXT NOT NULL, job_id TEXT NOT NULL, attempt INTEGER NOT NULL,
  effect TEXT NOT NULL, target TEXT NOT NULL
);
INSERT OR IGNORE INTO settings (only, seed, clock_ns, clock_rate) VALUES (1, 1, 0, 0);
"""

EMPTIED = ("hosts", "vms", "files", "tasks", "fences", "effects")
"""Tables that a reset empties."""


def open_state(path: Path) -> sqlite3.Connection:
    """Open or make the file. It survives a killed process; a power cut is not simulated."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=OFF")
    connection.executescript(_TABLES)
    return connection

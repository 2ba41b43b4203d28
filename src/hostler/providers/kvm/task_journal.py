"""The host's memory of long work: a file a task, and a lock a target, held exactly while a process makes it.

The kernel frees the lock when the last process that inherited it ends, so a held lock proves a living worker, across a
killed service and with no doubt about reused process ids.
"""

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from hostler.providers.contract import CloneDisk, TaskFacts, TaskState, TaskWork
from hostler.providers.kvm.whole_files import write_state

KEEP_SECONDS = 30 * 24 * 3600
_POLL_SECONDS = 0.01
_STRAY_SECONDS = 3600


class TaskRecord(Struct, frozen=True, kw_only=True):
    """A task as it is kept. `runs` counts how often its work was begun."""

    task_id: str
    attempt: int
    work: TaskWork
    state: TaskState
    error: str = ""
    remedy: str = ""
    runs: int = 1

    def facts(self, percent: int) -> TaskFacts:
        done = 100 if self.state is TaskState.DONE else percent
        return TaskFacts(task_id=self.task_id, state=self.state, percent=done, error=self.error, remedy=self.remedy)


class TaskJournal:
    """Blocking. File names are digests of task ids, so an id may hold anything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._prune()

    def record_path(self, task_id: str) -> Path:
        return self.folder / f"{_digest(task_id)}.json"

    def read(self, task_id: str) -> TaskRecord | None:
        return read_record(self.record_path(task_id))

    def write(self, record: TaskRecord) -> TaskRecord:
        write_record(self.record_path(record.task_id), record)
        return record

    def forget(self, task_id: str) -> None:
        self.record_path(task_id).unlink(missing_ok=True)

    def percent(self, task_id: str) -> int:
        try:
            return int(self.progress_path(task_id).read_text() or 0)
        except (OSError, ValueError):
            return 0

    def progress_path(self, task_id: str) -> Path:
        return self.folder / f"{_digest(task_id)}.progress"

    @contextlib.contextmanager
    def hold(self, target: str, *, wait_seconds: float = 0) -> Iterator[int | None]:
        """The lock of a target as a file descriptor; None when somebody still makes it after that time."""
        path = self.folder / f"{_digest(target)}.lock"
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        ends = time.monotonic() + wait_seconds
        try:
            while not (held := _try_lock(lock)) and time.monotonic() < ends:
                time.sleep(_POLL_SECONDS)
            yield lock if held else None
        finally:
            os.close(lock)

    def worker_pid(self, target: str) -> int:
        """The leader of the process group at work; it writes it into the lock. 0 when it has not yet."""
        try:
            return int((self.folder / f"{_digest(target)}.lock").read_text() or 0)
        except (OSError, ValueError):
            return 0

    def _prune(self) -> None:
        oldest = time.time() - KEEP_SECONDS
        for path in self.folder.glob(".*.part"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < time.time() - _STRAY_SECONDS:
                    path.unlink()
        for path in self.folder.glob("*.json"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime >= oldest:
                    continue
                record = read_record(path)
                if record is not None and record.state is TaskState.RUNNING:
                    continue
                if record is not None and isinstance(record.work, CloneDisk):
                    (self.folder / f"{_digest(record.work.target)}.lock").unlink(missing_ok=True)
                path.with_suffix(".progress").unlink(missing_ok=True)
                path.unlink(missing_ok=True)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _digest(task_id: str) -> str:
    return hashlib.sha256(task_id.encode(errors="surrogatepass")).hexdigest()[:32]


def read_record(path: Path) -> TaskRecord | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=TaskRecord)
    except FileNotFoundError:
        return None


def write_record(path: Path, record: TaskRecord) -> None:
    write_state(path, msgspec.json.encode(record))

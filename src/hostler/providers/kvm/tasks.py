"""Long work: started once however often it is asked for, followed by whoever comes next, cancelled cleanly."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec

from hostler.domain.machines.spec import CloneKind
from hostler.providers.contract import CloneDisk, Fence, ResetVm, SaveVm, TaskFacts, TaskState, TaskWork
from hostler.providers.errors import HostNotResponding, NotThere, ProviderError, Refused
from hostler.providers.kvm import disks, machines, saves
from hostler.providers.kvm.connect import Connection
from hostler.providers.kvm.errors import translate_os
from hostler.providers.kvm.qemu_user import check_vm_path, qemu_user
from hostler.providers.kvm.task_journal import TaskJournal, TaskRecord
from hostler.providers.kvm.whole_files import part_of

MAX_RUNS = 3
_PID_WAIT_SECONDS = 5.0
_ENDING_SECONDS = 2.0
_KILLED_SECONDS = 20.0


class Tasks:
    """Blocking. A copy is a process with the task's lock; a save is libvirt's, and the domain tells of it."""

    def __init__(self, connection: Connection, vm_paths: tuple[Path, ...], folder: Path) -> None:
        self._connection = connection
        self._vm_paths = vm_paths
        self._journal = TaskJournal(folder)
        self._starting = threading.Lock()
        self._saving: set[str] = set()

    def start(self, fence: Fence, task_id: str, work: TaskWork) -> TaskFacts:
        """The remembered task. Begun when there is none, when its work was lost, or when a later attempt retries it."""
        with self._starting:
            known = self._journal.read(task_id)
            if known is not None and known.work != work:
                raise Refused(f"task {task_id} is other work than this", "give the new work a task id of its own")
            if isinstance(work, SaveVm):
                return self._start_save(fence, task_id, work, known)
            if isinstance(work, ResetVm):
                return self._reset(fence, task_id, work, known)
            return self._start_clone(fence, task_id, work, known)

    def read(self, task_id: str) -> TaskFacts | None:
        """None when the task is not known, or was lost with the process that worked on it: look, and start it again."""
        record = self._journal.read(task_id)
        if record is None:
            return None
        if record.state is not TaskState.RUNNING:
            return record.facts(self._journal.percent(task_id))
        if isinstance(record.work, SaveVm):
            return self._read_save(record, record.work)
        if isinstance(record.work, ResetVm):
            return None
        with self._journal.hold(record.work.target) as lock:
            if lock is None:
                return self._facts_at_work(record, Path(record.work.target))
            settled = self._settle_clone(task_id, record.work)
            return None if settled is None or settled.state is TaskState.RUNNING else settled.facts(0)

    def _facts_at_work(self, record: TaskRecord, target: Path) -> TaskFacts:
        """A copy is done when its file has its name, some milliseconds before its process records that."""
        if os.path.lexists(target) and not part_of(target).exists():
            return msgspec.structs.replace(record, state=TaskState.DONE).facts(100)
        return record.facts(self._journal.percent(record.task_id))

    def cancel(self, task_id: str) -> None:
        record = self._journal.read(task_id)
        if record is None or record.state is not TaskState.RUNNING:
            return
        if isinstance(record.work, ResetVm):
            return
        if isinstance(record.work, SaveVm):
            native_id = record.work.native_id
            self._connection.run(
                lambda connection: saves.abort(connection, native_id), f"cancelling the save of VM {native_id}"
            )
            return
        self._stop_copy(record.work.target)
        with self._journal.hold(record.work.target, wait_seconds=_KILLED_SECONDS) as lock:
            if lock is None:
                said = f"the copy to {record.work.target} was killed and does not end, as in a broken file system"
                raise HostNotResponding(said, "mend the host's storage; then cancel it again")
            settled = self._settle_clone(task_id, record.work)
            if settled is not None and settled.state is TaskState.RUNNING:
                part_of(Path(record.work.target)).unlink(missing_ok=True)
                self._journal.write(msgspec.structs.replace(settled, state=TaskState.CANCELLED))

    def _stop_copy(self, target: str) -> None:
        """Ends the whole process group, so that no qemu-img goes on writing."""
        ends = time.monotonic() + _PID_WAIT_SECONDS
        while time.monotonic() < ends:
            with self._journal.hold(target) as lock:
                if lock is not None:
                    return
                pid = self._journal.worker_pid(target)
                if pid:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(pid, signal.SIGKILL)
                    return
            time.sleep(0.02)

    # --- clones

    def _start_clone(self, fence: Fence, task_id: str, work: CloneDisk, known: TaskRecord | None) -> TaskFacts:
        # A worker that has recorded its end lets go of the lock within milliseconds.
        runs = known is not None and known.state is TaskState.RUNNING
        with self._journal.hold(work.target, wait_seconds=0 if runs else _ENDING_SECONDS) as lock:
            if lock is None:
                record = self._journal.read(task_id)
                if record is None or record.state is not TaskState.RUNNING:
                    raise Refused(f"{work.target} is being made by another task", "wait until that one has ended")
                return self._facts_at_work(record, Path(work.target))
            if known is not None:
                known = self._settle_clone(task_id, work)
            if known is not None and not self._is_to_run(known, fence, work):
                return known.facts(self._journal.percent(task_id))
            return self._begin_clone(fence, task_id, work, known, lock)

    @staticmethod
    def _is_to_run(known: TaskRecord, fence: Fence, work: CloneDisk) -> bool:
        if known.state is TaskState.RUNNING:
            return True
        if known.state is TaskState.DONE:
            return fence.attempt > known.attempt and not os.path.lexists(work.target)
        return fence.attempt > known.attempt

    def _settle_clone(self, task_id: str, work: CloneDisk) -> TaskRecord | None:
        """Called with the lock held, so no process works on it: what became of a task that still says running."""
        record = self._journal.read(task_id)
        if record is None or record.state is not TaskState.RUNNING:
            return record
        part = part_of(Path(work.target))
        if os.path.lexists(work.target) and not part.exists():
            return self._journal.write(msgspec.structs.replace(record, state=TaskState.DONE))
        part.unlink(missing_ok=True)
        if record.runs < MAX_RUNS:
            return record
        said = f"the process that made {work.target} was killed {record.runs} times"
        remedy = "read the host's kernel log (out of memory?), mend the cause and restart the job"
        return self._journal.write(msgspec.structs.replace(record, state=TaskState.FAILED, error=said, remedy=remedy))

    def _begin_clone(
        self, fence: Fence, task_id: str, work: CloneDisk, known: TaskRecord | None, lock: int
    ) -> TaskFacts:
        target = self._check_clone(work)
        lost = known is not None and known.state is TaskState.RUNNING
        record = TaskRecord(
            task_id=task_id,
            attempt=fence.attempt,
            work=work,
            state=TaskState.RUNNING,
            runs=known.runs + 1 if known is not None and lost else 1,
        )
        try:
            disks.make_folder(target, self._vm_paths)
            self._journal.progress_path(task_id).unlink(missing_ok=True)
            self._journal.write(record)
            part = part_of(target)
            if work.kind is CloneKind.FULL:
                self._begin_copy(task_id, part, lock)
                return record.facts(0)
            disks.make_linked_clone(work, part, target)
        except ProviderError as error:
            disks.remove_empty_folders(target.parent, self._vm_paths)
            failed = msgspec.structs.replace(record, state=TaskState.FAILED, error=error.message, remedy=error.remedy)
            return self._journal.write(failed).facts(0)
        except OSError as error:
            disks.remove_empty_folders(target.parent, self._vm_paths)
            raise translate_os(error, f"making {work.target}") from error
        return self._journal.write(msgspec.structs.replace(record, state=TaskState.DONE)).facts(100)

    def _check_clone(self, work: CloneDisk) -> Path:
        target = disks.need_inside(work.target, self._vm_paths)
        if os.path.lexists(target):
            raise Refused(
                f"{work.target} is already there", "delete it, or choose another path: a clone overwrites nothing"
            )
        disks.check_source(work.source, work.source_format, self._vm_paths)
        user = qemu_user()
        for root in self._vm_paths:
            if target.is_relative_to(os.path.realpath(root)):
                check_vm_path(root, user)
        if work.kind is CloneKind.LINKED:
            check_vm_path(Path(work.source).parent, user)
        return target

    def _begin_copy(self, task_id: str, part: Path, lock: int) -> None:
        """In a session of its own, holding the lock: it goes on when this process is killed."""
        part.unlink(missing_ok=True)
        # The last worker's process id may belong to somebody else by now; the new worker writes its own.
        os.ftruncate(lock, 0)
        record, progress = self._journal.record_path(task_id), self._journal.progress_path(task_id)
        process = subprocess.Popen(  # noqa: S603 - our own module and paths of ours
            [sys.executable, "-m", "hostler.providers.kvm.copy_disk", str(record), str(progress), str(part), str(lock)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(lock,),
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        threading.Thread(target=process.wait, name="reap-copy", daemon=True).start()

    # --- reset

    def _reset(self, fence: Fence, task_id: str, work: ResetVm, known: TaskRecord | None) -> TaskFacts:
        """Recorded before and after: a second press needs a crash in the milliseconds between."""
        if known is not None and known.state is TaskState.DONE:
            return known.facts(100)
        subject = f"resetting VM {work.native_id}"
        record = TaskRecord(task_id=task_id, attempt=fence.attempt, work=work, state=TaskState.RUNNING)
        self._journal.write(record)
        try:
            self._connection.run(lambda connection: machines.reset_vm(connection, work.native_id), subject)
        except (NotThere, Refused):
            self._journal.forget(task_id)
            raise
        return self._journal.write(msgspec.structs.replace(record, state=TaskState.DONE)).facts(100)

    # --- saves

    def _start_save(self, fence: Fence, task_id: str, work: SaveVm, known: TaskRecord | None) -> TaskFacts:
        if known is not None and known.state is TaskState.RUNNING:
            facts = self._read_save(known, work)
            if facts is not None:
                return facts
        elif known is not None and fence.attempt <= known.attempt:
            return known.facts(0)
        subject = f"saving VM {work.native_id}"
        record = TaskRecord(task_id=task_id, attempt=fence.attempt, work=work, state=TaskState.RUNNING)
        if self._connection.run(lambda connection: saves.is_needed(connection, work.native_id), subject):
            self._journal.write(record)
            self._saving.add(task_id)
            threading.Thread(target=self._save, args=(record, work, subject), name="save-vm", daemon=True).start()
            return record.facts(0)
        return self._journal.write(msgspec.structs.replace(record, state=TaskState.DONE)).facts(100)

    def _save(self, record: TaskRecord, work: SaveVm, subject: str) -> None:
        try:
            ended = self._save_to_its_end(record, work, subject)
            if ended is not None:
                self._journal.write(ended)
        finally:
            self._saving.discard(record.task_id)

    def _save_to_its_end(self, record: TaskRecord, work: SaveVm, subject: str) -> TaskRecord | None:
        """None when libvirtd went away meanwhile: the record stays running, and the domain tells later."""
        try:
            self._connection.run(lambda connection: saves.save(connection, work.native_id), subject)
        except HostNotResponding:
            return None
        except ProviderError as error:
            cancelled = "cancel" in error.message.lower() or "abort" in error.message.lower()
            state = TaskState.CANCELLED if cancelled else TaskState.FAILED
            return msgspec.structs.replace(record, state=state, error=error.message, remedy=error.remedy)
        return msgspec.structs.replace(record, state=TaskState.DONE)

    def _read_save(self, record: TaskRecord, work: SaveVm) -> TaskFacts | None:
        saved, percent = self._connection.run(
            lambda connection: saves.progress(connection, work.native_id), f"following the save of VM {work.native_id}"
        )
        if saved:
            return self._journal.write(msgspec.structs.replace(record, state=TaskState.DONE)).facts(100)
        if percent is not None or record.task_id in self._saving:
            return record.facts(percent or 0)
        latest = self._journal.read(record.task_id)
        return None if latest is None or latest.state is TaskState.RUNNING else latest.facts(0)

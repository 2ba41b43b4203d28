"""Long work on a simulated host: a task gets one step further each time that somebody reads it."""

import sqlite3

import msgspec

from hostler.domain.machines.spec import CloneKind, DiskFormat
from hostler.domain.machines.states import VmAction, VmState, why_not
from hostler.providers.contract import CloneDisk, Fence, ResetVm, SaveVm, TaskFacts, TaskState, TaskWork
from hostler.providers.errors import NotThere, ProviderError, Refused
from hostler.providers.simulated import files, load, machines, power
from hostler.providers.simulated.host import Did, Host

_LINKED_CLONE_BYTES = 196_624


def _find(host: Host, task_id: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = host.db.execute(
        "SELECT * FROM tasks WHERE host_id = ? AND task_id = ?", (host.host_id, task_id)
    ).fetchone()
    return row


def _work(row: sqlite3.Row) -> TaskWork:
    work: TaskWork = msgspec.json.decode(row["work"], type=TaskWork)
    return work


def _facts(host: Host, task_id: str) -> TaskFacts:
    row = _find(host, task_id)
    assert row is not None
    return TaskFacts(
        task_id=task_id,
        state=TaskState(row["state"]),
        percent=100 * row["steps_done"] // row["steps"],
        error=row["error"],
        remedy=row["remedy"],
    )


def start_task(host: Host, task_id: str, work: TaskWork) -> TaskFacts:
    row = _find(host, task_id)
    if row is not None:
        if _work(row) != work:
            raise Refused(f"task {task_id} is other work than this", "Give the new work a task id of its own.")
        return _facts(host, task_id)
    before = _begin(host, work)
    at_once = isinstance(work, ResetVm) or (isinstance(work, CloneDisk) and work.kind is CloneKind.LINKED)
    steps = min(1, host.knobs.task_steps) if at_once else host.knobs.task_steps
    assert host.fence is not None
    host.db.execute(
        "INSERT INTO tasks (host_id, task_id, job_id, attempt, work, state, steps_done, steps, before)"
        " VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?)",
        (
            host.host_id,
            task_id,
            host.fence.job_id,
            host.fence.attempt,
            msgspec.json.encode(work),
            TaskState.RUNNING.value,
            max(1, steps),
            before,
        ),
    )
    if before == VmState.SAVED or steps == 0 or isinstance(work, ResetVm):
        _finish(host, task_id, work)
    return _facts(host, task_id)


def _begin(host: Host, work: TaskWork) -> str:
    """Make what the work begins with; what a VM was before, where that matters to taking it back."""
    match work:
        case CloneDisk():
            return _begin_clone(host, work)
        case SaveVm():
            return _begin_save(host, work)
        case ResetVm():
            power.reset(host, work.native_id)
            return ""


def _begin_clone(host: Host, work: CloneDisk) -> str:
    files.volume_of(host, work.target)
    source = files.need(host, work.source)
    if files.find(host, work.target, half_too=True) is not None:
        raise Refused(
            f"{work.target!r} is already there on host {host.host_id}",
            "Delete it, or choose another path: a clone never overwrites a file.",
        )
    if source["format"] != work.source_format:
        raise Refused(
            f"{work.source!r} is {source['format']}, not {work.source_format.value}", "Name the format it really has."
        )
    linked = work.kind is CloneKind.LINKED
    files.put(
        host,
        work.target,
        capacity_bytes=source["capacity_bytes"],
        disk_format=DiskFormat.QCOW2 if linked else work.source_format,
        backing=work.source if linked else None,
    )
    return ""


def _begin_save(host: Host, work: SaveVm) -> str:
    row = machines.need(host, work.native_id)
    state = VmState(row["state"])
    if state is VmState.SAVED:
        return state.value
    if reason := why_not(VmAction.SAVE, state):
        raise Refused(f"VM {row['name']!r}: {reason}", "Start the VM first.")
    machines.set_state(host, row, VmState.SAVING)
    host.did(Did.VM_SAVE_BEGUN, work.native_id)
    return state.value


def read_task(host: Host, task_id: str) -> TaskFacts | None:
    return None if _find(host, task_id) is None else _facts(host, task_id)


def is_running(host: Host, task_id: str) -> bool:
    row = _find(host, task_id)
    return row is not None and row["state"] == TaskState.RUNNING


def step(host: Host, task_id: str, fault: ProviderError | None = None) -> None:
    """Do the next step of a task that is running; the last one makes the effect. With a fault, the task fails here."""
    row = _find(host, task_id)
    assert row is not None
    host.fence = Fence(job_id=row["job_id"], attempt=row["attempt"])
    work = _work(row)
    try:
        if fault is not None:
            raise fault
        if isinstance(work, CloneDisk):
            _copy_on(host, row, work)
        if row["steps_done"] + 1 >= row["steps"]:
            _finish(host, task_id, work)
            return
    except ProviderError as error:
        _clean(host, row)
        _end(host, task_id, TaskState.FAILED, error.message, error.remedy)
        return
    host.db.execute(
        "UPDATE tasks SET steps_done = steps_done + 1 WHERE host_id = ? AND task_id = ?", (host.host_id, task_id)
    )


def _copy_on(host: Host, row: sqlite3.Row, work: CloneDisk) -> None:
    if files.find(host, work.target, half_too=True) is None:
        raise NotThere(f"{work.target!r} was deleted while it was being made", "Start the clone again.")
    files.take_space(host, work.target, _share(host, row, work))


def _share(host: Host, row: sqlite3.Row, work: CloneDisk) -> int:
    """Bytes that this step writes: linked clones little, copies a share of their source."""
    if work.kind is CloneKind.LINKED:
        return _LINKED_CLONE_BYTES
    size: int = files.need(host, work.source)["size_bytes"]
    done: int = row["steps_done"]
    steps: int = row["steps"]
    return size * (done + 1) // steps - size * done // steps


def _finish(host: Host, task_id: str, work: TaskWork) -> None:
    if isinstance(work, CloneDisk):
        files.make_whole(host, work.target)
    elif isinstance(work, SaveVm):
        row = machines.need(host, work.native_id)
        if row["state"] == VmState.SAVING:
            load.retire(host, row)
            machines.set_state(host, row, VmState.SAVED)
            host.did(Did.VM_SAVED, work.native_id)
    host.db.execute("UPDATE tasks SET steps_done = steps WHERE host_id = ? AND task_id = ?", (host.host_id, task_id))
    _end(host, task_id, TaskState.DONE)


def cancel_task(host: Host, task_id: str) -> None:
    row = _find(host, task_id)
    if row is None or row["state"] != TaskState.RUNNING:
        return
    _clean(host, row)
    _end(host, task_id, TaskState.CANCELLED)


def _clean(host: Host, row: sqlite3.Row) -> None:
    """Take back what an unfinished task has done."""
    work = _work(row)
    if isinstance(work, CloneDisk):
        files.delete_file(host, work.target)
        return
    if isinstance(work, ResetVm):
        return
    vm = machines.find(host, work.native_id)
    if vm is not None and vm["state"] == VmState.SAVING:
        machines.set_state(host, vm, VmState(row["before"]))
        host.did(Did.VM_SAVE_CANCELLED, work.native_id)


def _end(host: Host, task_id: str, state: TaskState, error: str = "", remedy: str = "") -> None:
    host.db.execute(
        "UPDATE tasks SET state = ?, error = ?, remedy = ? WHERE host_id = ? AND task_id = ?",
        (state.value, error, remedy, host.host_id, task_id),
    )

"""A full copy, as a process of its own: it outlives the service that began it and records its own end.

Run as `python -m hostler.providers.kvm.copy_disk RECORD PROGRESS PART LOCK_FD` by tasks.py, as leader of a session.
"""

import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import msgspec

from hostler.providers.contract import CloneDisk, TaskState
from hostler.providers.errors import ProviderError
from hostler.providers.kvm.disks import image_error
from hostler.providers.kvm.errors import translate_os
from hostler.providers.kvm.task_journal import TaskRecord, read_record, write_record
from hostler.providers.kvm.whole_files import give_final_name

MAX_ADDRESS_SPACE_BYTES = 4 * 1024**3
_PERCENT = re.compile(rb"\((\d+)\.\d+/100%\)")


def percents(output: IO[bytes]) -> Iterator[int]:
    """What `qemu-img -p` says, each whole percent once."""
    last, rest = -1, b""
    while chunk := os.read(output.fileno(), 4096):
        found = _PERCENT.findall(rest + chunk)
        rest = (rest + chunk)[-32:]
        if found and int(found[-1]) != last:
            last = int(found[-1])
            yield last


def convert(work: CloneDisk, part: Path, tell: Callable[[int], None]) -> None:
    """Raises ProviderError in qemu-img's words."""
    argv = ["qemu-img", "convert", "-p", "-f", work.source_format.value, "-O", "qcow2", work.source, str(part)]
    with subprocess.Popen(  # noqa: S603 - an argument list; every path is absolute
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, close_fds=False
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for percent in percents(process.stdout):
            tell(min(percent, 99))
        said = process.stderr.read().decode(errors="replace")
    if process.returncode != 0:
        raise image_error(said, work)


def copy(record: TaskRecord, progress: Path, part: Path) -> TaskRecord:
    """The record of how it ended. A failure leaves nothing."""
    work = record.work
    assert isinstance(work, CloneDisk)
    try:
        convert(work, part, lambda percent: _write_in_place(progress, percent))
        give_final_name(part, Path(work.target))
    except ProviderError as error:
        part.unlink(missing_ok=True)
        return msgspec.structs.replace(record, state=TaskState.FAILED, error=error.message, remedy=error.remedy)
    except OSError as error:
        part.unlink(missing_ok=True)
        known = translate_os(error, f"copying {work.source} to {work.target}")
        return msgspec.structs.replace(record, state=TaskState.FAILED, error=known.message, remedy=known.remedy)
    return msgspec.structs.replace(record, state=TaskState.DONE)


def _write_in_place(progress: Path, percent: int) -> None:
    """Two digits over two digits: a reader never sees half a number."""
    handle = os.open(progress, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.pwrite(handle, f"{percent:02d}".encode(), 0)
    finally:
        os.close(handle)


def main(argv: list[str]) -> int:
    record_path, progress, part, lock = Path(argv[1]), Path(argv[2]), Path(argv[3]), int(argv[4])
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    # qemu-img holds the lock too: while it writes, nobody may think that the work is over.
    os.set_inheritable(lock, True)  # noqa: FBT003 - the standard library's only form
    resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESS_SPACE_BYTES, MAX_ADDRESS_SPACE_BYTES))
    record = read_record(record_path)
    if record is None or record.state is not TaskState.RUNNING:
        return 1
    write_record(record_path, copy(record, progress, part))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))

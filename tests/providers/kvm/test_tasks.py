import asyncio
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest
from tests.providers.conditions import until
from tests.providers.kvm.libvirt_host import LibvirtHost

from hostler.domain.machines.spec import CloneKind, DiskFormat
from hostler.providers.contract import CloneDisk, Fence, TaskFacts, TaskState
from hostler.providers.kvm.provider import KvmProvider
from hostler.providers.kvm.task_journal import TaskJournal

pytestmark = pytest.mark.xdist_group("libvirt")

SLOW_QEMU_IMG = """#!/bin/sh
case "$1" in
convert) echo begun >> "$HOSTLER_TEST_RUNS"; eval "part=\\${$#}"; printf half > "$part"; printf '    (42.00/100%%)\\r'
  while [ ! -e "$HOSTLER_TEST_GO" ]; do sleep 0.02; done ;;
esac
exec /usr/bin/qemu-img "$@"
"""
SERVICE = """
import asyncio, pathlib, sys
import msgspec
from hostler.providers.contract import CloneDisk, Fence
from hostler.providers.kvm.provider import KvmProvider
async def main(vm_path, state_dir, task_id, work):
    provider = KvmProvider(vm_paths=(pathlib.Path(vm_path),), state_dir=pathlib.Path(state_dir), uri="test:///default")
    work = msgspec.json.decode(work, type=CloneDisk)
    await provider.start_task(Fence(job_id="job", attempt=1), task_id, work)
    print("started", flush=True)
    await asyncio.sleep(600)
asyncio.run(main(*sys.argv[1:]))
"""


class Copying:
    """A copy that waits, half done, until it is let go."""

    def __init__(self, folder: Path, libvirt_host: LibvirtHost, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go, self.runs = folder / "go", folder / "runs"
        self.vm_path = libvirt_host.vm_path
        self.state_dir = folder / "state"
        tool = folder / "bin" / "qemu-img"
        tool.parent.mkdir()
        tool.write_text(SLOW_QEMU_IMG)
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
        monkeypatch.setenv("HOSTLER_TEST_GO", str(self.go))
        monkeypatch.setenv("HOSTLER_TEST_RUNS", str(self.runs))
        source = folder / "source.raw"
        source.write_bytes(os.urandom(1024 * 1024))
        self.task_id = str(uuid.uuid4())
        self.work = CloneDisk(
            source=str(source),
            source_format=DiskFormat.RAW,
            target=f"{self.vm_path}/{uuid.uuid4()}/disk",
            kind=CloneKind.FULL,
        )
        self.provider = self.connect()

    def connect(self) -> KvmProvider:
        return KvmProvider(vm_paths=(self.vm_path,), state_dir=self.state_dir, uri="test:///default")

    async def start(self, attempt: int = 1) -> TaskFacts:
        return await self.provider.start_task(Fence(job_id="job", attempt=attempt), self.task_id, self.work)

    def let_go(self) -> None:
        self.go.touch()

    async def is_half_done(self) -> None:
        async def half() -> bool | None:
            task = await self.provider.read_task(self.task_id)
            return True if task is not None and task.percent == 42 else None

        await until(half, "the copy does not begin")

    async def finished(self) -> TaskFacts:
        async def ended() -> TaskFacts | None:
            task = await self.provider.read_task(self.task_id)
            assert task is not None
            return None if task.state is TaskState.RUNNING else task

        return await until(ended, "the copy does not end")

    def times_begun(self) -> int:
        return len(self.runs.read_text().splitlines())

    def worker(self) -> int:
        return TaskJournal(self.state_dir / "tasks").worker_pid(self.work.target)

    def leftovers(self) -> list[Path]:
        return [path for path in Path(self.work.target).parent.glob("*") if str(path) != self.work.target]


@pytest.fixture
async def copying(tmp_path: Path, libvirt_host: LibvirtHost, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Copying]:
    copy = Copying(tmp_path, libvirt_host, monkeypatch)
    yield copy
    copy.let_go()
    fence = Fence(job_id=str(uuid.uuid4()), attempt=1)
    await copy.provider.cancel_task(fence, copy.task_id)
    await copy.provider.delete_file(fence, copy.work.target)
    await copy.provider.close()


async def test_progress_is_told_and_the_target_appears_whole(copying: Copying) -> None:
    await copying.start()
    await copying.is_half_done()
    assert await copying.provider.read_file(copying.work.target) is None
    copying.let_go()
    assert (await copying.finished()).state is TaskState.DONE
    assert await copying.provider.read_file(copying.work.target) is not None
    assert copying.leftovers() == []


async def test_killed_service_loses_no_copy_and_the_next_one_follows_it(copying: Copying) -> None:

    arguments = [copying.vm_path, copying.state_dir, copying.task_id, msgspec.json.encode(copying.work).decode()]
    with subprocess.Popen([sys.executable, "-c", SERVICE, *map(str, arguments)], stdout=subprocess.PIPE) as service:
        assert service.stdout is not None
        assert await asyncio.to_thread(service.stdout.readline) == b"started\n"
        await copying.is_half_done()
        service.kill()
    assert (await copying.start()).state is TaskState.RUNNING
    copying.let_go()
    assert (await copying.finished()).state is TaskState.DONE
    assert copying.times_begun() == 1


async def test_copy_whose_process_was_killed_is_forgotten_and_starts_again(copying: Copying) -> None:
    await copying.start()
    await copying.is_half_done()
    os.killpg(copying.worker(), signal.SIGKILL)

    async def lost() -> bool | None:
        return True if await copying.provider.read_task(copying.task_id) is None else None

    await until(lost, "the killed copy is still told")
    assert copying.leftovers() == []
    copying.let_go()
    await copying.start()
    assert (await copying.finished()).state is TaskState.DONE
    assert copying.times_begun() == 2


async def test_copy_that_is_always_killed_fails_in_the_end(copying: Copying) -> None:
    for _ in range(3):
        await copying.start()
        await copying.is_half_done()
        os.killpg(copying.worker(), signal.SIGKILL)

        async def ended() -> bool | None:
            task = await copying.provider.read_task(copying.task_id)
            return True if task is None or task.state is not TaskState.RUNNING else None

        await until(ended, "the killed copy is still told")
    task = await copying.finished()
    assert task.state is TaskState.FAILED
    assert "killed" in task.error
    assert task.remedy


async def test_worker_without_its_leader_is_still_a_worker(copying: Copying) -> None:
    """qemu-img holds the lock too, so nobody begins a second copy beside it."""
    await copying.start()
    await copying.is_half_done()
    os.kill(copying.worker(), signal.SIGKILL)
    await asyncio.sleep(0.1)
    assert (await copying.start()).state is TaskState.RUNNING
    assert copying.times_begun() == 1
    await copying.provider.cancel_task(Fence(job_id="job", attempt=1), copying.task_id)
    assert (await copying.finished()).state is TaskState.CANCELLED
    assert copying.leftovers() == []


async def test_cancel_ends_the_process_and_a_later_attempt_begins_anew(copying: Copying) -> None:
    await copying.start()
    await copying.is_half_done()
    await copying.provider.cancel_task(Fence(job_id="job", attempt=1), copying.task_id)
    assert (await copying.finished()).state is TaskState.CANCELLED
    assert copying.leftovers() == []
    assert (await copying.start()).state is TaskState.CANCELLED
    copying.let_go()
    await copying.start(attempt=2)
    assert (await copying.finished()).state is TaskState.DONE


async def test_done_task_whose_file_was_undone_is_made_again_by_a_later_attempt(copying: Copying) -> None:
    copying.let_go()
    await copying.start()
    assert (await copying.finished()).state is TaskState.DONE
    await copying.provider.delete_file(Fence(job_id="job", attempt=2), copying.work.target)
    await copying.start(attempt=3)
    assert (await copying.finished()).state is TaskState.DONE
    assert await copying.provider.read_file(copying.work.target) is not None


@pytest.fixture
def small_volume(libvirt_host: LibvirtHost) -> Iterator[Path]:
    folder = libvirt_host.folder / f"small-{uuid.uuid4()}"
    folder.mkdir(mode=0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("fill", [0, 256 * 1024], ids=["empty", "full"])
async def test_full_volume_fails_the_copy_names_it_and_leaves_nothing(
    small_volume: Path, tmp_path: Path, fill: int
) -> None:
    source = tmp_path / "source.raw"
    source.write_bytes(os.urandom(1024 * 1024))
    if fill:
        (small_volume / "filler").write_bytes(bytes(fill - 4096))
    provider = KvmProvider(vm_paths=(small_volume,), state_dir=tmp_path / "state", uri="test:///default")
    work = CloneDisk(
        source=str(source), source_format=DiskFormat.RAW, target=f"{small_volume}/vm/disk", kind=CloneKind.FULL
    )
    await provider.start_task(Fence(job_id="job", attempt=1), "task", work)

    async def ended() -> TaskFacts | None:
        task = await provider.read_task("task")
        assert task is not None
        return None if task.state is TaskState.RUNNING else task

    task = await until(ended, "the copy does not end")
    assert task.state is TaskState.FAILED
    assert str(small_volume) in task.error
    assert "full" in task.error
    assert "space" in task.remedy
    assert {path.name for path in small_volume.rglob("*")} <= {"filler", "vm"}
    await provider.close()

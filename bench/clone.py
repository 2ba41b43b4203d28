"""A linked clone takes no longer of a large disk than of a small one: 64 MiB against 8 GiB, both fully allocated."""

import asyncio
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from bench.on_kvm.house import URI, connect
from bench.row import Row
from hostler.domain.machines.spec import CloneKind, DiskFormat
from hostler.providers.contract import CloneDisk, Fence, TaskState
from hostler.providers.kvm.provider import KvmProvider

SMALL_MIB, LARGE_MIB = 64, 8 * 1024


def rows(*, rounds: int = 15, large_mib: int = LARGE_MIB) -> Iterator[Row]:
    """The figure of clones. Raises YardstickMissingError without libvirt."""
    connect().close()
    small, large = asyncio.run(_measure(rounds, large_mib))
    yield Row(
        what=f"clone of a disk of {large_mib} MiB",
        ours=large * 1000,
        unit="ms",
        yardstick=f"our own of {SMALL_MIB} MiB",
        yardstick_value=small * 1000,
        ratio=large / small,
        reach=1.25,
        higher_is_better=False,
    )


async def _measure(rounds: int, large_mib: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="hostler-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        provider = KvmProvider(vm_paths=(folder,), state_dir=folder / "state", uri=URI)
        bases = [_disk(folder, SMALL_MIB), _disk(folder, large_mib)]
        try:
            for base in bases:
                await _clone(provider, base, folder)
            spent: tuple[list[float], list[float]] = ([], [])
            for _ in range(rounds):
                for base, times in zip(bases, spent, strict=True):
                    times.append(await _clone(provider, base, folder))
        finally:
            await provider.close()
    return median(spent[0]), median(spent[1])


def _disk(folder: Path, size_mib: int) -> Path:
    """A disk whose every block is there."""
    path = folder / f"base-{size_mib}.qcow2"
    create = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", "preallocation=falloc", str(path), f"{size_mib}M"]
    subprocess.run(create, check=True)
    path.chmod(0o644)
    return path


async def _clone(provider: KvmProvider, base: Path, folder: Path) -> float:
    """Seconds from asking for it to its being there."""
    job_id = str(uuid.uuid4())
    target, fence = folder / job_id / "disk0.qcow2", Fence(job_id=job_id, attempt=1)
    work = CloneDisk(source=str(base), source_format=DiskFormat.QCOW2, target=str(target), kind=CloneKind.LINKED)
    begun = time.perf_counter()
    task = await provider.start_task(fence, f"{job_id}.disk.0", work)
    spent = time.perf_counter() - begun
    if task.state is not TaskState.DONE:
        raise RuntimeError(f"the linked clone of {base} is {task.state}: {task.error}")
    await provider.delete_file(fence, str(target))
    return spent

"""Tells whether KVM really works, by booting a kernel under it with a time limit.

The device file proves nothing: on some nested machines it opens, small guests run, and every Linux hangs.
Standard library only, as the prerequisites are checked before anything is installed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

TIME_LIMIT_SECONDS = 8
"""A kernel without a root disk stops after 1 s under KVM, and after 3 s under emulation."""

DEVICE = Path("/dev/kvm")
QEMU = "/usr/bin/qemu-system-x86_64"
CACHE_NAME = "kvm-probe.json"


@dataclass(frozen=True)
class KvmVerdict:
    """Whether guests can use KVM here; `reason` says what the probe saw."""

    works: bool
    reason: str


def probe_kvm(cache_folder: Path, *, time_limit_seconds: float = TIME_LIMIT_SECONDS) -> KvmVerdict:
    """Boots a kernel that stops at once; blocks up to the limit.

    The verdict is kept in `cache_folder` until the machine boots again, or QEMU or the kernel changes.
    """
    if not DEVICE.exists():
        return KvmVerdict(works=False, reason="there is no /dev/kvm: the processor or the BIOS does not offer it")
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return KvmVerdict(works=False, reason="/dev/kvm may not be opened by this user")
    kernels = sorted(path for path in Path("/boot").glob("vmlinuz-*") if os.access(path, os.R_OK))
    if not kernels or not Path(QEMU).exists():
        return KvmVerdict(works=False, reason="it cannot be tried before QEMU and a kernel are installed")
    key = _key(kernels[-1])
    cache = cache_folder / CACHE_NAME
    known = _remembered(cache, key)
    if known is None:
        known = _boot(kernels[-1], time_limit_seconds)
        _remember(cache, key, known)
    return known


def _boot(kernel: Path, time_limit_seconds: float) -> KvmVerdict:
    argv = [
        QEMU,
        "-accel",
        "kvm",
        "-cpu",
        "host",
        "-machine",
        "pc",
        "-m",
        "128",
        "-nodefaults",
        "-no-user-config",
    ]
    argv += ["-display", "none", "-serial", "stdio", "-no-reboot", "-kernel", str(kernel)]
    argv += ["-append", "console=ttyS0 panic=-1"]
    guest = subprocess.Popen(  # noqa: S603 - an argument list, no shell
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        output, _ = guest.communicate(timeout=time_limit_seconds)
    except subprocess.TimeoutExpired:
        _kill(guest)
        return KvmVerdict(works=False, reason=f"a test guest hung under it for {time_limit_seconds:.0f} s")
    said = output.decode(errors="replace").strip()
    if guest.returncode == 0 and "Kernel panic - not syncing" in said:
        return KvmVerdict(works=True, reason="a test guest ran under it")
    last = said.splitlines()[-1][:200] if said else "it said nothing"
    return KvmVerdict(works=False, reason=f"a test guest ended with {guest.returncode} under it: {last}")


def _kill(guest: subprocess.Popen[bytes]) -> None:
    """Ends the guest; one that the kernel does not let go is left behind rather than waited for."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(guest.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        guest.communicate(timeout=2)


def _key(kernel: Path) -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {Path(QEMU).stat().st_mtime_ns} {kernel} {kernel.stat().st_mtime_ns}"


def _remembered(cache: Path, key: str) -> KvmVerdict | None:
    try:
        kept = json.loads(cache.read_text())
        return KvmVerdict(works=bool(kept["works"]), reason=str(kept["reason"])) if kept["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remember(cache: Path, key: str, verdict: KvmVerdict) -> None:
    # A cache that cannot be written costs time only.
    with contextlib.suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_text(json.dumps({"key": key, **asdict(verdict)}))

"""Tells whether KVM really works before libvirt is there: the guest that acceleration.py runs, run by QEMU itself.

Standard library only, as the prerequisites are checked before anything is installed.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from hostler.providers.kvm.probe_guest import DISK, GUEST_SAYS

TIME_LIMIT_SECONDS = 8
"""The guest speaks within half a second where KVM works."""

DEVICE = Path("/dev/kvm")
QEMU = "/usr/bin/qemu-system-x86_64"
CACHE_NAME = "kvm-probe.json"
KVM_GAVE_UP = b"KVM internal error"


@dataclass(frozen=True)
class KvmVerdict:
    """Whether guests can use KVM here; `reason` says what the probe saw."""

    works: bool
    reason: str


def probe_kvm(cache_folder: Path, *, time_limit_seconds: float = TIME_LIMIT_SECONDS) -> KvmVerdict:
    """Runs the guest; blocks up to the limit.

    The verdict is kept in `cache_folder` until the machine boots again, or QEMU changes.
    """
    if not DEVICE.exists():
        return KvmVerdict(works=False, reason="there is no /dev/kvm: the processor or the firmware does not offer it")
    if not os.access(DEVICE, os.R_OK | os.W_OK):
        return KvmVerdict(works=False, reason="/dev/kvm may not be opened by this user")
    if not Path(QEMU).exists():
        return KvmVerdict(works=False, reason="it cannot be tried before QEMU is installed")
    cache, key = cache_folder / CACHE_NAME, _key()
    known = _remembered(cache, key)
    if known is None:
        known = _run_guest(time_limit_seconds)
        _remember(cache, key, known)
    return known


def _run_guest(time_limit_seconds: float) -> KvmVerdict:
    with tempfile.NamedTemporaryFile(prefix="hostler-probe-", suffix=".img") as disk:
        disk.write(DISK)
        disk.flush()
        argv = [QEMU, "-accel", "kvm", "-cpu", "host", "-machine", "q35", "-m", "32", "-nodefaults", "-no-user-config"]
        argv += ["-display", "none", "-serial", "stdio", "-drive", f"file={disk.name},format=raw,if=virtio"]
        guest = subprocess.Popen(  # noqa: S603 - an argument list, no shell
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            said, ended = _listen(guest, time.monotonic() + time_limit_seconds)
        finally:
            _kill(guest)
    if GUEST_SAYS in said:
        return KvmVerdict(works=True, reason="a test guest ran under it")
    if KVM_GAVE_UP in said:
        return KvmVerdict(works=False, reason="/dev/kvm opens, but it failed to execute a test guest")
    if not ended:
        return KvmVerdict(works=False, reason=f"/dev/kvm opens, but a test guest hung for {time_limit_seconds:.0f} s")
    last = (said.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
    return KvmVerdict(works=False, reason=f"QEMU ended by itself when it ran a test guest: {last[:200]}")


def _listen(guest: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, bool]:
    """What QEMU and the guest said until one of them said enough, and whether QEMU ended."""
    output, said = guest.stdout, b""
    if output is None:
        raise ValueError("the guest was started without a pipe")
    while GUEST_SAYS not in said and KVM_GAVE_UP not in said:
        readable, _, _ = select.select([output], [], [], max(0.0, deadline - time.monotonic()))
        if not readable:
            return said, False
        piece = os.read(output.fileno(), 65536)
        if not piece:
            return said, True
        said += piece
    return said, False


def _kill(guest: subprocess.Popen[bytes]) -> None:
    """Ends the guest; one that the kernel does not let go is left behind rather than waited for."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(guest.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        guest.communicate(timeout=2)


def _key() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {Path(QEMU).stat().st_mtime_ns}"


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

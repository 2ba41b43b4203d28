"""The guest that proves KVM runs to its end where the processor is sound: under QEMU's emulation."""

import subprocess
from pathlib import Path

from hostler.providers.kvm.probe_guest import DISK, GUEST_SAYS


def test_the_guest_speaks_on_a_sound_processor(tmp_path: Path) -> None:
    (tmp_path / "disk.img").write_bytes(DISK)
    argv = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "qemu64", "-machine", "q35", "-m", "32", "-nodefaults"]
    argv += ["-display", "none", "-serial", "stdio", "-drive", f"file={tmp_path}/disk.img,format=raw,if=virtio"]
    guest = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        assert guest.stdout is not None
        assert GUEST_SAYS in guest.stdout.readline()
    finally:
        guest.kill()
        guest.communicate()

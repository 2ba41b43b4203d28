"""Machines that exist on paper only, and the golden tables of what is said about them."""

import fnmatch
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from hostler.providers.kvm.kvm_probe import KvmVerdict
from hostler.service.prerequisites.machine import Ran
from hostler.service.prerequisites.packages import PACKAGES

GOLDEN = Path(__file__).parents[2] / "golden" / "prerequisites"

DEBIAN_12 = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n'
NETWORK_ACTIVE = "Name:           default\nActive:         yes\nBridge:         virbr0\n"
VIRSH_VERSION = "Compiled against library: libvirt 9.0.0\nUsing library: libvirt 9.0.0\n"
WORKS = KvmVerdict(works=True, reason="a test guest ran under it")


@dataclass(frozen=True)
class PaperMachine:
    """What a machine would answer; the default is a Debian 12 with everything, where KVM works."""

    files: frozenset[str] = field(default_factory=lambda: frozenset(every_file()))
    texts: dict[str, str] = field(default_factory=dict)
    packages: frozenset[str] = frozenset(package.name for package in PACKAGES)
    answers: dict[str, Ran] = field(default_factory=dict)
    architecture_name: str = "x86_64"
    python: tuple[int, int, int] = (3, 11, 2)
    free_mib: int = 20000
    taken_ports: frozenset[int] = frozenset()
    listened_to: frozenset[str] = frozenset({"/run/libvirt/virtlogd-sock"})
    user: tuple[int, str, frozenset[str]] = (0, "root", frozenset({"root"}))
    closed: str | None = None
    seconds: float = 2_000_000_000
    kvm: KvmVerdict = WORKS

    def exists(self, pattern: str) -> bool:
        return any(fnmatch.fnmatchcase(path, pattern) for path in self.files)

    def read(self, path: str) -> str:
        known = {"/etc/os-release": DEBIAN_12, "/proc/meminfo": "MemAvailable:    8192000 kB\n"}
        return self.texts.get(path, known.get(path, ""))

    def run(self, *argv: str, timeout_seconds: float = 20) -> Ran:
        if argv[0] == "dpkg-query":
            return Ran(0, "".join(f"ii {name}\n" for name in sorted(self.packages)))
        known = {"version": Ran(0, VIRSH_VERSION), "net-info": Ran(0, NETWORK_ACTIVE)}
        return {**known, **self.answers}[argv[3]]

    def architecture(self) -> str:
        return self.architecture_name

    def python_version(self) -> tuple[int, int, int]:
        return self.python

    def free_disk_mib(self, folder: str) -> int:
        return self.free_mib

    def port_is_free(self, port: int) -> bool:
        return port not in self.taken_ports

    def is_listened_to(self, path: str) -> bool:
        return path in self.listened_to

    def user_id(self) -> int:
        return self.user[0]

    def user_name(self) -> str:
        return self.user[1]

    def groups(self) -> frozenset[str]:
        return self.user[2]

    def closed_folder(self, folder: str, user: str) -> str | None:
        return self.closed

    def now_seconds(self) -> float:
        return self.seconds

    def modified_seconds(self, path: str) -> float:
        return 1_900_000_000

    def probe_kvm(self) -> KvmVerdict:
        return self.kvm

    def without(self, *names: str) -> "PaperMachine":
        """The same machine before these packages were installed."""
        gone = [package for package in PACKAGES if package.name in names]
        files = {path for path in self.files if not any(fnmatch.fnmatchcase(path, p.gives) for p in gone)}
        return replace(self, files=frozenset(files), packages=self.packages - set(names))


def every_file() -> list[str]:
    return [*(package.gives.replace("*", "3.11") for package in PACKAGES), "/usr/bin/dpkg-query"]


@pytest.fixture
def ready() -> PaperMachine:
    return PaperMachine()


@pytest.fixture
def fresh(ready: PaperMachine) -> PaperMachine:
    return ready.without(*ready.packages)


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compares with the reviewed file; UPDATE_GOLDEN=1 writes it anew, for review."""

    def compare(name: str, text: str) -> None:
        file = GOLDEN / f"{name}.txt"
        if os.environ.get("UPDATE_GOLDEN"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        assert text == file.read_text()

    return compare

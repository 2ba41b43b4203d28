"""The seam to the machine that is checked: its files, programs, ports and people."""

from __future__ import annotations

import glob
import grp
import os
import platform
import pwd
import shutil
import socket
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hostler.providers.kvm.kvm_probe import KvmVerdict, probe_kvm

ADMINISTRATOR_PATHS = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True)
class Ran:
    """How a program ended; `code` is 127 when it does not exist, and 124 when it ran out of time."""

    code: int
    output: str


class Machine(Protocol):
    """Everything the checks may ask of a machine. Sizes in MiB, times in seconds since the epoch."""

    def exists(self, pattern: str) -> bool: ...
    def read(self, path: str) -> str: ...
    def run(self, *argv: str, timeout_seconds: float = 20) -> Ran: ...
    def architecture(self) -> str: ...
    def python_version(self) -> tuple[int, int, int]: ...
    def free_disk_mib(self, folder: str) -> int: ...
    def port_is_free(self, port: int) -> bool: ...
    def is_listened_to(self, path: str) -> bool: ...
    def user_id(self) -> int: ...
    def user_name(self) -> str: ...
    def groups(self) -> frozenset[str]: ...
    def closed_folder(self, folder: str, user: str) -> str | None: ...
    def now_seconds(self) -> float: ...
    def modified_seconds(self, path: str) -> float: ...
    def probe_kvm(self) -> KvmVerdict: ...


class ThisMachine:
    """The machine this program runs on."""

    def exists(self, pattern: str) -> bool:
        """True when a path matches; the pattern may have `*`."""
        return any(glob.iglob(pattern))

    def read(self, path: str) -> str:
        """The text of a file; empty when it cannot be read."""
        try:
            return Path(path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""

    def run(self, *argv: str, timeout_seconds: float = 20) -> Ran:
        environment = dict(os.environ, LC_ALL="C", PATH=f"{os.environ.get('PATH', '')}:{ADMINISTRATOR_PATHS}")
        try:
            done = subprocess.run(  # noqa: S603 - an argument list, no shell
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout_seconds,
                env=environment,
                check=False,
            )
        except OSError:
            return Ran(127, f"{argv[0]} cannot be run")
        except subprocess.TimeoutExpired:
            return Ran(124, f"{argv[0]} gave no answer within {timeout_seconds:.0f} s")
        return Ran(done.returncode, done.stdout.decode(errors="replace"))

    def architecture(self) -> str:
        return platform.machine()

    def python_version(self) -> tuple[int, int, int]:
        return sys.version_info[:3]

    def free_disk_mib(self, folder: str) -> int:
        return shutil.disk_usage(_existing_parent(folder)).free // 1024**2

    def port_is_free(self, port: int) -> bool:
        """Whether loopback's port can be listened on now."""
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                return False
        return True

    def is_listened_to(self, path: str) -> bool:
        """False when nobody is behind the socket at `path`: a daemon that was killed leaves its socket there."""
        with socket.socket(socket.AF_UNIX) as caller:
            try:
                caller.connect(path)
            except PermissionError:
                return True  # whoever may ask would be answered or not: it is not ours to tell
            except OSError:
                return False
        return True

    def user_id(self) -> int:
        return os.geteuid()

    def user_name(self) -> str:
        try:
            return pwd.getpwuid(os.geteuid()).pw_name
        except KeyError:
            return str(os.geteuid())

    def groups(self) -> frozenset[str]:
        """The groups this process has now, which a fresh `usermod` does not change."""
        present = {entry.gr_gid: entry.gr_name for entry in grp.getgrall()}
        return frozenset(present[group] for group in {*os.getgroups(), os.getegid()} if group in present)

    def closed_folder(self, folder: str, user: str) -> str | None:
        """The first folder on the way to `folder` that `user` may not enter; None when the way is open.

        A folder with an access control list counts as open: who wrote one meant it.
        """
        try:
            account = pwd.getpwnam(user)
        except KeyError:
            return None
        member_of = {account.pw_gid, *(group.gr_gid for group in grp.getgrall() if user in group.gr_mem)}
        way = _existing_parent(folder)
        for step in [*reversed(way.parents), way]:
            facts = step.stat()
            if facts.st_uid == account.pw_uid:
                needed = stat.S_IXUSR
            else:
                needed = stat.S_IXGRP if facts.st_gid in member_of else stat.S_IXOTH
            if not facts.st_mode & needed and "system.posix_acl_access" not in os.listxattr(step):
                return str(step)
        return None

    def now_seconds(self) -> float:
        return time.time()

    def modified_seconds(self, path: str) -> float:
        return Path(path).stat().st_mtime

    def probe_kvm(self) -> KvmVerdict:
        """Takes seconds where a guest hangs, so the verdict is kept in the user's cache."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
        return probe_kvm(cache / "hostler")


def _existing_parent(folder: str) -> Path:
    path = Path(folder).absolute()
    while not path.is_dir():
        path = path.parent
    return path

"""Whether QEMU's user on this host can reach a folder: refused before a VM is made there, with the mending command."""

import grp
import os
import pwd
import re
import shlex
import stat
from pathlib import Path

from hostler.providers.errors import NotThere, Refused

CONFIGURATION = Path("/etc/libvirt/qemu.conf")
_DEFAULT_USERS = ("libvirt-qemu", "qemu")


def qemu_user(configuration: Path = CONFIGURATION) -> pwd.struct_passwd | None:
    """The user that libvirt runs QEMU as; None when it cannot be told."""
    names = list(_DEFAULT_USERS)
    try:
        said = re.search(r'^\s*user\s*=\s*"\+?([^"]+)"', configuration.read_text(), re.MULTILINE)
    except OSError:
        said = None
    if said is not None:
        names.insert(0, said[1])
    for name in names:
        try:
            return pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
        except KeyError:
            continue
    return None


def check_vm_path(path: Path, user: pwd.struct_passwd | None) -> None:
    """Raises Refused when `user` cannot pass through the folder or one above it."""
    if user is None or user.pw_uid == 0:
        return
    groups = {user.pw_gid, *(group.gr_gid for group in grp.getgrall() if user.pw_name in group.gr_mem)}
    real = Path(os.path.realpath(path))
    for folder in (real, *real.parents):
        try:
            status = folder.stat()
        except OSError:
            raise NotThere(
                f"the folder {folder} is not on this host", f"make it: mkdir -p -- {shlex.quote(str(folder))}"
            ) from None
        if _may_pass(status, user.pw_uid, groups) or _has_access_list(folder):
            continue
        raise Refused(
            f"QEMU's user {user.pw_name} cannot enter {folder}, so VMs in {path} could not start",
            f"let it pass: chmod o+x -- {shlex.quote(str(folder))}  (or choose another folder)",
        )


def _may_pass(status: os.stat_result, uid: int, groups: set[int]) -> bool:
    if status.st_uid == uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid in groups:
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)


def _has_access_list(folder: Path) -> bool:
    """An access list may let it pass; only a start can tell then."""
    try:
        return "system.posix_acl_access" in os.listxattr(folder)
    except OSError:
        return False

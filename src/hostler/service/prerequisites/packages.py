"""The Debian packages Hostler stands on, each with the file it must give and what that is for."""

from __future__ import annotations

from dataclasses import dataclass

from hostler.service.prerequisites.machine import Machine
from hostler.service.prerequisites.verdict import Verdict, failure, passed


@dataclass(frozen=True)
class DebianPackage:
    """A package, the path (may have `*`) that proves it, and why it is here.

    With `only_its_file`, whoever provides the path will do.
    """

    name: str
    gives: str
    needed_for: str
    purposes: tuple[str, ...] = ("run", "demo", "test")
    only_its_file: bool = False


PACKAGES = (
    DebianPackage("python3-venv", "/usr/lib/python3*/ensurepip/__init__.py", "the environment of Hostler's own"),
    DebianPackage("python3-dev", "/usr/include/python3*/Python.h", "building libvirt's Python binding"),
    DebianPackage("gcc", "/usr/bin/gcc", "building libvirt's Python binding"),
    DebianPackage("libc6-dev", "/usr/include/stdio.h", "building libvirt's Python binding"),
    DebianPackage("pkg-config", "/usr/bin/pkg-config", "building libvirt's Python binding"),
    DebianPackage("libvirt-dev", "/usr/include/libvirt/libvirt.h", "building libvirt's Python binding"),
    DebianPackage("libvirt-daemon-system", "/usr/sbin/libvirtd", "running guests"),
    DebianPackage("libvirt-clients", "/usr/bin/virsh", "asking libvirt, by hand and here"),
    DebianPackage("qemu-system-x86", "/usr/bin/qemu-system-x86_64", "running guests"),
    DebianPackage("qemu-utils", "/usr/bin/qemu-img", "guests' disks"),
    DebianPackage("dnsmasq-base", "/usr/sbin/dnsmasq", "addresses for guests on the network `default`"),
    # A machine that boots by itself has a kernel, which serves as well. A second one is not put beside it: it
    # could become what the boot loader starts, and a cloud kernel lacks the drivers of real machines.
    DebianPackage("linux-image-cloud-amd64", "/boot/vmlinuz-*", "the first guest's kernel", only_its_file=True),
    DebianPackage("kmod", "/sbin/modprobe", "the first guest's modules"),
    DebianPackage("busybox-static", "/bin/busybox", "the first guest's programs"),
    DebianPackage("qemu-guest-agent", "/usr/sbin/qemu-ga", "the first guest's agent"),
    DebianPackage("syslinux", "/usr/bin/syslinux", "the first guest's boot loader"),
    DebianPackage("syslinux-common", "/usr/lib/syslinux/mbr/mbr.bin", "the first guest's boot loader"),
    DebianPackage("mtools", "/usr/bin/mcopy", "the first guest's disk"),
    DebianPackage("curl", "/usr/bin/curl", "tests of scripts for curl", purposes=("test",)),
    DebianPackage("iproute2", "/sbin/ip", "tests in network namespaces", purposes=("test",)),
    DebianPackage(
        "ganeti-htools", "/usr/lib/ganeti/iallocators/hail", "the yardstick of placement", purposes=("bench",)
    ),
)


def check_packages(machine: Machine, purpose: str) -> list[Verdict]:
    """One verdict for all that are there, and one for each that is not."""
    wanted = [package for package in PACKAGES if purpose in package.purposes]
    if purpose == "bench":
        wanted = list(PACKAGES)
    if not machine.exists("/usr/bin/dpkg-query"):
        return [_without_dpkg(machine, wanted)]
    installed = _installed(machine)
    verdicts = []
    for package in wanted:
        is_there, is_known = machine.exists(package.gives), package.name in installed
        if is_there and (is_known or package.only_its_file):
            continue
        verdicts.append(_lacking(package, is_there=is_there, is_known=is_known))
    present = len(wanted) - len(verdicts)
    if present:
        verdicts.insert(0, passed("Debian packages", f"{present} of {len(wanted)} are installed"))
    return verdicts


def _installed(machine: Machine) -> frozenset[str]:
    listing = machine.run("dpkg-query", "--show", "--showformat", "${db:Status-Abbrev}${Package}\n").output
    return frozenset(line[3:].strip() for line in listing.splitlines() if line.startswith(("ii", "hi")))


def _lacking(package: DebianPackage, *, is_there: bool, is_known: bool) -> Verdict:
    subject = f"package {package.name}"
    if is_known:
        command = ("apt-get", "install", "--reinstall", "--yes", package.name)
        return failure(subject, f"installed, but {package.gives} is gone: {package.needed_for}", commands=(command,))
    what = f"{package.gives} is from elsewhere" if is_there else "not installed"
    return failure(subject, f"{what}: {package.needed_for}", packages=(package.name,))


def _without_dpkg(machine: Machine, wanted: list[DebianPackage]) -> Verdict:
    lacking = [package for package in wanted if not machine.exists(package.gives)]
    if not lacking:
        return passed("packages", f"the files of all {len(wanted)} are there")
    files = ", ".join(package.gives for package in lacking)
    names = ", ".join(package.name for package in lacking)
    return failure(
        "packages",
        f"there is no dpkg here, and these are missing: {files}",
        advice=f"install what Debian calls {names}",
    )

"""Checks of what runs guests: rights, libvirt, its network, KVM, and the way to the guests' disks."""

from __future__ import annotations

import re

from hostler.service.prerequisites.machine import Machine
from hostler.service.prerequisites.verdict import Verdict, failure, passed, warning

VIRSH = ("virsh", "--connect", "qemu:///system")
NETWORK = "default"
NETWORK_DEFINITION = "/usr/share/libvirt/networks/default.xml"
LATER = "it can be told after the packages are installed"
VIRTLOGD_SOCKET = "/run/libvirt/virtlogd-sock"


def check_libvirt(machine: Machine) -> list[Verdict]:
    """Rights, the daemon and the network: each can be told only when the one before it stands."""
    if not machine.exists("/usr/sbin/libvirtd") or not machine.exists("/usr/bin/virsh"):
        return [warning("libvirt", "not there yet", LATER)]
    if machine.user_id() != 0 and "libvirt" not in machine.groups():
        return [_no_rights(machine)]
    answer = machine.run(*VIRSH, "version")
    if answer.code != 0:
        return [_no_daemon(machine, answer.output)]
    if not _output_has_a_keeper(machine):
        return [_no_virtlogd(machine)]
    version = re.search(r"^Using library: libvirt (\S+)", answer.output, re.MULTILINE)
    return [
        passed("libvirt", f"{version[1] if version else 'libvirt'} answers at qemu:///system"),
        _check_network(machine),
    ]


def _no_rights(machine: Machine) -> Verdict:
    user = machine.user_name()
    return failure(
        "rights",
        f"{user} is neither root nor in the group libvirt",
        advice=f"sudo adduser {user} libvirt, and sign in again (or: newgrp libvirt)",
    )


def _output_has_a_keeper(machine: Machine) -> bool:
    """Whether QEMU's output has where to go: libvirt answers without virtlogd, and then starts no guest."""
    to_files = re.search(r'^stdio_handler\s*=\s*"file"', machine.read("/etc/libvirt/qemu.conf"), re.MULTILINE)
    return to_files is not None or machine.is_listened_to(VIRTLOGD_SOCKET)


def _no_virtlogd(machine: Machine) -> Verdict:
    finding = "it answers, but virtlogd does not: no guest would start"
    if machine.exists("/run/systemd/system"):
        return failure("libvirt", finding, commands=(("systemctl", "start", "virtlogd.socket"),))
    return failure("libvirt", f"{finding} (no systemd here)", commands=(("virtlogd", "--daemon"),))


def _no_daemon(machine: Machine, output: str) -> Verdict:
    said = output.strip().splitlines()
    finding = f"no answer from qemu:///system: {said[-1] if said else 'it said nothing'}"
    if machine.exists("/run/systemd/system"):
        return failure("libvirt", finding, commands=(("systemctl", "start", "virtlogd.socket", "libvirtd"),))
    # Without systemd nobody starts the two: virtlogd first, as QEMU's output goes through it.
    starts = [] if _output_has_a_keeper(machine) else [("virtlogd", "--daemon")]
    return failure("libvirt", f"{finding} (no systemd here)", commands=(*starts, ("libvirtd", "--daemon")))


def _check_network(machine: Machine) -> Verdict:
    subject = f"network {NETWORK}"
    facts = machine.run(*VIRSH, "net-info", NETWORK)
    start = (*VIRSH, "net-start", NETWORK)
    if facts.code != 0:
        define = (*VIRSH, "net-define", NETWORK_DEFINITION)
        return failure(subject, "libvirt has none", commands=(define, start, (*VIRSH, "net-autostart", NETWORK)))
    if not re.search(r"^Active:\s+yes$", facts.output, re.MULTILINE):
        return failure(subject, "it is not started", commands=(start,))
    bridge = re.search(r"^Bridge:\s+(\S+)$", facts.output, re.MULTILINE)
    return passed(subject, f"active on the bridge {bridge[1] if bridge else '?'}")


def check_kvm(machine: Machine) -> Verdict:
    if not machine.exists("/usr/bin/qemu-system-x86_64"):
        return warning("KVM", "not tried yet", LATER)
    verdict = machine.probe_kvm()
    if verdict.works:
        return passed("KVM", verdict.reason)
    return warning("KVM", verdict.reason, "TCG is used: guests run some 10-20x slower")


def check_way_to_disks(machine: Machine, data: str) -> Verdict:
    """QEMU runs as a user of its own, which must be able to enter the folders that lead to the disks."""
    found = re.search(r'^user\s*=\s*"([^"]+)"', machine.read("/etc/libvirt/qemu.conf"), re.MULTILINE)
    user = found[1].lstrip("+") if found else "libvirt-qemu"
    closed = machine.closed_folder(data, user)
    if closed is None:
        return passed("data folder", f"{data} can be reached by QEMU")
    return failure(
        "data folder",
        f"QEMU (as {user}) may not enter {closed}, so no guest could open its disk in {data}",
        advice=f"chmod o+x {closed} (or use a folder elsewhere: make run DATA=folder)",
    )

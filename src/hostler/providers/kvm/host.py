"""The host itself: processor, memory, versions, volumes, networks, firmwares, and its own counters."""

import os
from pathlib import Path

import libvirt

from hostler.domain.fabric.facts import Volume
from hostler.providers.kvm.errors import is_unsupported
from hostler.providers.kvm.parse_xml import parse_xml

_NOT_DISKS = ("loop", "ram", "zram", "dm-", "md")


def version_text(number: int) -> str:
    """libvirt's 9002000 is 9.2.0."""
    return f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"


def cpu_model(connection: libvirt.virConnect) -> str:
    """The name that the processor gives itself; libvirt's model of it elsewhere."""
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return str(connection.getInfo()[0])


def firmwares(connection: libvirt.virConnect) -> tuple[str, ...]:
    """Those for which this host has the files, by libvirt's own selection."""
    try:
        text = connection.getDomainCapabilities(None, "x86_64", "q35", "qemu", 0)
    except libvirt.libvirtError as error:
        if is_unsupported(error):
            return ("bios",)
        raise
    offered = {
        value.text for value in parse_xml(text, "domain capabilities").iterfind("os/enum[@name='firmware']/value")
    }
    return ("bios", "uefi") if "efi" in offered else ("bios",)


def networks(connection: libvirt.virConnect) -> tuple[tuple[str, ...], frozenset[str]]:
    """Names that a VM can be plugged into now, and which of them are bridges of the host.

    A bridge that a libvirt network made is that network, not one more.
    """
    active = connection.listAllNetworks(libvirt.VIR_CONNECT_LIST_NETWORKS_ACTIVE)
    names = {network.name() for network in active}
    owned: set[str] = set()
    for network in active:
        bridge = parse_xml(network.XMLDesc(0), f"network {network.name()}").find("bridge")
        if bridge is not None:
            owned.add(bridge.get("name", ""))
    bridges = frozenset(path.parent.name for path in Path("/sys/class/net").glob("*/bridge")) - owned - names
    return (*sorted(names), *sorted(bridges)), bridges


def volumes(vm_paths: tuple[Path, ...]) -> tuple[Volume, ...]:
    """The file systems under the VM paths; a path that is not there, or not mounted, is left out."""
    found = []
    for path in vm_paths:
        try:
            status = os.statvfs(path)
        except OSError:
            continue
        size, free = status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize
        found.append(Volume(path=str(path), capacity_bytes=size, free_bytes=free))
    return tuple(found)


def cpu_times_ns(connection: libvirt.virConnect) -> tuple[int, int]:
    """Total and busy time of all processors since the host's start."""
    times = connection.getCPUStats(libvirt.VIR_NODE_CPU_STATS_ALL_CPUS, 0)
    total = sum(times.get(key, 0) for key in ("user", "kernel", "idle", "iowait", "intr"))
    return total, total - times.get("idle", 0) - times.get("iowait", 0)


def memory_mib(connection: libvirt.virConnect) -> tuple[int, int]:
    """Total and used; what the kernel would give back at once counts as free."""
    sizes = {line.partition(":")[0]: int(line.split()[1]) for line in _lines("/proc/meminfo") if line.split()[1:]}
    if "MemTotal" in sizes and "MemAvailable" in sizes:
        return sizes["MemTotal"] // 1024, (sizes["MemTotal"] - sizes["MemAvailable"]) // 1024
    return int(connection.getInfo()[1]), 0


def disk_requests() -> int:
    """Reads and writes that whole disks completed since the host's start."""
    total = 0
    whole = {path.name for path in Path("/sys/block").glob("*")}
    for line in _lines("/proc/diskstats"):
        fields = line.split()
        if len(fields) > 7 and fields[2] in whole and not fields[2].startswith(_NOT_DISKS):
            total += int(fields[3]) + int(fields[7])
    return total


def net_bytes() -> int:
    """Bytes through the host's adapters since its start; what stays inside it does not count."""
    total = 0
    for line in _lines("/proc/net/dev")[2:]:
        name, _, counters = line.partition(":")
        fields = counters.split()
        if Path("/sys/class/net", name.strip(), "device").exists() and len(fields) > 8:
            total += int(fields[0]) + int(fields[8])
    return total


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []

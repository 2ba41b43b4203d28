"""A whole fleet made in bulk, the same for the same seed."""

import hashlib
import sqlite3
import uuid
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from hostler.domain.fabric.facts import Volume
from hostler.domain.machines.spec import Disk, DiskFormat, Firmware, Nic, VmSpec
from hostler.domain.machines.states import VmState
from hostler.providers.simulated.knobs import GIB, Knobs, SimulatedHost
from hostler.providers.simulated.load import chance

T = TypeVar("T")

_VOLUME = "/var/lib/vms"
_CPUS = (16, 32, 64, 128)
_VM_CPUS = (1, 1, 2, 2, 4, 8)
_VM_MEMORY_MIB = (512, 1024, 2048, 4096, 8192)
_PURPOSES = ("web", "db", "mail", "build", "file", "cache", "desk", "test")


def _pick(choices: tuple[T, ...], *keys: object) -> T:
    return choices[int(chance(*keys) * len(choices)) % len(choices)]


def host_name(number: int) -> str:
    return f"sim-{number:05d}"


def make_host(seed: int, number: int) -> SimulatedHost:
    cpus = _pick(_CPUS, seed, "host", number)
    room = cpus * 64 * GIB
    return SimulatedHost(
        host_id=host_name(number),
        host_name=f"{host_name(number)}.example",
        cpu_count=cpus,
        cpu_mhz=_pick((2100, 2400, 2900, 3400), seed, "mhz", number),
        memory_mib=cpus * 4096,
        volumes=(Volume(path=_VOLUME, capacity_bytes=room, free_bytes=room - 10 * GIB),),
        networks=("default", "backup"),
    )


def make_vm(seed: int, number: int) -> tuple[VmSpec, VmState]:
    digest = hashlib.blake2b(f"{seed} {number}".encode(), digest_size=16).digest()
    vm_id = str(uuid.UUID(bytes=digest, version=4))
    mac = f"52:54:{(number >> 24) & 255:02x}:{(number >> 16) & 255:02x}:{(number >> 8) & 255:02x}:{number & 255:02x}"
    spec = VmSpec(
        vm_id=vm_id,
        name=f"{_pick(_PURPOSES, seed, 'purpose', number)}-{number:05d}",
        cpu_count=_pick(_VM_CPUS, seed, "cpu", number),
        memory_mib=_pick(_VM_MEMORY_MIB, seed, "memory", number),
        firmware=_pick((Firmware.BIOS, Firmware.UEFI), seed, "firmware", number),
        disks=(Disk(path=f"{_VOLUME}/{vm_id}/disk.qcow2", format=DiskFormat.QCOW2),),
        nics=(Nic(mac=mac, network="default"),),
    )
    return spec, VmState.RUNNING if chance(seed, "on", number) < 0.8 else VmState.POWER_OFF


def _vm_rows(seed: int, hosts: int, vms: int, clock_ns: int) -> Iterator[tuple[object, ...]]:
    for number in range(1, vms + 1):
        spec, state = make_vm(seed, number)
        host_id = host_name(1 + int(chance(seed, "place", number) * hosts) % hosts)
        yield host_id, spec.vm_id, spec.name, state.value, msgspec.json.encode(spec), clock_ns, spec.name


def _file_rows(seed: int, hosts: int, vms: int) -> Iterator[tuple[object, ...]]:
    for number in range(1, vms + 1):
        spec, _ = make_vm(seed, number)
        host_id = host_name(1 + int(chance(seed, "place", number) * hosts) % hosts)
        capacity = _pick((10, 20, 40), seed, "disk", number) * GIB
        size = int(capacity * (0.1 + 0.4 * chance(seed, "full", number)))
        yield host_id, spec.disks[0].path, _VOLUME, size, capacity, DiskFormat.QCOW2.value


def populate(db: sqlite3.Connection, seed: int, hosts: int, vms: int, clock_ns: int) -> None:
    """Add the hosts, their VMs and the VMs' disks, inside the caller's transaction."""
    knobs = msgspec.json.encode(Knobs())
    db.executemany(
        "INSERT INTO hosts (host_id, shape, knobs, booted_ns) VALUES (?, ?, ?, ?)",
        (
            (host_name(number), msgspec.json.encode(make_host(seed, number)), knobs, clock_ns)
            for number in range(1, hosts + 1)
        ),
    )
    db.executemany(
        "INSERT INTO vms (host_id, native_id, name, state, spec, started_ns, guest_name) VALUES (?, ?, ?, ?, ?, ?, ?)",
        _vm_rows(seed, hosts, vms, clock_ns),
    )
    db.executemany(
        "INSERT INTO files (host_id, path, volume, size_bytes, capacity_bytes, format, whole)"
        " VALUES (?, ?, ?, ?, ?, ?, 1)",
        _file_rows(seed, hosts, vms),
    )

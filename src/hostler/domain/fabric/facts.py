"""What was observed of hosts: hardware, versions, storage, networks, load."""

from enum import StrEnum

from msgspec import Struct

from hostler.domain.machines.facts import VmLoad
from hostler.domain.machines.names import NameRules


class HostState(StrEnum):
    """Whether the service can talk to the host, in VMM's words."""

    ADDING = "adding"
    RESPONDING = "responding"
    NOT_RESPONDING = "not_responding"
    ACCESS_DENIED = "access_denied"
    MAINTENANCE_MODE = "maintenance_mode"


class Acceleration(StrEnum):
    """How guests run: by the processor, or emulated. Proven by running one, never by a device file."""

    KVM = "kvm"
    TCG = "tcg"
    NONE = "none"


class Volume(Struct, frozen=True, kw_only=True):
    """A file system of the host that can hold VMs."""

    path: str
    capacity_bytes: int
    free_bytes: int


class HostFacts(Struct, frozen=True, kw_only=True):
    """The costly facts of a host, read on demand and seldom."""

    host_name: str
    hypervisor: str
    hypervisor_version: str
    provider_version: str
    cpu_model: str
    cpu_count: int
    cpu_mhz: int
    memory_mib: int
    acceleration: Acceleration
    acceleration_note: str
    volumes: tuple[Volume, ...]
    networks: tuple[str, ...]
    firmwares: tuple[str, ...] = ("bios",)
    vm_names: NameRules = NameRules()


class HostLoad(Struct, frozen=True, kw_only=True):
    """Counters of a host and its VMs, read in bulk. Times and bytes are totals since the host's start.

    `vms_complete` is False when some VM could not be read; its absence then means nothing.
    """

    cpu_total_ns: int
    cpu_busy_ns: int
    memory_mib: int
    memory_used_mib: int
    disk_requests: int
    net_bytes: int
    volumes: tuple[Volume, ...]
    vms: tuple[VmLoad, ...]
    vms_complete: bool = True

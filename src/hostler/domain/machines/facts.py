"""What was observed of VMs: every fact as a provider reports it, cheap ones apart from costly ones."""

from msgspec import Struct

from hostler.domain.machines.spec import Firmware
from hostler.domain.machines.states import VmState


class DiskFacts(Struct, frozen=True, kw_only=True):
    """A disk as the host sees it; sizes are None where the hypervisor did not tell."""

    path: str
    format: str
    capacity_bytes: int | None = None
    allocated_bytes: int | None = None


class NicFacts(Struct, frozen=True, kw_only=True):
    mac: str
    network: str


class VmFacts(Struct, frozen=True, kw_only=True):
    """One VM on one host. `native_id` is the hypervisor's lasting identity of it (libvirt: the UUID)."""

    native_id: str
    name: str
    state: VmState
    cpu_count: int
    memory_mib: int
    firmware: Firmware = Firmware.BIOS
    disks: tuple[DiskFacts, ...] = ()
    nics: tuple[NicFacts, ...] = ()
    persistent: bool = True


class VmsRead(Struct, frozen=True, kw_only=True):
    """One pass over all VMs of a host. Only a `complete` pass may conclude that a VM is gone."""

    vms: tuple[VmFacts, ...]
    complete: bool
    problems: tuple[str, ...] = ()


class VmEvent(Struct, frozen=True, kw_only=True):
    """The hypervisor says that something changed; `state` is None when the VM must be read again to know."""

    native_id: str
    name: str
    state: VmState | None = None
    gone: bool = False


class VmLoad(Struct, frozen=True, kw_only=True):
    """Counters of one VM since its start (monotonic until it stops); None: not known."""

    native_id: str
    state: VmState
    cpu_time_ns: int
    memory_used_mib: int | None = None
    disk_read_bytes: int = 0
    disk_write_bytes: int = 0
    disk_requests: int = 0
    net_bytes: int = 0


class GuestFacts(Struct, frozen=True, kw_only=True):
    """What the guest itself says, by its agent."""

    host_name: str
    addresses: tuple[str, ...] = ()
    os_name: str | None = None


class FileFacts(Struct, frozen=True, kw_only=True):
    """A file on a host that is whole: providers give a file its final name only once it is complete."""

    path: str
    size_bytes: int

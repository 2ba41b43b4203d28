"""What a VM shall be: the vocabulary in which an operation tells a provider what to make."""

from enum import StrEnum

from msgspec import Struct


class Firmware(StrEnum):
    BIOS = "bios"
    UEFI = "uefi"


class DiskFormat(StrEnum):
    QCOW2 = "qcow2"
    RAW = "raw"


class CloneKind(StrEnum):
    """A linked clone keeps reading its source; a full copy stands alone."""

    LINKED = "linked"
    FULL = "full"


class Disk(Struct, frozen=True, kw_only=True):
    """A disk of a VM: a file on its host."""

    path: str
    format: DiskFormat


class Nic(Struct, frozen=True, kw_only=True):
    """A network adapter: its MAC (lower case, colons) is planned by us; the network is the host's name for it."""

    mac: str
    network: str


class VmSpec(Struct, frozen=True, kw_only=True):
    """A whole VM. `vm_id` is our planned UUID and becomes the hypervisor's where it takes one."""

    vm_id: str
    name: str
    cpu_count: int
    memory_mib: int
    firmware: Firmware = Firmware.BIOS
    disks: tuple[Disk, ...] = ()
    nics: tuple[Nic, ...] = ()
    seed_path: str | None = None


class CloudInitSeed(Struct, frozen=True, kw_only=True):
    """What a guest reads at its first boot (NoCloud). `user_data` is a cloud-config document, not yet serialised."""

    instance_id: str
    host_name: str
    user_data: dict[str, object]

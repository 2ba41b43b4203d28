"""What a hardware profile and a guest OS profile say; a template holds one of each."""

from msgspec import Struct

from hostler.domain.machines.spec import Firmware


class Hardware(Struct, frozen=True, kw_only=True):
    """The hardware of a VM. The expected values are what placement counts for a VM that has not run yet."""

    cpu_count: int = 1
    memory_mib: int = 512
    firmware: Firmware = Firmware.BIOS
    networks: tuple[str, ...] = ("default",)
    cpu_expected_percent: int = 20
    disk_expected_iops: int = 0
    network_expected_mbps: int = 0


class GuestOs(Struct, frozen=True, kw_only=True):
    """How the guest introduces itself. In `computer_name` a `*` is five random letters, `##` the next free number."""

    computer_name: str = "*"
    time_zone: str = "UTC"
    user_name: str = ""
    ssh_keys: tuple[str, ...] = ()

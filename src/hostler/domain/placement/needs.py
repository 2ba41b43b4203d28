"""What a new VM asks of placement, from its hardware and the disk that it is cloned from."""

from hostler.domain.library.profiles import Hardware
from hostler.domain.machines.spec import CloneKind
from hostler.domain.placement.model import DiskNeed, Request

_MIB = 1024 * 1024


def needs_of(hardware: Hardware, clone: CloneKind, *, size_bytes: int, virtual_size_bytes: int) -> Request:
    """What placement must find room for. A linked clone takes almost nothing at first."""
    now_mib = 1 if clone is CloneKind.LINKED else -(-size_bytes // _MIB)
    return Request(
        vcpus=hardware.cpu_count,
        memory_mib=hardware.memory_mib,
        disks=(DiskNeed(size_mib=-(-virtual_size_bytes // _MIB), initial_mib=now_mib),),
        cpu_expected_percent=hardware.cpu_expected_percent,
        disk_iops=hardware.disk_expected_iops,
        network_mbps=hardware.network_expected_mbps,
        networks=frozenset(hardware.networks),
        firmware=hardware.firmware.value,
    )

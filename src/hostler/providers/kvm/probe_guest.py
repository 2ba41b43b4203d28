"""The guest that proves KVM: a boot sector that does what every system does first, and says so on the serial line.

Standard library only: it is also run before anything is installed, when the prerequisites are checked.
"""

GUEST_SAYS = b"HOSTLER GUEST RAN"

# probe_guest.S, assembled. Less would prove nothing: where /dev/kvm is half broken, a guest in real mode still runs.
BOOT_CODE = bytes.fromhex(
    "fa31c08ed88ec08ed0bc007cbf00106631c0b9000cfc66f3ab66c70600100320000066c70600200330000066c7060030"
    "830000000f0116f07c0f20c00c010f22c0ea467c080066b810008ed88ec08ed0bc007c00009c6a08685e7c0000cf0f20"
    "e00c200f22e0b8001000000f22d8b9800000c00f3280cc010f300f20c00d000000800f22c0ea8c7c000018004889e06a"
    "10509c6a18689c7c000048cfb940420f00ffc975fcbaf8030000beba7c0000ac84c07403eeebf8f4ebfd484f53544c45"
    "522047554553542052414e0a000f1f000000000000000000ffff0000009acf00ffff00000092cf00ffff0000009aaf00"
    "1f00d07c"
)

DISK = (BOOT_CODE.ljust(510, b"\0") + b"\x55\xaa").ljust(1024**2, b"\0")
"""The whole disk: the sector, on as much as QEMU wants a disk to have."""

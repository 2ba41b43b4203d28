"""Builds the first guest: a small real Linux disk that boots by itself, made from installed Debian packages.

The image holds a Debian kernel, busybox and the QEMU guest agent. It boots under BIOS, takes its host name
from a NoCloud seed (an ISO 9660 volume `cidata` on a virtio, SCSI or IDE disk or CD-ROM), asks DHCP for an
address, answers by the guest agent, and stops when the power button is pressed. Building it needs no root.
"""

import lzma
import os
import re
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

from hostler.providers.kvm.initramfs import Initramfs

BUILD_EPOCH_SECONDS = 1_700_000_000
"""Every file in the image carries this time, so that the same packages give the same image."""

IMAGE_SIZE_BYTES = 64 * 1024 * 1024
TOOL_TIMEOUT_SECONDS = 120
SECTOR_BYTES = 512
PARTITION_START_SECTOR = 2048
BOOT_CODE = Path("/usr/lib/syslinux/mbr/mbr.bin")
BOOT_CODE_BYTES = 440
BUSYBOX = Path("/bin/busybox")
GUEST_AGENT = Path("/usr/sbin/qemu-ga")
GUEST_FILES = Path(__file__).parent / "guest_files"

# In the order in which the guest loads them; what they depend on is loaded before them.
REQUIRED_MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_console", "isofs", "button", "evdev")
# For seeds on CD-ROMs, and for entropy; a cloud kernel has no ahci.
OPTIONAL_MODULES = ("virtio_scsi", "sr_mod", "sd_mod", "ata_piix", "ahci", "virtio_rng")

SYSLINUX_CONFIGURATION = """\
DEFAULT guest
SERIAL 0 115200
LABEL guest
 KERNEL vmlinuz
 INITRD initrd.gz
 APPEND console=tty0 console=ttyS0,115200 quiet panic=5
"""


class GuestImageError(Exception):
    """The guest image cannot be built; the text says what is missing and which package brings it."""


def build_micro_guest(target: Path) -> Path:
    """Writes the guest to `target` as a compressed qcow2 disk (about 16 MB), whole or not at all.

    Returns `target`. Blocks for about two seconds.
    Raises GuestImageError when a package is missing or a tool fails.
    """
    release = _choose_kernel()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".guest-image-", dir=target.parent) as folder:
        build = Path(folder)
        shutil.copyfile(f"/boot/vmlinuz-{release}", build / "vmlinuz")
        (build / "initrd.gz").write_bytes(_initramfs(release).compressed())
        (build / "syslinux.cfg").write_text(SYSLINUX_CONFIGURATION)
        _write_disk(build)
        _run(
            "qemu-img",
            "convert",
            "-f",
            "raw",
            "-O",
            "qcow2",
            "-c",
            str(build / "disk.raw"),
            str(build / "disk.qcow2"),
        )
        (build / "disk.qcow2").replace(target)
    return target


def _choose_kernel() -> str:
    """The release of an installed kernel: a cloud kernel (it is smaller) if there is one, else the newest."""
    releases = [
        release
        for image in Path("/boot").glob("vmlinuz-*")
        if os.access(image, os.R_OK) and Path("/lib/modules", release := image.name.removeprefix("vmlinuz-")).is_dir()
    ]
    if not releases:
        raise GuestImageError(
            "No readable kernel with its modules is in /boot: install one by `apt-get install linux-image-cloud-amd64`."
        )
    return max(
        releases,
        key=lambda release: ("cloud" in release, [int(part) for part in re.findall(r"\d+", release)]),
    )


def _initramfs(release: str) -> Initramfs:
    archive = Initramfs(BUILD_EPOCH_SECONDS)
    archive.add_file("bin/busybox", _content(BUSYBOX, "busybox-static"), mode=0o755)
    archive.add_file("usr/sbin/qemu-ga", _content(GUEST_AGENT, "qemu-guest-agent"), mode=0o755)
    for shared_object in _shared_objects(GUEST_AGENT):
        archive.add_file(str(shared_object).lstrip("/"), shared_object.read_bytes(), mode=0o755)
    modules = _modules(release)
    for module in modules:
        archive.add_file(f"modules/{_plain_name(module)}", _module_content(module), mode=0o644)
    archive.add_file("etc/modules", "".join(f"/modules/{_plain_name(m)}\n" for m in modules).encode(), mode=0o644)
    for file in sorted(path for path in GUEST_FILES.rglob("*") if path.is_file()):
        inside = file.relative_to(GUEST_FILES).as_posix()
        archive.add_file(inside, file.read_bytes(), mode=0o755)
    for folder in ("proc", "sys", "dev", "run", "tmp", "seed", "var/run"):
        archive.add_folder(folder)
    archive.add_link("sbin/init", to="/bin/busybox")
    archive.add_link("init", to="/bin/busybox")
    return archive


def _shared_objects(program: Path) -> list[Path]:
    listing = _run("ldd", str(program))
    return sorted({Path(path) for path in re.findall(r"(/\S+) \(0x", listing)})


def _modules(release: str) -> list[Path]:
    """The modules' files, each after those it depends on."""
    ordered: dict[Path, None] = {}
    for name in REQUIRED_MODULES + OPTIONAL_MODULES:
        try:
            listing = _run("modprobe", "-S", release, "--show-depends", name)
        except GuestImageError:
            if name in REQUIRED_MODULES:
                raise
            continue
        ordered.update(dict.fromkeys(Path(path) for path in re.findall(r"^insmod (\S+)", listing, re.MULTILINE)))
    return list(ordered)


def _plain_name(module: Path) -> str:
    return f"{module.name.partition('.ko')[0]}.ko"


def _module_content(module: Path) -> bytes:
    content = module.read_bytes()
    if module.suffix == ".xz":
        return lzma.decompress(content)
    if module.suffix == ".ko":
        return content
    raise GuestImageError(
        f"The kernel module {module} is compressed in a way this builder cannot read (.ko and .ko.xz are)."
    )


def _content(path: Path, package: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise GuestImageError(f"{path} is missing: install it by `apt-get install {package}`.") from None


def _write_disk(build: Path) -> None:
    """One bootable FAT32 partition, with syslinux, on a disk with a DOS partition table."""
    raw = build / "disk.raw"
    boot_code = _content(BOOT_CODE, "syslinux-common")[:BOOT_CODE_BYTES]
    with raw.open("wb") as disk:
        disk.truncate(IMAGE_SIZE_BYTES)
        disk.write(boot_code.ljust(BOOT_CODE_BYTES, b"\0") + _partition_table())
    files = [build / name for name in ("vmlinuz", "initrd.gz", "syslinux.cfg")]
    for file in files:
        os.utime(file, (BUILD_EPOCH_SECONDS, BUILD_EPOCH_SECONDS))
    partition = f"{raw}@@{PARTITION_START_SECTOR * SECTOR_BYTES}"
    _run("mformat", "-i", partition, "-F", "-v", "GUEST", "-N", "484f5354", "::")
    _run("mcopy", "-m", "-i", partition, *map(str, files), "::")
    _run("syslinux", "--offset", str(PARTITION_START_SECTOR * SECTOR_BYTES), "--install", str(raw))


def _partition_table() -> bytes:
    """The disk's signature, one active FAT32 (LBA) partition to the end of the disk, and the boot mark."""
    active, fat32_lba, beyond_chs = 0x80, 0x0C, b"\xfe\xff\xff"
    sectors = IMAGE_SIZE_BYTES // SECTOR_BYTES - PARTITION_START_SECTOR
    entry = struct.pack("<B3sB3sII", active, beyond_chs, fat32_lba, beyond_chs, PARTITION_START_SECTOR, sectors)
    return b"HSTL\0\0" + entry.ljust(64, b"\0") + b"\x55\xaa"


def _run(*argv: str) -> str:
    # The administrators' tools are not in everybody's PATH; the time is what mtools write into FAT entries.
    environment = {
        "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/bin:/bin",
        "LC_ALL": "C",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": str(BUILD_EPOCH_SECONDS),
    }
    try:
        done = subprocess.run(  # noqa: S603 - an argument list, no shell; the names are ours
            argv, capture_output=True, text=True, timeout=TOOL_TIMEOUT_SECONDS, env=environment, check=True
        )
    except FileNotFoundError:
        raise GuestImageError(
            f"The tool {argv[0]} is missing: `make setup` installs what the guest is built from."
        ) from None
    except subprocess.TimeoutExpired:
        raise GuestImageError(
            f"{argv[0]} did not end within {TOOL_TIMEOUT_SECONDS} s; the guest was not built."
        ) from None
    except subprocess.CalledProcessError as failure:
        raise GuestImageError(f"{' '.join(argv)} failed with {failure.returncode}: {failure.stderr.strip()}") from None
    return done.stdout

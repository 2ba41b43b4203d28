"""libvirt domain XML, both ways: written from a VmSpec by a serialiser, read into what a VM has."""

import hashlib
import re
import uuid
import xml.etree.ElementTree as ET

import msgspec
from msgspec import Struct

from hostler.domain.fabric.facts import Acceleration
from hostler.domain.machines.facts import DiskFacts, NicFacts
from hostler.domain.machines.names import NameRules
from hostler.domain.machines.spec import Disk, DiskFormat, Firmware, VmSpec
from hostler.providers.errors import Refused
from hostler.providers.kvm.parse_xml import parse_xml

NAMESPACE = "urn:hostler:vm:1"
SEED_SERIAL = "hostler-seed"
AGENT_CHANNEL = "org.qemu.guest_agent.0"
BALLOON_STATS_SECONDS = 10
VM_NAMES = NameRules(max_bytes=247, forbidden="/")
"""libvirt keeps NAME.xml.new beside NAME.xml while it writes, and a file name ends at 255 bytes."""

_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

ET.register_namespace("hostler", NAMESPACE)


class DomainShape(Struct, frozen=True, kw_only=True):
    """What a domain's XML says of it. `is_probe` marks our own short-lived test of the acceleration."""

    native_id: str
    name: str
    cpu_count: int
    memory_mib: int
    firmware: Firmware
    disks: tuple[DiskFacts, ...]
    nics: tuple[NicFacts, ...]
    is_probe: bool
    spec_digest: str


def check_spec(spec: VmSpec) -> None:
    """Raises Refused before anything is made of a spec that the host could only half make."""
    try:
        uuid.UUID(spec.vm_id)
    except ValueError:
        raise Refused(f"{spec.vm_id!r} is not a UUID, which libvirt wants of a VM's id", "give the VM a UUID") from None
    reason = VM_NAMES.why_not(spec.name)
    if reason is not None:
        raise Refused(f"the name {spec.name!r} cannot be used on a KVM host: {reason}", "choose another name")
    for path in (*(disk.path for disk in spec.disks), *([spec.seed_path] if spec.seed_path else [])):
        if _NOT_IN_XML.search(path) or "\n" in path:
            raise Refused(f"the path {path!r} contains a character that libvirt cannot carry", "choose another name")
    for nic in spec.nics:
        if _NOT_IN_XML.search(nic.network + nic.mac):
            raise Refused(f"the network {nic.network!r} contains a character that XML cannot carry", "choose another")


def spec_digest(spec: VmSpec) -> str:
    """Tells whether a domain was made from exactly this spec."""
    return hashlib.sha256(msgspec.json.encode(spec)).hexdigest()


def write_domain_xml(spec: VmSpec, acceleration: Acceleration, bridges: frozenset[str]) -> str:
    """The whole domain. `bridges` are those of its networks that are bridges of the host, not libvirt networks."""
    check_spec(spec)
    domain = ET.Element("domain", type="kvm" if acceleration is Acceleration.KVM else "qemu")
    _text(domain, "name", spec.name)
    _text(domain, "uuid", spec.vm_id)
    metadata = ET.SubElement(domain, "metadata")
    ET.SubElement(metadata, f"{{{NAMESPACE}}}vm", id=spec.vm_id, spec=spec_digest(spec))
    _text(domain, "memory", str(spec.memory_mib), unit="MiB")
    _text(domain, "currentMemory", str(spec.memory_mib), unit="MiB")
    _text(domain, "vcpu", str(spec.cpu_count))
    _add_system(domain, spec.firmware, acceleration)
    devices = ET.SubElement(domain, "devices")
    for index, disk in enumerate(spec.disks):
        _add_disk(devices, disk, index)
    if spec.seed_path is not None:
        _add_seed(devices, spec.seed_path, len(spec.disks))
    for nic in spec.nics:
        _add_nic(devices, nic.mac, nic.network, is_bridge=nic.network in bridges)
    _add_consoles(devices)
    return ET.tostring(domain, encoding="unicode")


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, tag, attributes)
    element.text = text
    return element


def _add_system(domain: ET.Element, firmware: Firmware, acceleration: Acceleration) -> None:
    system = ET.SubElement(domain, "os")
    _text(system, "type", "hvm", arch="x86_64", machine="q35")
    if firmware is Firmware.UEFI:
        system.set("firmware", "efi")
        features = ET.SubElement(system, "firmware")
        ET.SubElement(features, "feature", enabled="no", name="secure-boot")
    features = ET.SubElement(domain, "features")
    ET.SubElement(features, "acpi")
    ET.SubElement(features, "apic")
    if acceleration is Acceleration.KVM:
        ET.SubElement(domain, "cpu", mode="host-model")
    else:
        cpu = ET.SubElement(domain, "cpu", mode="custom", match="exact", check="none")
        _text(cpu, "model", "qemu64", fallback="forbid")
    ET.SubElement(domain, "clock", offset="utc")
    _text(domain, "on_poweroff", "destroy")
    _text(domain, "on_reboot", "restart")
    _text(domain, "on_crash", "destroy")


def _device_name(index: int) -> str:
    """vda … vdz, vdaa …: bijective base 26."""
    letters, number = "", index + 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return f"vd{letters}"


def _add_disk(devices: ET.Element, disk: Disk, index: int) -> None:
    element = ET.SubElement(devices, "disk", type="file", device="disk")
    ET.SubElement(element, "driver", name="qemu", type=disk.format.value, discard="unmap")
    ET.SubElement(element, "source", file=disk.path)
    ET.SubElement(element, "target", dev=_device_name(index), bus="virtio")
    ET.SubElement(element, "boot", order=str(index + 1))


def _add_seed(devices: ET.Element, path: str, index: int) -> None:
    """A virtio disk, not a CD-ROM: small cloud kernels come without the SATA driver of q35."""
    element = ET.SubElement(devices, "disk", type="file", device="disk")
    ET.SubElement(element, "driver", name="qemu", type=DiskFormat.RAW.value)
    ET.SubElement(element, "source", file=path)
    ET.SubElement(element, "target", dev=_device_name(index), bus="virtio")
    ET.SubElement(element, "readonly")
    _text(element, "serial", SEED_SERIAL)


def _add_nic(devices: ET.Element, mac: str, network: str, *, is_bridge: bool) -> None:
    kind = "bridge" if is_bridge else "network"
    element = ET.SubElement(devices, "interface", type=kind)
    ET.SubElement(element, "mac", address=mac)
    ET.SubElement(element, "source", {kind: network})
    ET.SubElement(element, "model", type="virtio")


def _add_consoles(devices: ET.Element) -> None:
    """Serial line, agent channel, VNC on a socket that libvirt names, and what a guest needs to be pleasant."""
    serial = ET.SubElement(devices, "serial", type="pty")
    ET.SubElement(serial, "target", port="0")
    console = ET.SubElement(devices, "console", type="pty")
    ET.SubElement(console, "target", type="serial", port="0")
    channel = ET.SubElement(devices, "channel", type="unix")
    ET.SubElement(channel, "target", type="virtio", name=AGENT_CHANNEL)
    ET.SubElement(devices, "input", type="tablet", bus="usb")
    graphics = ET.SubElement(devices, "graphics", type="vnc")
    ET.SubElement(graphics, "listen", type="socket")
    video = ET.SubElement(devices, "video")
    ET.SubElement(video, "model", type="vga")
    balloon = ET.SubElement(devices, "memballoon", model="virtio")
    ET.SubElement(balloon, "stats", period=str(BALLOON_STATS_SECONDS))
    rng = ET.SubElement(devices, "rng", model="virtio")
    _text(rng, "backend", "/dev/urandom", model="random")


_KIB_PER_UNIT = {
    "b": 1 / 1024,
    "bytes": 1 / 1024,
    "KiB": 1,
    "k": 1,
    "MiB": 1024,
    "M": 1024,
    "GiB": 1024**2,
    "G": 1024**2,
}


def read_domain_xml(text: str, subject: str) -> DomainShape:
    """What the XML of any domain says, ours or not. Raises ProviderError when it cannot be read."""
    domain = parse_xml(text, subject)
    ours = domain.find(f"metadata/{{{NAMESPACE}}}vm")
    return DomainShape(
        native_id=domain.findtext("uuid", ""),
        name=domain.findtext("name", ""),
        cpu_count=_cpu_count(domain),
        memory_mib=_memory_mib(domain),
        firmware=_firmware(domain),
        disks=_disks(domain),
        nics=_nics(domain),
        is_probe=domain.find(f"metadata/{{{NAMESPACE}}}probe") is not None,
        spec_digest="" if ours is None else ours.get("spec", ""),
    )


def _cpu_count(domain: ET.Element) -> int:
    vcpu = domain.find("vcpu")
    return 1 if vcpu is None else int(vcpu.get("current") or vcpu.text or 1)


def _memory_mib(domain: ET.Element) -> int:
    memory = domain.find("memory")
    if memory is None:
        return 0
    return int(int(memory.text or 0) * _KIB_PER_UNIT.get(memory.get("unit", "KiB"), 1)) // 1024


def _firmware(domain: ET.Element) -> Firmware:
    system, loader = domain.find("os"), domain.find("os/loader")
    by_name = system is not None and system.get("firmware") == "efi"
    by_flash = loader is not None and loader.get("type") == "pflash"
    return Firmware.UEFI if by_name or by_flash else Firmware.BIOS


def _disks(domain: ET.Element) -> tuple[DiskFacts, ...]:
    """Hard disks with something in them; CD-ROMs, floppies and our seed are not disks of the VM."""
    found = []
    for disk in domain.iterfind("devices/disk"):
        source, driver = disk.find("source"), disk.find("driver")
        if disk.get("device", "disk") != "disk" or source is None or disk.findtext("serial") == SEED_SERIAL:
            continue
        path = next((source.get(key) for key in ("file", "dev", "volume", "name", "dir") if source.get(key)), None)
        if path is not None:
            found.append(DiskFacts(path=path, format="raw" if driver is None else driver.get("type", "raw")))
    return tuple(found)


def _nics(domain: ET.Element) -> tuple[NicFacts, ...]:
    found = []
    for interface in domain.iterfind("devices/interface"):
        mac, source = interface.find("mac"), interface.find("source")
        network = "" if source is None else source.get("network") or source.get("bridge") or source.get("dev") or ""
        found.append(NicFacts(mac="" if mac is None else mac.get("address", "").lower(), network=network))
    return tuple(found)

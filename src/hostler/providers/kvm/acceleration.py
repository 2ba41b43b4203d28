"""Whether this host's processor really runs guests: proven by one that reaches long mode, remembered per boot."""

import contextlib
import time
import uuid
import xml.etree.ElementTree as ET
from pathlib import Path

import libvirt
import msgspec
from msgspec import Struct

from hostler.domain.fabric.facts import Acceleration
from hostler.providers.kvm.connect import find_domain
from hostler.providers.kvm.domain_xml import NAMESPACE
from hostler.providers.kvm.errors import broken_wire, is_gone
from hostler.providers.kvm.probe_guest import DISK, GUEST_SAYS
from hostler.providers.kvm.whole_files import write_state

PROBE_SECONDS = 10.0
PROBE_PREFIX = "hostler-probe-"
_POLL_SECONDS = 0.1


class AccelerationFacts(Struct, frozen=True, kw_only=True):
    """What was proven, and for which boot of the host and version of QEMU it holds."""

    proven_for: str
    acceleration: Acceleration
    note: str


def read_acceleration(connection: libvirt.virConnect, state_dir: Path, folder: Path) -> AccelerationFacts:
    """The remembered proof, or a new one (seconds, once a boot). `folder` is one that QEMU's user can reach. Blocks."""
    if connection.getType() != "QEMU":
        note = f"libvirt's driver {connection.getType()} runs no guests"
        return AccelerationFacts(proven_for="", acceleration=Acceleration.NONE, note=note)
    remembered, proven_for = state_dir / "acceleration.json", _circumstances(connection)
    with contextlib.suppress(OSError, msgspec.DecodeError):
        facts = msgspec.json.decode(remembered.read_bytes(), type=AccelerationFacts)
        if facts.proven_for == proven_for:
            return facts
    failure = probe_acceleration(connection, folder)
    if failure is None:
        acceleration, note = Acceleration.KVM, "KVM: proven by a guest that ran"
    else:
        acceleration = Acceleration.TCG
        note = f"guests are emulated (TCG) and slow: {failure}"
    facts = AccelerationFacts(proven_for=proven_for, acceleration=acceleration, note=note)
    write_state(remembered, msgspec.json.encode(facts))
    return facts


def _circumstances(connection: libvirt.virConnect) -> str:
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot_id} qemu {connection.getVersion()} libvirt {connection.getLibVersion()}"


def probe_acceleration(connection: libvirt.virConnect, folder: Path, kind: str = "kvm") -> str | None:
    """Why KVM does not work here; None when a guest ran by it. Leaves nothing behind."""
    if not Path("/dev/kvm").exists():
        return "there is no /dev/kvm (switch virtualisation on in the firmware or on the host above)"
    for left in folder.glob(f".{PROBE_PREFIX}*"):
        left.unlink(missing_ok=True)
    native_id = str(uuid.uuid4())
    image, said = folder / f".{PROBE_PREFIX}{native_id}.img", folder / f".{PROBE_PREFIX}{native_id}.txt"
    try:
        image.write_bytes(DISK)
        return _run_probe(connection, _probe_xml(native_id, image, said, kind), said)
    except libvirt.libvirtError as error:
        if broken_wire(error):
            raise
        words = (error.get_error_message() or "").strip().splitlines()
        return f"QEMU could not start a guest with KVM: {words[-1] if words else error}"
    finally:
        _destroy(connection, native_id)
        image.unlink(missing_ok=True)
        said.unlink(missing_ok=True)


def _run_probe(connection: libvirt.virConnect, xml: str, said: Path) -> str | None:
    ends = time.monotonic() + PROBE_SECONDS
    domain = connection.createXML(xml, libvirt.VIR_DOMAIN_START_AUTODESTROY)
    while time.monotonic() < ends:
        if _has_run(said):
            return None
        try:
            state = domain.state()[0]
        except libvirt.libvirtError as error:
            if not is_gone(error):
                raise
            return "QEMU stopped by itself when it ran a guest with KVM, though /dev/kvm opens"
        if state not in {libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_BLOCKED}:
            return "KVM failed to execute a test guest, though /dev/kvm opens (read QEMU's log of it on the host)"
        time.sleep(_POLL_SECONDS)
    return f"a test guest did not run within {PROBE_SECONDS:g} s with KVM, though /dev/kvm opens"


def _has_run(said: Path) -> bool:
    try:
        return GUEST_SAYS in said.read_bytes()
    except FileNotFoundError:
        return False


def _destroy(connection: libvirt.virConnect, native_id: str) -> None:
    with contextlib.suppress(libvirt.libvirtError):
        domain = find_domain(connection, native_id)
        if domain is not None:
            domain.destroy()


def _probe_xml(native_id: str, image: Path, said: Path, kind: str) -> str:
    domain = ET.Element("domain", type=kind)
    ET.SubElement(domain, "name").text = f"{PROBE_PREFIX}{native_id}"
    ET.SubElement(domain, "uuid").text = native_id
    ET.SubElement(ET.SubElement(domain, "metadata"), f"{{{NAMESPACE}}}probe")
    ET.SubElement(domain, "memory", unit="MiB").text = "32"
    ET.SubElement(domain, "vcpu").text = "1"
    ET.SubElement(ET.SubElement(domain, "os"), "type", arch="x86_64", machine="q35").text = "hvm"
    ET.SubElement(ET.SubElement(domain, "features"), "acpi")
    if kind == "kvm":
        ET.SubElement(domain, "cpu", mode="host-passthrough")
    devices = ET.SubElement(domain, "devices")
    disk = ET.SubElement(devices, "disk", type="file", device="disk")
    ET.SubElement(disk, "driver", name="qemu", type="raw")
    ET.SubElement(disk, "source", file=str(image))
    ET.SubElement(disk, "target", dev="vda", bus="virtio")
    serial = ET.SubElement(devices, "serial", type="file")
    ET.SubElement(serial, "source", path=str(said))
    ET.SubElement(devices, "controller", type="usb", model="none")
    ET.SubElement(devices, "memballoon", model="none")
    return ET.tostring(domain, encoding="unicode")

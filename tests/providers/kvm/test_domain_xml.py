import uuid
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostler.domain.fabric.facts import Acceleration
from hostler.domain.machines.spec import Disk, DiskFormat, Firmware, Nic, VmSpec
from hostler.providers.errors import ProviderError, Refused
from hostler.providers.kvm.domain_xml import (
    VM_NAMES,
    read_domain_xml,
    spec_digest,
    write_domain_xml,
)
from hostler.providers.kvm.parse_xml import parse_xml

GOLDEN = Path(__file__).parents[2] / "golden" / "domain-xml"
BASE = VmSpec(
    vm_id="0b6f7a52-9a55-4a0e-8d8e-3f0f4c1d2e3f",
    name="web-01",
    cpu_count=2,
    memory_mib=2048,
    disks=(Disk(path="/vms/web-01/disk.qcow2", format=DiskFormat.QCOW2),),
    nics=(Nic(mac="52:54:00:00:00:01", network="default"),),
    seed_path="/vms/web-01/seed.iso",
)


def spec(**changes: object) -> VmSpec:
    return msgspec.structs.replace(BASE, **changes)


CASES = {
    "bios-kvm": (BASE, Acceleration.KVM, frozenset()),
    "bios-tcg": (BASE, Acceleration.TCG, frozenset()),
    "uefi-bridge": (
        spec(firmware=Firmware.UEFI, nics=(Nic(mac="52:54:00:00:00:02", network="br0"),), seed_path=None),
        Acceleration.KVM,
        frozenset({"br0"}),
    ),
    "hostile-text": (
        spec(
            name="o'brien \"<name>\" <disk file='x'> & ]]> 漢字 🚀",
            disks=(
                Disk(path="/vms/a b,'\"<&>/disk", format=DiskFormat.RAW),
                Disk(path="/vms/second", format=DiskFormat.QCOW2),
            ),
        ),
        Acceleration.TCG,
        frozenset(),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_domain_is_the_reviewed_one(case: str) -> None:
    written = ET.fromstring(write_domain_xml(*CASES[case]))
    ET.indent(written)
    assert ET.tostring(written, encoding="unicode") + "\n" == (GOLDEN / f"{case}.xml").read_text()


def tags(element: ET.Element) -> list[object]:
    return [element.tag, sorted(element.attrib), [tags(child) for child in element]]


SHAPE = tags(ET.fromstring(write_domain_xml(BASE, Acceleration.TCG, frozenset())))


TEXT = st.text(st.characters(exclude_characters="/", exclude_categories=("Cc", "Cs")), min_size=1) | st.text()


@given(name=TEXT, path=TEXT, network=TEXT)
def test_no_text_changes_the_shape(name: str, path: str, network: str) -> None:
    hostile = spec(
        name=name,
        disks=(Disk(path=f"/{path}", format=DiskFormat.QCOW2),),
        nics=(Nic(mac="52:54:00:00:00:01", network=network),),
    )
    try:
        written = write_domain_xml(hostile, Acceleration.TCG, frozenset())
    except Refused as refusal:
        assert refusal.remedy  # noqa: PT017 - to refuse and to write are both right
        return
    assert tags(ET.fromstring(written)) == SHAPE
    read = read_domain_xml(written, "test")
    assert (read.name, read.disks[0].path) == (name, f"/{path}")


@given(name=st.text())
def test_refused_names_have_a_reason(name: str) -> None:
    reason = VM_NAMES.why_not(name)
    assert reason is None or len(reason) > 5
    assert (reason is None) <= (len(name.encode(errors="surrogatepass")) <= VM_NAMES.max_bytes)


@pytest.mark.parametrize("name", ["", "  ", "a/b", "a\nb", "a\0b", "\ud800", "x" * 255, "й" * 200, "..", "a\ufffeb"])
def test_unusable_names(name: str) -> None:
    assert VM_NAMES.why_not(name) is not None


def test_written_domain_reads_back() -> None:
    read = read_domain_xml(write_domain_xml(BASE, Acceleration.KVM, frozenset()), "test")
    assert (read.native_id, read.cpu_count, read.memory_mib) == (BASE.vm_id, 2, 2048)
    assert [disk.path for disk in read.disks] == ["/vms/web-01/disk.qcow2"]
    assert [(nic.mac, nic.network) for nic in read.nics] == [("52:54:00:00:00:01", "default")]
    assert read.spec_digest == spec_digest(BASE)
    assert not read.is_probe


def test_another_spec_has_another_digest() -> None:
    assert spec_digest(BASE) != spec_digest(spec(memory_mib=4096))


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><domain><name>&x;</name></domain>',
        '<!DOCTYPE d [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><domain><name>&b;</name></domain>',
        "<domain><name>&undefined;</name></domain>",
        "<domain>",
        "",
    ],
)
def test_entities_and_broken_xml_are_refused(text: str) -> None:
    with pytest.raises(ProviderError):
        parse_xml(text, "test")


@pytest.mark.parametrize(
    ("text", "memory_mib", "cpu_count"),
    [
        ("<memory unit='KiB'>1048576</memory><vcpu>2</vcpu>", 1024, 2),
        ("<memory unit='GiB'>4</memory><vcpu current='3'>8</vcpu>", 4096, 3),
        ("<memory unit='b'>536870912</memory>", 512, 1),
        ("", 0, 1),
    ],
)
def test_what_others_define_is_read(text: str, memory_mib: int, cpu_count: int) -> None:
    native_id = str(uuid.uuid4())
    read = read_domain_xml(f"<domain><name>x</name><uuid>{native_id}</uuid>{text}</domain>", "test")
    assert (read.native_id, read.memory_mib, read.cpu_count) == (native_id, memory_mib, cpu_count)


def test_cdroms_and_empty_drives_are_no_disks() -> None:
    devices = (
        "<disk device='cdrom'><source file='/a.iso'/></disk><disk device='disk'/>"
        "<disk device='disk' type='block'><driver type='raw'/><source dev='/dev/sdx'/></disk>"
    )
    read = read_domain_xml(f"<domain><devices>{devices}</devices></domain>", "test")
    assert [(disk.path, disk.format) for disk in read.disks] == [("/dev/sdx", "raw")]

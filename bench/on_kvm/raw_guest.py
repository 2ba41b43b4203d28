"""A guest by the raw calls that anybody's script would make: qemu-img, pycdlib, defineXML, create."""

import io
import subprocess
import uuid
from pathlib import Path

import libvirt
import pycdlib

from bench.on_kvm.house import MEMORY_MIB, NETWORK
from hostler.domain.fabric.facts import Acceleration
from hostler.domain.machines.spec import Disk, DiskFormat, Nic, VmSpec
from hostler.providers.kvm.domain_xml import write_domain_xml

_USER_DATA = b"#cloud-config\nhostname: bench\n"


class RawGuest:
    """One guest. Its XML is that of ours, so that QEMU has the same to start; it is written before the clock runs."""

    def __init__(self, base: Path, vms: Path, acceleration: Acceleration) -> None:
        vm_id = str(uuid.uuid4())
        self._base = base
        self._folder = vms / vm_id
        self._disk, self._seed = self._folder / "disk0.qcow2", self._folder / "seed.iso"
        number = uuid.UUID(vm_id).bytes
        spec = VmSpec(
            vm_id=vm_id,
            name=f"bench-raw-{vm_id}",
            cpu_count=1,
            memory_mib=MEMORY_MIB,
            disks=(Disk(path=str(self._disk), format=DiskFormat.QCOW2),),
            nics=(Nic(mac=f"52:54:00:{number[0]:02x}:{number[1]:02x}:{number[2]:02x}", network=NETWORK),),
            seed_path=str(self._seed),
        )
        self._xml = write_domain_xml(spec, acceleration, frozenset())
        self._instance = f"instance-id: {vm_id}\nlocal-hostname: bench\n".encode()
        self._domain: libvirt.virDomain | None = None

    def make(self, connection: libvirt.virConnect) -> None:
        """Linked clone, seed, definition, start."""
        self._folder.mkdir(mode=0o711)
        clone = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(self._base), str(self._disk)]
        subprocess.run(clone, check=True)
        iso = pycdlib.PyCdlib()
        iso.new(interchange_level=3, vol_ident="cidata", joliet=3, rock_ridge="1.09")
        for number, (name, content) in enumerate((("user-data", _USER_DATA), ("meta-data", self._instance))):
            iso.add_fp(io.BytesIO(content), len(content), f"/FILE{number}.;1", rr_name=name, joliet_path=f"/{name}")
        iso.write(str(self._seed))
        iso.close()
        self._domain = connection.defineXML(self._xml)
        self._domain.create()

    def remove(self) -> None:
        """Nothing stays, however far it came."""
        if self._domain is not None:
            if self._domain.isActive():
                self._domain.destroy()
            self._domain.undefine()
        for path in (self._disk, self._seed):
            path.unlink(missing_ok=True)
        self._folder.rmdir()

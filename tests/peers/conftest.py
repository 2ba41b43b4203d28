"""The service as a process of its own, on a libvirtd of its own, with a template of a guest that really answers."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest
from tests.providers.kvm.libvirt_host import LibvirtHost

import hostler
from hostler.providers.kvm.connect import open_connection
from hostler.providers.kvm.guest_image import build_micro_guest
from hostler.sdk import Client, HostlerError

HOSTLER = str(Path(sys.executable).with_name("hostler"))
COPY_BYTES = 300 * 1024 * 1024
"""What the large disk holds: a full copy of it takes long enough to be met half-way."""
LIMIT_SECONDS = 60.0
LINKED, LARGE = "answers", "large"
"""Two templates: one whose guest answers, one whose disk takes time to copy."""


class RealService:
    """`hostler serve` on a real host; `kill` is kill -9, and `start` goes on with what it left."""

    def __init__(self, host: LibvirtHost) -> None:
        self.host = host
        self.data = host.folder / "data"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None
        self.token = ""
        self.client: Client

    def start(self) -> None:
        command = [HOSTLER, "serve", "--data", str(self.data), "--port", str(self._port)]
        log = (self.host.folder / "service.log").open("ab")
        with log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self._answers, "the service answers")
        if not self.token:
            made = [HOSTLER, "sign-in-link", "--data", str(self.data), "--url", self.url]
            link = subprocess.run(made, capture_output=True, text=True, check=True).stdout.strip()
            with hostler.connect(self.url) as nobody:
                self.token = str(nobody.sign_in(link)["secret"])
        self.client = hostler.connect(self.url, self.token)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.host.folder / "service.log").read_text()
        try:
            with hostler.connect(self.url, self.token) as client:
                next(iter(client.hosts.list()), None)
        except HostlerError as error:
            return error.status == 401
        return True

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        assert self._process is not None
        self.client.close()
        self._process.send_signal(number)
        self._process.wait()

    def furnish(self) -> None:
        """A host, a library and two templates."""
        client, library = self.client, self.host.folder / "library"
        library.mkdir(mode=0o755)
        build_micro_guest(library / "micro.qcow2")
        _make_large(library / "large.qcow2")
        client.hosts.add(name="real", address=self.host.uri, vm_path=str(self.host.vm_path)).wait()
        client.hosts.refresh("real").wait()
        client.library_shares.create(name="library", path=str(library)).wait()
        client.hardware_profiles.create(name="small", cpu_count=1, memory_mib=128, networks=[self.host.network]).wait()
        client.guest_os_profiles.create(name="guest", computer_name="peer-##").wait()
        for name, file in ((LINKED, "micro.qcow2"), (LARGE, "large.qcow2")):
            client.library_objects.create(name=name, share="library", file=file).wait()
            client.templates.create(name=name, disk=name, hardware_profile="small", guest_os_profile="guest").wait()

    def vm(self, name: str) -> dict[str, Any]:
        """Everything known of the VM of this name."""
        return dict(self.client.vms.get(name))

    def domains(self) -> dict[str, str]:
        """libvirt's own word: names by id."""
        connection = open_connection(self.host.uri)
        try:
            return {domain.UUIDString(): domain.name() for domain in connection.listAllDomains(0)}
        finally:
            connection.close()

    def outside(self) -> libvirt.virConnect:
        """A connection of somebody who knows nothing of Hostler."""
        return open_connection(self.host.uri)

    def nothing_unlisted(self) -> None:
        """Each domain and each folder belongs to a VM on the list, and each VM on the list has both."""
        listed = {str(vm["id"]): vm["name"] for vm in self.client.vms.list()}
        assert self.domains() == listed
        assert {path.name for path in self.host.vm_path.iterdir()} == set(listed)
        files = sorted(path.name for path in self.host.vm_path.rglob("*") if path.is_file())
        assert files == sorted(["disk0.qcow2", "seed.iso"] * len(listed))

    def remove_all(self) -> None:
        for vm in list(self.client.vms.list()):
            if vm["state"] == "running":
                self.client.vms.power_off(vm["id"]).wait()
            self.client.vms.delete(vm["id"]).wait()


def until(holds: Any, what: str, seconds: float = LIMIT_SECONDS) -> None:
    """Wait for what a real process does in its own time."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.02)


def _make_large(path: Path) -> None:
    raw = path.with_suffix(".raw")
    with raw.open("wb") as file:
        for _ in range(COPY_BYTES // 2**20):
            file.write(os.urandom(2**20))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(path)], check=True)
    raw.unlink()


@pytest.fixture(scope="session")
def furnished() -> Iterator[RealService]:
    if os.geteuid() != 0 or shutil.which("libvirtd") is None:
        pytest.skip("a libvirtd of our own needs root and the package libvirt-daemon-system")
    host = LibvirtHost()
    host.start_libvirtd()
    host.make_network()
    service = RealService(host)
    try:
        service.start()
        service.furnish()
        yield service
        service.kill(signal.SIGTERM)
    finally:
        host.close()


@pytest.fixture
def service(furnished: RealService) -> Iterator[RealService]:
    """With an empty host before and after each test."""
    yield furnished
    furnished.remove_all()

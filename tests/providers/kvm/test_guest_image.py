"""Boots the built guest under QEMU's own emulation, and asks the guest itself who it is."""

import base64
import io
import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pycdlib
import pytest

from hostler.providers.kvm import guest_image
from hostler.providers.kvm.guest_image import GuestImageError, build_micro_guest

BOOT_TIMEOUT_SECONDS = 120
ANSWER_TIMEOUT_SECONDS = 20
SEED_DEVICES = {
    "virtio-disk": ["-drive", "file={seed},format=raw,if=virtio,readonly=on"],
    "scsi-cd": [
        "-device",
        "virtio-scsi-pci",
        "-drive",
        "file={seed},format=raw,if=none,id=cd",
        "-device",
        "scsi-cd,drive=cd",
    ],
    "ide-cd": ["-drive", "file={seed},format=raw,if=ide,media=cdrom,readonly=on"],
}


class JsonLines:
    """A client of QMP or of the guest agent: a JSON object a line, over a unix socket that QEMU serves."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ANSWER_TIMEOUT_SECONDS)
        self._socket.connect(str(path))
        self._reader: BinaryIO = self._socket.makefile("rb")

    def send(self, command: str, **arguments: object) -> None:
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")

    def ask(self, command: str, **arguments: object) -> Any:
        self.send(command, **arguments)
        while line := self._reader.readline():
            answer = json.loads(line)
            assert "error" not in answer, answer
            if "return" in answer:
                return answer["return"]
        raise AssertionError(f"{command}: the connection was closed without an answer")

    def close(self) -> None:
        self._reader.close()
        self._socket.close()


@dataclass
class Guest:
    process: "subprocess.Popen[bytes]"
    agent: JsonLines
    monitor: JsonLines
    serial: Path

    def output(self, program: str, *arguments: str) -> str:
        """What a program in the guest prints."""
        pid = self.agent.ask("guest-exec", path=program, arg=list(arguments), **{"capture-output": True})["pid"]
        status = until(lambda: (s := self.agent.ask("guest-exec-status", pid=pid))["exited"] and s, self)
        return base64.b64decode(status["out-data"]).decode()


def until(fact: Callable[[], Any], guest: Guest) -> Any:
    """The first true answer, while the guest lives, within the time of a boot."""
    deadline = time.monotonic() + BOOT_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if answer := fact():
            return answer
        try:
            guest.process.wait(timeout=0.1)
        except subprocess.TimeoutExpired:
            continue
        break
    raise AssertionError(f"it never came true; the guest said:\n{guest.serial.read_text(errors='replace')}")


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_micro_guest(tmp_path_factory.mktemp("image") / "guest.qcow2")


def seed(target: Path, *, meta_data: str, user_data: str = "#cloud-config\n{}\n") -> Path:
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident="cidata")
    for number, (name, text) in enumerate({"meta-data": meta_data, "user-data": user_data}.items()):
        content = text.encode()
        iso.add_fp(io.BytesIO(content), len(content), f"/FILE{number}.;1", rr_name=name, joliet_path=f"/{name}")
    iso.write(str(target))
    iso.close()
    return target


@contextmanager
def booted(image: Path, folder: Path, *devices: str) -> Iterator[Guest]:
    """A running guest whose agent answers; killed at the end if it still runs."""
    agent, monitor, serial = folder / "agent", folder / "monitor", folder / "serial"
    argv = [
        "qemu-system-x86_64",
        "-machine",
        "pc",
        "-accel",
        "tcg",
        "-cpu",
        "qemu64",
        "-m",
        "256",
        "-nodefaults",
    ]
    argv += ["-no-user-config", "-display", "none", "-snapshot", "-serial", f"file:{serial}"]
    argv += ["-drive", f"file={image},format=qcow2,if=virtio"]
    argv += ["-nic", "user,model=virtio-net-pci,restrict=on"]
    argv += ["-device", "virtio-serial", "-chardev", f"socket,path={agent},server=on,wait=off,id=agent"]
    argv += ["-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"]
    argv += ["-qmp", f"unix:{monitor},server=on,wait=off", *devices]
    process = subprocess.Popen(argv)
    try:
        deadline = time.monotonic() + ANSWER_TIMEOUT_SECONDS
        while not monitor.exists() and process.poll() is None and time.monotonic() < deadline:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=0.05)
        guest = Guest(process, JsonLines(agent), JsonLines(monitor), serial)
        guest.monitor.ask("qmp_capabilities")
        # What is sent before the agent opens its port waits for it: the first question waits for the boot.
        guest.agent._socket.settimeout(BOOT_TIMEOUT_SECONDS)
        guest.agent.ask("guest-ping")
        yield guest
        guest.agent.close()
        guest.monitor.close()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.mark.parametrize("device", SEED_DEVICES)
def test_guest_takes_its_name_from_the_seed_and_obeys_the_power_button(
    image: Path, tmp_path: Path, device: str
) -> None:
    name = f"web-{device}"
    iso = seed(tmp_path / "seed.iso", meta_data=f"instance-id: i-1\nlocal-hostname: {name}\n")

    with booted(image, tmp_path, *(part.format(seed=iso) for part in SEED_DEVICES[device])) as guest:
        assert guest.agent.ask("guest-get-host-name") == {"host-name": name}
        assert guest.output("/bin/hostname") == f"{name}\n"
        assert "10.0.2.15" in until(lambda: address(guest, "eth0"), guest)

        guest.monitor.ask("system_powerdown")
        assert guest.process.wait(timeout=BOOT_TIMEOUT_SECONDS) == 0

    assert f"HOSTLER-GUEST down host={name}" in (tmp_path / "serial").read_text(errors="replace")


def test_guest_prefers_the_name_in_user_data_and_obeys_the_agents_shutdown(image: Path, tmp_path: Path) -> None:
    iso = seed(
        tmp_path / "seed.iso",
        meta_data='{"instance-id": "i-1", "local-hostname": "from-meta-data"}',
        user_data="#cloud-config\nhostname: 'from-user-data.example.org'\n",
    )

    with booted(image, tmp_path, *(part.format(seed=iso) for part in SEED_DEVICES["virtio-disk"])) as guest:
        assert guest.agent.ask("guest-get-host-name") == {"host-name": "from-user-data"}
        assert guest.agent.ask("guest-get-osinfo")["id"] == "hostler-guest"
        guest.agent.send("guest-shutdown", mode="powerdown")
        assert guest.process.wait(timeout=BOOT_TIMEOUT_SECONDS) == 0


def test_guest_without_a_seed_says_its_default_name(image: Path, tmp_path: Path) -> None:
    with booted(image, tmp_path) as guest:
        assert guest.agent.ask("guest-get-host-name") == {"host-name": "hostler-guest"}


def test_the_same_packages_give_the_same_image(image: Path, tmp_path: Path) -> None:
    assert build_micro_guest(tmp_path / "again.qcow2").read_bytes() == image.read_bytes()


def test_a_failed_build_leaves_nothing_and_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest_image, "BOOT_CODE", tmp_path / "absent" / "mbr.bin")

    with pytest.raises(GuestImageError, match="apt-get install syslinux-common"):
        build_micro_guest(tmp_path / "library" / "guest.qcow2")

    assert list((tmp_path / "library").iterdir()) == []


def address(guest: Guest, card: str) -> list[str]:
    interfaces = guest.agent.ask("guest-network-get-interfaces")
    found = next(interface for interface in interfaces if interface["name"] == card)
    return [entry["ip-address"] for entry in found.get("ip-addresses", []) if entry["ip-address-type"] == "ipv4"]

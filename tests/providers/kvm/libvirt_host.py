"""A libvirtd of the tests' own: its configuration, state and sockets in a private mount namespace, one network."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

import libvirt

from hostler.providers.kvm.connect import open_connection

START_SECONDS = 30
QEMU_CONF = "namespaces = []\ncgroup_controllers = []\n"
NAMESPACE_SCRIPT = r"""
set -e
cd "$1"
cp -r /etc/libvirt etc; rm -rf etc/qemu/autostart etc/qemu/networks etc/qemu/*.xml
printf '%s' "$2" > etc/qemu.conf
mount --bind run /run; mount --bind lib /var/lib/libvirt; mount --bind log /var/log/libvirt
mount --bind cache /var/cache/libvirt; mount --bind etc /etc/libvirt
mkdir -p /run/libvirt /run/lock
virtlogd &
exec sleep infinity
"""


class LibvirtHost:
    """Needs root. `folder` is reachable by QEMU's user; `network` hands out addresses by DHCP."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hostler-kvm-", dir="/var/tmp"))
        self.folder.chmod(0o755)
        for name in ("run", "lib", "log", "cache", "vms"):
            (self.folder / name).mkdir(mode=0o755)
        self.vm_path = self.folder / "vms"
        self.uri = f"qemu+unix:///system?socket={self.folder}/run/libvirt/libvirt-sock"
        self.network = f"ht{uuid.uuid4().hex[:8]}"
        argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", NAMESPACE_SCRIPT, "sh", str(self.folder)]
        self._holder = subprocess.Popen(
            [*argv, QEMU_CONF], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._wait_for(self.folder / "run/libvirt/virtlogd-sock")
        self._libvirtd: subprocess.Popen[bytes] | None = None

    def start_libvirtd(self) -> None:
        namespace = f"--mount=/proc/{self._holder.pid}/ns/mnt"
        self._libvirtd = subprocess.Popen(
            ["nsenter", namespace, "libvirtd"],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        ends = time.monotonic() + START_SECONDS
        while True:
            try:
                open_connection(self.uri).close()
            except libvirt.libvirtError:
                assert self._libvirtd.poll() is None, "libvirtd ended"
                assert time.monotonic() < ends, "libvirtd does not answer"
                time.sleep(0.05)
            else:
                return

    def stop_libvirtd(self) -> None:
        """Guests run on."""
        self.signal_libvirtd(signal.SIGKILL)
        assert self._libvirtd is not None
        self._libvirtd.wait()

    def signal_libvirtd(self, number: signal.Signals) -> None:
        assert self._libvirtd is not None
        self._libvirtd.send_signal(number)

    def make_network(self) -> None:
        """On a subnet that nobody on this machine has: other hosts like this one may run beside it."""
        connection = open_connection(self.uri)
        for octet in range(1, 255):
            if self._made_network(connection, octet):
                break
        else:
            raise AssertionError("every subnet of 10.203 is taken")
        connection.close()

    def _made_network(self, connection: libvirt.virConnect, octet: int) -> bool:
        network = (
            f"<network><name>{self.network}</name><bridge name='{self.network}'/>"
            f"<ip address='10.203.{octet}.1' netmask='255.255.255.0'>"
            f"<dhcp><range start='10.203.{octet}.10' end='10.203.{octet}.200'/></dhcp></ip></network>"
        )
        try:
            connection.networkCreateXML(network)
        except libvirt.libvirtError as error:
            if "already in use" not in str(error):
                raise
            return False
        return True

    def close(self) -> None:
        connection = open_connection(self.uri)
        for domain in connection.listAllDomains(0):
            if domain.isActive():
                domain.destroy()
        for network in connection.listAllNetworks(0):
            if network.isActive():
                network.destroy()
        connection.close()
        self.stop_libvirtd()
        os.killpg(self._holder.pid, signal.SIGKILL)
        self._holder.wait()
        shutil.rmtree(self.folder)

    @staticmethod
    def _wait_for(path: Path) -> None:
        ends = time.monotonic() + START_SECONDS
        while not path.exists():
            assert time.monotonic() < ends, f"{path} does not appear"
            time.sleep(0.02)

"""The service's memory: idle, and what each 1,000 VMs more cost it.

The service is the real one, in a process of its own. Its fleet is 25,000 VMs on simulated hosts, which its watchers
read as they read any host. Then somebody pages through all VMs and exports the fleet. Both services are asked the same,
one with the fleet, one without.
"""

import os
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.row import Row
from hostler.providers.simulated.connect import SideDoor, SimulatedProcess
from hostler.sdk import Client
from hostler.sdk.settings import Settings
from hostler.service.child import ServiceChild
from hostler.service.settings import ServiceSettings
from hostler.service.sign_in_link import make_link

HOSTS, VMS = 50, 25_000
IDLE_MIB, MIB_PER_1000 = 180, 4
READING_SECONDS = 600


class Fleet(NamedTuple):
    """What the simulated process holds, and the socket it answers on."""

    socket: Path
    host_ids: tuple[str, ...]
    vms: int


def rows(*, hosts: int = HOSTS, vms: int = VMS) -> Iterator[Row]:
    """The two figures of memory."""
    with tempfile.TemporaryDirectory(prefix="hostler-bench-") as name:
        folder = Path(name)
        with _service(folder / "idle") as (pid, client):
            _read_all(client)
            idle = _resident_mib(pid)
        with SimulatedProcess(folder / "simulated.sqlite", folder / "socket") as simulation:
            fleet = _populate(simulation, hosts, vms)
            with _service(folder / "full") as (pid, client):
                _add(client, fleet)
                _read_all(client)
                full = _resident_mib(pid)
    yield Row(
        "memory of the service, idle", idle, "MiB", "the limit", IDLE_MIB, idle / IDLE_MIB, 1.0, higher_is_better=False
    )
    each = (full - idle) * 1_000 / vms
    what = f"memory of each 1,000 VMs more, {vms:,} on {hosts} hosts"
    yield Row(what, each, "MiB", "the limit", MIB_PER_1000, each / MIB_PER_1000, 1.0, higher_is_better=False)


def _populate(simulation: SimulatedProcess, hosts: int, vms: int) -> Fleet:
    door = SideDoor(simulation.socket_path)
    try:
        door.populate(1, hosts, vms)
        return Fleet(simulation.socket_path, door.hosts(), vms)
    finally:
        door.close()


@contextmanager
def _service(data: Path) -> Iterator[tuple[int, Client]]:
    """A service on new data; its process, and a client that is signed in."""
    settings = ServiceSettings(data=data, port=_free_port())
    child = ServiceChild(settings)
    child.start()
    try:
        with Client(Settings(url=child.url)) as stranger:
            token = str(stranger.sign_in(make_link(settings, child.url))["secret"])
        with Client(Settings(url=child.url, token=token)) as client:
            yield int(settings.pid_file.read_text()), client
    finally:
        child.stop()


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _add(client: Client, fleet: Fleet) -> None:
    """All hosts under management, and every VM of theirs seen."""
    for host_id in fleet.host_ids:
        address = f"{fleet.socket}#{host_id}"
        client.hosts.add(name=host_id, provider="simulated", address=address, vm_path="/var/lib/vms")
    ends = time.monotonic() + READING_SECONDS
    while sum(1 for _ in client.vms.list(columns=["id"])) < fleet.vms:
        if time.monotonic() > ends:
            raise RuntimeError(f"the watchers did not read {fleet.vms} VMs in {READING_SECONDS} s")
        time.sleep(1)


def _read_all(client: Client) -> None:
    """As a person who looks at everything once."""
    for nouns in (client.hosts, client.vms):
        for _ in nouns.list():
            pass
    client.export_fleet()


def _resident_mib(pid: int) -> float:
    """What of the process is in memory now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

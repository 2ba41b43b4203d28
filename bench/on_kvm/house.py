"""The service's engine on an empty database, with this machine's libvirt as its host, and a template of a guest."""

import asyncio
import socket
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import libvirt
from sqlalchemy import select

import hostler.operations
from bench.row import YardstickMissingError
from hostler.domain.access.rights import Caller, Rights
from hostler.jobs.acceptance import Request
from hostler.jobs.engine import Engine
from hostler.jobs.states import ENDED, JobState
from hostler.jobs.worker import Worker
from hostler.providers.kvm.connect import ensure_event_loop
from hostler.providers.kvm.guest_image import build_micro_guest
from hostler.service.connections import Connections
from hostler.store.migrations import upgrade
from hostler.store.queries.access import SYSTEM_USER
from hostler.store.sqlite import SqliteDatabase
from hostler.store.tables import job

URI = "qemu:///system"
OPERATIONS = hostler.operations
"""Imported for what it registers."""
CALLER = Caller(user_id=SYSTEM_USER, user_name="bench", rights=Rights(privileges=None), source="127.0.0.1")
MEMORY_MIB = 128
NETWORK = "default"


def connect() -> libvirt.virConnect:
    """This machine's libvirt, with its default network. Raises YardstickMissingError without them."""
    ensure_event_loop()
    try:
        connection = libvirt.open(URI)
    except libvirt.libvirtError as error:
        raise YardstickMissingError(f"libvirt does not answer at {URI} ({error}): start libvirtd, as root") from error
    if NETWORK not in connection.listNetworks():
        connection.close()
        raise YardstickMissingError(f"the network {NETWORK!r} does not run: virsh net-start {NETWORK}")
    return connection


class House:
    """What runs jobs; `folder` holds all its files, and QEMU's user may pass it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vms = folder / "vms"
        self.library = folder / "library"
        self._database = SqliteDatabase(folder / "hostler.sqlite")
        self._connections = Connections(self._database, folder)
        self._worker = Worker(self._database, self._connections)
        self._engine = Engine(self._database, self._worker)

    async def start(self) -> None:
        await self._worker.start(alone=True)
        self.vms.mkdir(mode=0o711)
        self.library.mkdir(mode=0o755)
        host = {"name": socket.gethostname(), "provider": "kvm", "address": URI, "vm_path": str(self.vms)}
        await self.run("host.add", None, host)

    async def template(self) -> str:
        """A template of the smallest guest that boots; its id."""
        disk = await asyncio.to_thread(build_micro_guest, self.library / "guest.qcow2")
        share = await self.run("library-share.create", None, {"name": "bench", "path": str(self.library)})
        listed = {"name": "guest", "share": share, "file": disk.name}
        parts = {
            "disk": await self.run("library-object.create", None, listed),
            "hardware_profile": await self.run(
                "hardware-profile.create", None, {"name": "small", "memory_mib": MEMORY_MIB}
            ),
            "guest_os_profile": await self.run(
                "guest-os-profile.create", None, {"name": "guest", "computer_name": "bench-####"}
            ),
        }
        return await self.run("template.create", None, {"name": "guest", **parts})

    async def run(self, operation: str, subject: str | None, arguments: dict[str, Any]) -> str:
        """Run a job to its end; the id of its object. RuntimeError when it did not complete."""
        loop, news = asyncio.get_running_loop(), asyncio.Event()
        forget = self._database.on_commit(lambda: loop.call_soon_threadsafe(news.set))
        request = Request(
            job_id=str(uuid.uuid4()), operation=operation, subject=subject, arguments=arguments, caller=CALLER
        )
        try:
            query = select(job.c.state, job.c.subject_id, job.c.error).where(
                job.c.id == await self._engine.accept(request)
            )
            while True:
                news.clear()
                row = await self._database.read(lambda connection: connection.execute(query).one())
                if row.state in ENDED:
                    break
                await news.wait()
        finally:
            forget()
        if row.state not in (JobState.COMPLETED, JobState.COMPLETED_WITH_INFO):
            raise RuntimeError(f"{operation} is {row.state}: {row.error}")
        return str(row.subject_id)

    async def stop(self) -> None:
        await self._worker.stop()
        await self._connections.close()
        self._database.close()


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    """One in a folder of its own, which is removed at the end."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="hostler-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        upgrade(folder / "hostler.sqlite")
        made = House(folder)
        try:
            await made.start()
            yield made
        finally:
            await made.stop()

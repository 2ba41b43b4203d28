"""A whole engine on a database file and a simulated hypervisor, that can be dropped and opened again at any moment."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from sqlalchemy import select

import hostler.operations  # noqa: F401 - registers every operation
from hostler.domain.access.rights import Caller, Rights
from hostler.domain.fabric.facts import Volume
from hostler.domain.machines.facts import VmFacts
from hostler.domain.machines.spec import DiskFormat
from hostler.jobs.acceptance import Request
from hostler.jobs.attempt import Border
from hostler.jobs.engine import Engine
from hostler.jobs.states import ENDED, JobState
from hostler.jobs.worker import Worker
from hostler.providers.simulated.connect import SideDoor, connect
from hostler.providers.simulated.knobs import GIB, SimulatedHost
from hostler.service.connections import Connections
from hostler.store.database import AnyRow
from hostler.store.queries.access import SYSTEM_USER
from hostler.store.sqlite import SqliteDatabase
from hostler.store.tables import job, job_object, job_step, library_object, metadata, vm

CALLER = Caller(user_id=SYSTEM_USER, user_name="tester", rights=Rights(privileges=None), source="127.0.0.1")
HOST = "sim-1"
VM_PATH = "/var/lib/vms"
BASE_DISK = f"{VM_PATH}/base.qcow2"
LIMIT_SECONDS = 20.0
"""How long a job may take before a test gives it up as stuck; none comes near."""


class Stage:
    """The engine and its surroundings. `crash` drops all of it without a word; `open` starts anew on what is left."""

    def __init__(self, folder: Path, door: SideDoor, socket: Path) -> None:
        self.folder, self.door, self.socket = folder, door, socket
        self.database: SqliteDatabase
        self.worker: Worker
        self.engine: Engine
        self.connections: Connections
        self._made = 0
        self._open = False

    async def open(self, border: Border | None = None) -> None:
        fresh = not (self.folder / "hostler.sqlite").exists()
        self.database = SqliteDatabase(self.folder / "hostler.sqlite")
        if fresh:
            metadata.create_all(self.database.engine)
        self.connections = Connections(self.database, self.folder)
        self.worker = Worker(self.database, self.connections, border=border, patience_seconds=0.5)
        self.engine = Engine(self.database, self.worker)
        await self.worker.start(alone=True)
        self._open = True

    async def crash(self) -> None:
        """As a power cut would: no attempt gets another word in; what was committed stays."""
        await self.worker.abandon()
        await self._shut()

    async def close(self) -> None:
        """Once or again."""
        if self._open:
            await self.worker.stop(grace_seconds=0)
            await self._shut()

    async def _shut(self) -> None:
        self._open = False
        await self.connections.close()
        self.database.close()

    async def accept(self, operation: str, subject: str | None, arguments: dict[str, Any]) -> str:
        request = Request(
            job_id=str(uuid.uuid4()), operation=operation, subject=subject, arguments=arguments, caller=CALLER
        )
        return await self.engine.accept(request)

    async def ended(self, job_id: str) -> AnyRow:
        """The job's row once it has ended; a job that does not end is a failure of the test."""
        news = asyncio.Event()
        loop = asyncio.get_running_loop()
        forget = self.database.on_commit(lambda: loop.call_soon_threadsafe(news.set))
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                while True:
                    news.clear()
                    row = await self.row(job_id)
                    if row.state in ENDED:
                        return row
                    await news.wait()
        finally:
            forget()

    async def run(self, operation: str, subject: str | None, arguments: dict[str, Any]) -> str:
        """Run an operation that must succeed; the id of the object it was about."""
        row = await self.ended(await self.accept(operation, subject, arguments))
        assert row.state in (JobState.COMPLETED, JobState.COMPLETED_WITH_INFO), row.error
        return str(row.subject_id)

    async def row(self, job_id: str) -> AnyRow:
        return await self.database.read(lambda c: c.execute(select(job).where(job.c.id == job_id)).one())

    async def steps(self, job_id: str) -> list[AnyRow]:
        query = select(job_step).where(job_step.c.job_id == job_id).order_by(job_step.c.n)
        return await self.database.read(lambda c: list(c.execute(query)))

    async def holds(self, job_id: str) -> set[str]:
        query = select(job_object.c.hold).where(job_object.c.job_id == job_id)
        return await self.database.read(lambda c: set(c.execute(query).scalars()))

    async def vms(self) -> list[AnyRow]:
        return await self.database.read(lambda c: list(c.execute(select(vm).order_by(vm.c.name))))

    async def simulated_vms(self) -> tuple[VmFacts, ...]:
        """The hypervisor's own list, past our database."""
        provider = connect(self.socket, HOST)
        try:
            return (await provider.read_vms()).vms
        finally:
            await provider.close()

    # What operations need around them.

    def name(self, stem: str) -> str:
        self._made += 1
        return f"{stem}-{self._made}"

    async def host(self) -> str:
        arguments = {"name": HOST, "provider": "simulated", "address": f"{self.socket}#{HOST}", "vm_path": VM_PATH}
        return await self.run("host.add", None, arguments)

    async def share(self) -> str:
        folder = self.folder / self.name("library")
        folder.mkdir()
        (folder / "base.qcow2").write_bytes(_EMPTY_QCOW2)
        return await self.run("library-share.create", None, {"name": folder.name, "path": str(folder)})

    async def disk(self) -> str:
        share = await self.share()
        arguments = {"name": self.name("disk"), "share": share, "file": "base.qcow2"}
        return await self.run("library-object.create", None, arguments)

    async def template(self) -> str:
        disk = await self.disk()
        self.door.add_file(HOST, await self._path_of(disk), GIB, 10 * GIB, DiskFormat.QCOW2)
        hardware = await self.run("hardware-profile.create", None, {"name": self.name("hardware")})
        guest = await self.run("guest-os-profile.create", None, {"name": self.name("guest"), "computer_name": "web-##"})
        arguments = {
            "name": self.name("template"),
            "disk": disk,
            "hardware_profile": hardware,
            "guest_os_profile": guest,
        }
        return await self.run("template.create", None, arguments)

    async def _path_of(self, disk: str) -> str:
        query = select(library_object.c.path).where(library_object.c.id == disk)
        return str(await self.database.read(lambda c: c.execute(query).scalar_one()))

    async def machine(self, *, start: bool = True) -> str:
        await self.host()
        template = await self.template()
        return await self.run("vm.create", None, {"name": self.name("vm"), "template": template, "start": start})


Arrange = Callable[[Stage], Awaitable[tuple[str | None, dict[str, Any]]]]


@dataclass(frozen=True, slots=True)
class Case:
    """How one operation is called: makes what it needs, and answers its subject and arguments."""

    arrange: Arrange


def new_host(door: SideDoor) -> None:
    """The simulation as each test finds it."""
    door.reset()
    volumes = tuple(
        Volume(path=path, capacity_bytes=500 * GIB, free_bytes=500 * GIB) for path in (VM_PATH, gettempdir())
    )
    door.add_host(SimulatedHost(host_id=HOST, volumes=volumes))


_EMPTY_QCOW2 = (
    b"QFI\xfb\x00\x00\x00\x03"
    + bytes(8)
    + bytes(4)
    + (16).to_bytes(4, "big")
    + (10 * GIB).to_bytes(8, "big")
    + bytes(4)
    + (20).to_bytes(4, "big")
    + (3 * 65536).to_bytes(8, "big")
    + (65536).to_bytes(8, "big")
    + (1).to_bytes(4, "big")
    + bytes(4)
    + bytes(8)
    + bytes(8) * 3
    + (4).to_bytes(4, "big")
    + (104).to_bytes(4, "big")
).ljust(65536, b"\0")
"""The header of a qcow2 v3 of 10 GiB: enough for what only looks at headers."""

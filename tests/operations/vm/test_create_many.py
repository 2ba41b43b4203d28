"""Create several virtual machines at once from a template."""

from collections import Counter
from tempfile import gettempdir
from typing import Any

import pytest
from sqlalchemy import select
from tests.every.stage import VM_PATH, Case, Stage

from hostler.domain.fabric.facts import Volume
from hostler.domain.machines.spec import DiskFormat
from hostler.jobs.errors import ConflictError, InvalidError
from hostler.providers.simulated.knobs import GIB, SimulatedHost
from hostler.store.tables import library_object, vm_mac


async def arrange(stage: Stage) -> tuple[str | None, dict[str, Any]]:
    await stage.host()
    return None, {"name": "web-##", "count": 3, "template": await stage.template(), "wait_for_guest": True}


CASE = Case(arrange)
NOT_STARTED = {"start": False, "wait_for_guest": False}


async def fleet(stage: Stage, hosts: int) -> None:
    """More hosts, alike."""
    await stage.host()
    for n in range(2, hosts + 1):
        paths = (VM_PATH, gettempdir())
        volumes = tuple(Volume(path=path, capacity_bytes=500 * GIB, free_bytes=500 * GIB) for path in paths)
        stage.door.add_host(SimulatedHost(host_id=f"sim-{n}", volumes=volumes))
        address = f"{stage.socket}#sim-{n}"
        arguments = {"name": f"sim-{n}", "provider": "simulated", "address": address, "vm_path": VM_PATH}
        await stage.run("host.add", None, arguments)


async def test_twenty_spread_over_the_fleet(stage: Stage) -> None:
    await fleet(stage, 4)
    template = await stage.template()
    (path,) = await stage.database.read(lambda c: list(c.execute(select(library_object.c.path)).scalars()))
    for n in range(2, 5):
        stage.door.add_file(f"sim-{n}", path, GIB, 10 * GIB, DiskFormat.QCOW2)
    await stage.run("vm.create-many", None, {"name": "web-##", "count": 20, "template": template, "start": False})
    made = await stage.vms()
    assert [row.name for row in made] == [f"web-{n:02}" for n in range(1, 21)]
    assert set(Counter(row.host_id for row in made).values()) == {5}
    macs = await stage.database.read(lambda c: list(c.execute(select(vm_mac.c.mac)).scalars()))
    assert len(macs) == len(set(macs)) == 20
    assert len({row.computer_name for row in made}) == 20


async def test_names_go_on_where_the_last_ones_ended(stage: Stage) -> None:
    _, arguments = await arrange(stage)
    await stage.run("vm.create-many", None, arguments | NOT_STARTED)
    await stage.run("vm.create-many", None, arguments | NOT_STARTED | {"count": 2})
    assert [row.name for row in await stage.vms()] == [f"web-{n:02}" for n in range(1, 6)]


async def test_a_pattern_with_too_few_names_is_refused(stage: Stage) -> None:
    _, arguments = await arrange(stage)
    with pytest.raises(InvalidError, match="9 names left, and 10"):
        await stage.accept("vm.create-many", None, arguments | {"name": "web-#", "count": 10})


async def test_without_room_for_the_last_one_none_is_made(stage: Stage) -> None:
    _, arguments = await arrange(stage)
    with pytest.raises(ConflictError, match="memory"):
        await stage.accept("vm.create-many", None, arguments | {"count": 5, "memory_mib": 16 * 1024})
    assert await stage.vms() == []

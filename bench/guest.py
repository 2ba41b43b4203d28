"""Create and start a real guest, as a job from a template, against the raw calls that do the same.

Ours is the whole job: checks, placement, plan, locks, audit, linked clone, seed, definition, start, with every step
recorded. Both have the same domain XML and the same base disk; rounds take turns, and the median counts.
"""

import asyncio
import time
import uuid
from collections.abc import Iterator
from statistics import median

import libvirt

from bench.on_kvm.house import House, connect, house
from bench.on_kvm.raw_guest import RawGuest
from bench.row import Row
from hostler.domain.fabric.facts import Acceleration
from hostler.providers.kvm.parse_xml import parse_xml


def rows(*, rounds: int = 9) -> Iterator[Row]:
    """The figure of guests. Raises YardstickMissingError without libvirt."""
    connection = connect()
    try:
        ours, theirs = asyncio.run(_measure(connection, rounds))
    finally:
        connection.close()
    yield Row(
        what="create and start a real guest",
        ours=ours * 1000,
        unit="ms",
        yardstick="qemu-img, pycdlib, defineXML, create",
        yardstick_value=theirs * 1000,
        ratio=ours / theirs,
        reach=1.25,
        higher_is_better=False,
    )


async def _measure(connection: libvirt.virConnect, rounds: int) -> tuple[float, float]:
    async with house() as ours:
        template = await ours.template()
        acceleration = await _first_of_ours(ours, template, connection)
        spent: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds):
            spent[0].append(await _ours(ours, template))
            spent[1].append(await asyncio.to_thread(_raw, ours, acceleration, connection))
    return median(spent[0]), median(spent[1])


async def _first_of_ours(ours: House, template: str, connection: libvirt.virConnect) -> Acceleration:
    """Warm both up, and see whether this host's guests run on KVM."""
    vm_id = await ours.run("vm.create", None, _arguments(template))
    try:
        kind = parse_xml(connection.lookupByUUIDString(vm_id).XMLDesc(0), "the first guest").get("type")
    finally:
        await _remove(ours, vm_id)
    return Acceleration.KVM if kind == "kvm" else Acceleration.TCG


async def _ours(ours: House, template: str) -> float:
    begun = time.perf_counter()
    vm_id = await ours.run("vm.create", None, _arguments(template))
    spent = time.perf_counter() - begun
    await _remove(ours, vm_id)
    return spent


def _arguments(template: str) -> dict[str, object]:
    return {"name": f"bench-{uuid.uuid4()}", "template": template}


async def _remove(ours: House, vm_id: str) -> None:
    await ours.run("vm.power-off", vm_id, {})
    await ours.run("vm.delete", vm_id, {})


def _raw(ours: House, acceleration: Acceleration, connection: libvirt.virConnect) -> float:
    guest = RawGuest(ours.library / "guest.qcow2", ours.vms, acceleration)
    begun = time.perf_counter()
    try:
        guest.make(connection)
        return time.perf_counter() - begun
    finally:
        guest.remove()

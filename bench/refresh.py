"""One unchanged refresh of 1,000 domains of libvirt's test driver, from libvirt to committed rows.

The yardstick asks libvirt for the same and keeps nothing: list, statistics, and the XML of each domain, parsed.
Each time is the least of several interleaved runs, since what disturbs a run only ever adds to it.
"""

import asyncio
import tempfile
import time
import uuid
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import libvirt
from sqlalchemy import Connection, insert

from bench.row import Row
from hostler.domain.machines.facts import VmsRead
from hostler.providers.kvm.connect import ensure_event_loop
from hostler.providers.kvm.provider import KvmProvider
from hostler.store.queries.observations import Outcome, observe_vms
from hostler.store.sqlite import SqliteDatabase
from hostler.store.tables import host, metadata

URI = "test:///default"
DOMAINS = 1_000
ROUNDS = 7
HOST_ID = "bench"

_DOMAIN = """<domain type='test'>
  <name>vm-{number}</name><uuid>{uuid}</uuid>
  <memory unit='MiB'>512</memory><vcpu>2</vcpu>
  <os><type arch='x86_64'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/><source file='/var/lib/vms/{uuid}/disk.qcow2'/><target dev='vda' bus='virtio'/>
    </disk>
    <interface type='network'>
      <mac address='52:54:00:00:{high:02x}:{low:02x}'/><source network='default'/><model type='virtio'/>
    </interface>
  </devices>
</domain>"""


def rows() -> Iterator[Row]:
    """The figure of refresh, and what its unchanged pass writes."""
    ensure_event_loop()
    raw = libvirt.open(URI)
    try:
        _define(raw)
        ours, theirs, written = asyncio.run(_measure(raw))
    finally:
        raw.close()
    yield Row(
        what="refresh of 1,000 domains, unchanged",
        ours=ours * 1000,
        unit="ms",
        yardstick="raw list + stats + parsed XML",
        yardstick_value=theirs * 1000,
        ratio=ours / theirs,
        reach=2.0,
        higher_is_better=False,
    )
    yield Row(
        what="rows that an unchanged refresh writes",
        ours=written,
        unit="rows",
        yardstick="its one row of freshness",
        yardstick_value=1,
        ratio=written,
        reach=1.0,
        higher_is_better=False,
    )


def _define(raw: libvirt.virConnect) -> None:
    for number in range(DOMAINS - raw.numOfDomains() - raw.numOfDefinedDomains()):
        known = uuid.uuid5(uuid.NAMESPACE_OID, str(number))
        raw.defineXML(_DOMAIN.format(number=number, uuid=known, high=number >> 8, low=number & 255))


def _raw_refresh(raw: libvirt.virConnect) -> int:
    """What anybody who wants these facts of these domains must at least do."""
    domains = raw.listAllDomains(0)
    states = _raw_states(raw, domains)
    return len(states) + sum(len(ElementTree.fromstring(domain.XMLDesc(0))) for domain in domains)


def _raw_states(raw: libvirt.virConnect, domains: list[libvirt.virDomain]) -> dict[str, int]:
    """In bulk; libvirt's test driver has had no bulk statistics in some versions: then one by one."""
    try:
        return {
            domain.UUIDString(): stats["state.state"]
            for domain, stats in raw.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE)
        }
    except libvirt.libvirtError:
        return {domain.UUIDString(): domain.info()[0] for domain in domains}


async def _measure(raw: libvirt.virConnect) -> tuple[float, float, float]:
    with tempfile.TemporaryDirectory() as folder:
        database = SqliteDatabase(Path(folder) / "hostler.sqlite")
        metadata.create_all(database.engine)
        provider = KvmProvider(vm_paths=(Path(folder),), state_dir=Path(folder) / "state", uri=URI)
        try:
            await database.write(_add_host)
            await _refresh(database, provider)
            before = await database.write(_total_changes)
            ours, theirs = [], []
            for _ in range(ROUNDS):
                theirs.append(_timed_raw(raw))
                begun = time.perf_counter()
                await _refresh(database, provider)
                ours.append(time.perf_counter() - begun)
            written = (await database.write(_total_changes) - before) / ROUNDS
        finally:
            await provider.close()
            database.close()
    return min(ours), min(theirs), written


async def _refresh(database: SqliteDatabase, provider: KvmProvider) -> None:
    """As the watcher does it: read in bulk, compare, commit."""
    started = time.time_ns() // 1000
    read = await provider.read_vms()
    if len(read.vms) < DOMAINS:
        raise RuntimeError(f"only {len(read.vms)} of {DOMAINS} domains were read: {read.problems[:3]}")
    await database.write(lambda connection: _observe(connection, read, started))


def _observe(connection: Connection, read: VmsRead, started: int) -> Outcome:
    return observe_vms(connection, HOST_ID, read, started, time.time_ns() // 1000)


def _timed_raw(raw: libvirt.virConnect) -> float:
    begun = time.perf_counter()
    _raw_refresh(raw)
    return time.perf_counter() - begun


def _total_changes(connection: Connection) -> int:
    """Rows that this connection has changed; all writing is on one."""
    return int(connection.exec_driver_sql("SELECT total_changes()").scalar_one())


def _add_host(connection: Connection) -> None:
    values = {"id": HOST_ID, "name": HOST_ID, "group_path": "/", "provider": "kvm", "address": URI}
    connection.execute(
        insert(host).values(**values, vm_path="/var/lib/vms", state="responding", state_at=0, created_at=0)
    )

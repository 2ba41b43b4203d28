"""What a host says of its VMs: one bulk pass over all, one VM, their counters, the guest itself."""

import hashlib
from typing import Any

import libvirt

from hostler.domain.machines.facts import DiskFacts, GuestFacts, VmFacts, VmLoad, VmsRead
from hostler.domain.machines.states import VmState
from hostler.providers.errors import ProviderError
from hostler.providers.kvm.connect import find_domain
from hostler.providers.kvm.domain_xml import DomainShape, read_domain_xml
from hostler.providers.kvm.errors import broken_wire, is_gone, is_silent_guest, is_unsupported, translate

AGENT_TIMEOUT_SECONDS = 5

_STATES = {
    libvirt.VIR_DOMAIN_RUNNING: VmState.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: VmState.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: VmState.PAUSED,
    libvirt.VIR_DOMAIN_SHUTDOWN: VmState.POWERING_OFF,
    libvirt.VIR_DOMAIN_SHUTOFF: VmState.POWER_OFF,
    libvirt.VIR_DOMAIN_CRASHED: VmState.CRASHED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: VmState.PAUSED,
}
_PAUSED_FOR = {
    libvirt.VIR_DOMAIN_PAUSED_SAVE: VmState.SAVING,
    libvirt.VIR_DOMAIN_PAUSED_STARTING_UP: VmState.STARTING,
    libvirt.VIR_DOMAIN_PAUSED_CRASHED: VmState.CRASHED,
}


def vm_state(state: int, reason: int, *, saved: bool) -> VmState:
    """libvirt's state and its reason, in our words."""
    if state == libvirt.VIR_DOMAIN_PAUSED and reason in _PAUSED_FOR:
        return _PAUSED_FOR[reason]
    if state == libvirt.VIR_DOMAIN_SHUTOFF and reason == libvirt.VIR_DOMAIN_SHUTOFF_CRASHED and not saved:
        return VmState.CRASHED
    if state == libvirt.VIR_DOMAIN_SHUTOFF and saved:
        return VmState.SAVED
    return _STATES.get(state, VmState.POWER_OFF)


class Inventory:
    """Blocking reads over a connection. Parsed XML is kept as long as the text stays the same."""

    def __init__(self) -> None:
        self._shapes: dict[str, tuple[bytes, DomainShape]] = {}

    def shape(self, domain: libvirt.virDomain) -> DomainShape:
        native_id, text = domain.UUIDString(), domain.XMLDesc(0)
        digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
        known = self._shapes.get(native_id)
        if known is not None and known[0] == digest:
            return known[1]
        shape = read_domain_xml(text, f"VM {native_id}")
        self._shapes[native_id] = (digest, shape)
        return shape

    def read_vms(self, connection: libvirt.virConnect) -> VmsRead:
        """All domains, in four bulk calls and an XML each."""
        domains = connection.listAllDomains(0)
        states = _bulk_states(connection)
        saved = _ids_with(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE)
        transient = _ids_with(connection, libvirt.VIR_CONNECT_LIST_DOMAINS_TRANSIENT)
        vms: list[VmFacts] = []
        problems: list[str] = []
        for domain in domains:
            native_id = domain.UUIDString()
            try:
                shape = self.shape(domain)
                state, reason = states.get(native_id) or domain.state()
            except libvirt.libvirtError as error:
                if broken_wire(error):
                    raise
                if not is_gone(error):
                    problems.append(translate(error, f"reading VM {domain.name()}").message)
                continue
            except ProviderError as error:
                problems.append(error.message)
                continue
            if not shape.is_probe:
                observed = vm_state(state, reason, saved=native_id in saved)
                vms.append(_facts(shape, observed, persistent=native_id not in transient))
        self._forget_all_but({domain.UUIDString() for domain in domains})
        return VmsRead(vms=tuple(vms), complete=not problems, problems=tuple(problems))

    def _forget_all_but(self, present: set[str]) -> None:
        for native_id in self._shapes.keys() - present:
            self._shapes.pop(native_id, None)

    def read_vm(self, connection: libvirt.virConnect, native_id: str) -> VmFacts | None:
        """As in the bulk pass, and the sizes of its disks."""
        domain = find_domain(connection, native_id)
        if domain is None:
            return None
        try:
            shape = self.shape(domain)
            state, reason = domain.state()
            observed = vm_state(state, reason, saved=bool(domain.hasManagedSaveImage(0)))
            disks = tuple(_with_sizes(domain, disk) for disk in shape.disks)
            return _facts(shape, observed, persistent=bool(domain.isPersistent()), disks=disks)
        except libvirt.libvirtError as error:
            if is_gone(error):
                return None
            raise


def _ids_with(connection: libvirt.virConnect, flag: int) -> set[str]:
    return {domain.UUIDString() for domain in connection.listAllDomains(flag)}


def _bulk_states(connection: libvirt.virConnect) -> dict[str, tuple[int, int]]:
    """State and reason of every domain; empty where the driver has no bulk statistics."""
    try:
        rows = connection.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_STATE)
    except libvirt.libvirtError as error:
        if is_unsupported(error):
            return {}
        raise
    return {domain.UUIDString(): (row["state.state"], row.get("state.reason", 0)) for domain, row in rows}


def _facts(
    shape: DomainShape, state: VmState, *, persistent: bool, disks: tuple[DiskFacts, ...] | None = None
) -> VmFacts:
    return VmFacts(
        native_id=shape.native_id,
        name=shape.name,
        state=state,
        cpu_count=shape.cpu_count,
        memory_mib=shape.memory_mib,
        firmware=shape.firmware,
        disks=shape.disks if disks is None else disks,
        nics=shape.nics,
        persistent=persistent,
    )


def _with_sizes(domain: libvirt.virDomain, disk: DiskFacts) -> DiskFacts:
    """Without sizes where libvirt cannot tell: the file is absent, or the driver has no such call."""
    try:
        capacity, allocation, _physical = domain.blockInfo(disk.path)
    except libvirt.libvirtError as error:
        if broken_wire(error):
            raise
        return disk
    return DiskFacts(path=disk.path, format=disk.format, capacity_bytes=capacity, allocated_bytes=allocation)


_LOAD_STATS = (
    libvirt.VIR_DOMAIN_STATS_STATE
    | libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
    | libvirt.VIR_DOMAIN_STATS_BALLOON
    | libvirt.VIR_DOMAIN_STATS_INTERFACE
    | libvirt.VIR_DOMAIN_STATS_BLOCK
)


def read_vm_loads(connection: libvirt.virConnect) -> tuple[tuple[VmLoad, ...], bool]:
    """Counters of the VMs that run, and whether all could be read. A busy QEMU is not waited for."""
    flags = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE
    try:
        rows = connection.getAllDomainStats(_LOAD_STATS, flags | libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT)
    except libvirt.libvirtError as error:
        if not is_unsupported(error) and error.get_error_code() != libvirt.VIR_ERR_INVALID_ARG:
            raise
        rows = [(domain, _plain_stats(domain)) for domain in connection.listAllDomains(1)]
    active = connection.numOfDomains()
    return tuple(_load(domain.UUIDString(), row) for domain, row in rows), len(rows) >= active


def _plain_stats(domain: libvirt.virDomain) -> dict[str, Any]:
    """What a driver without bulk statistics gives: libvirt's test driver."""
    state, _maximum, memory_kib, _cpus, cpu_time_ns = domain.info()
    return {"state.state": state, "cpu.time": cpu_time_ns, "balloon.current": memory_kib}


def _load(native_id: str, row: dict[str, Any]) -> VmLoad:
    disks, nics = range(row.get("block.count", 0)), range(row.get("net.count", 0))
    return VmLoad(
        native_id=native_id,
        state=vm_state(row.get("state.state", 0), row.get("state.reason", 0), saved=False),
        cpu_time_ns=row.get("cpu.time", 0),
        memory_used_mib=_memory_used_mib(row),
        disk_read_bytes=sum(row.get(f"block.{i}.rd.bytes", 0) for i in disks),
        disk_write_bytes=sum(row.get(f"block.{i}.wr.bytes", 0) for i in disks),
        disk_requests=sum(row.get(f"block.{i}.rd.reqs", 0) + row.get(f"block.{i}.wr.reqs", 0) for i in disks),
        net_bytes=sum(row.get(f"net.{i}.rx.bytes", 0) + row.get(f"net.{i}.tx.bytes", 0) for i in nics),
    )


def _memory_used_mib(row: dict[str, Any]) -> int | None:
    """What the guest uses where its balloon says so, else what its process holds."""
    available, unused = row.get("balloon.available"), row.get("balloon.usable", row.get("balloon.unused"))
    if available is not None and unused is not None:
        return max(0, int(available) - int(unused)) // 1024
    held = row.get("balloon.rss", row.get("balloon.current"))
    return None if held is None else int(held) // 1024


def read_guest(connection: libvirt.virConnect, native_id: str) -> GuestFacts | None:
    """Asks the guest's agent, five seconds a question at most. None while it does not answer."""
    domain = find_domain(connection, native_id)
    if domain is None:
        return None
    try:
        domain.agentSetResponseTimeout(AGENT_TIMEOUT_SECONDS)
        known = domain.guestInfo(libvirt.VIR_DOMAIN_GUEST_INFO_HOSTNAME, 0)
        if "hostname" not in known:
            return None
        addresses = _guest_addresses(domain)
        return GuestFacts(host_name=known["hostname"], addresses=addresses, os_name=_guest_os(domain))
    except libvirt.libvirtError as error:
        if is_silent_guest(error) or is_gone(error) or is_unsupported(error):
            return None
        raise


def _guest_addresses(domain: libvirt.virDomain) -> tuple[str, ...]:
    """IPv4 first; neither loopback nor link-local ones."""
    interfaces = domain.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT, 0) or {}
    found = [entry for nic in interfaces.values() for entry in nic["addrs"] or ()]
    ordered = sorted(found, key=lambda entry: entry["type"])
    return tuple(
        e["addr"] for e in ordered if not e["addr"].startswith(("127.", "169.254.", "fe80:")) and e["addr"] != "::1"
    )


def _guest_os(domain: libvirt.virDomain) -> str | None:
    """An agent may lack this answer; the guest is no less alive for it."""
    try:
        known = domain.guestInfo(libvirt.VIR_DOMAIN_GUEST_INFO_OS, 0)
    except libvirt.libvirtError as error:
        if is_silent_guest(error) or is_unsupported(error):
            return None
        raise
    name = known.get("os.pretty-name") or known.get("os.name")
    return None if name is None else str(name)

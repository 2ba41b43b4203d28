"""Changes of VMs: define, undefine, power. Each returns at once when what it is asked for already holds."""

import os
from pathlib import Path

import libvirt

from hostler.domain.fabric.facts import Acceleration
from hostler.domain.machines.spec import Firmware, VmSpec
from hostler.providers.contract import PowerChange
from hostler.providers.errors import NotThere, Refused
from hostler.providers.kvm import host
from hostler.providers.kvm.connect import find_domain
from hostler.providers.kvm.domain_xml import check_spec, read_domain_xml, spec_digest, write_domain_xml
from hostler.providers.kvm.errors import is_gone, is_unsupported, is_wrong_state

POWER_TIMEOUT_SECONDS = 120.0
"""A start restores a saved VM's memory; a destroy waits for a QEMU that hangs in I/O."""

_FORGET = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
)


def define_vm(connection: libvirt.virConnect, spec: VmSpec, acceleration: Acceleration) -> None:
    """Everything is checked before libvirt is told, so that a refusal leaves nothing."""
    check_spec(spec)
    known = find_domain(connection, spec.vm_id)
    if known is not None and read_domain_xml(known.XMLDesc(0), spec.name).spec_digest == spec_digest(spec):
        return
    names, bridges = host.networks(connection)
    _check_networks(spec, names)
    _check_files(spec)
    if spec.firmware is Firmware.UEFI and "uefi" not in host.firmwares(connection):
        raise Refused(
            f"VM {spec.name} needs UEFI and this host has no UEFI firmware",
            "install it on the host (apt-get install ovmf), or choose BIOS in the hardware profile",
        )
    connection.defineXMLFlags(write_domain_xml(spec, acceleration, bridges), libvirt.VIR_DOMAIN_DEFINE_VALIDATE)


def _check_networks(spec: VmSpec, names: tuple[str, ...]) -> None:
    for nic in spec.nics:
        if nic.network not in names:
            offered = ", ".join(names) or "none"
            raise NotThere(
                f"VM {spec.name} needs the network {nic.network}, which is not active on this host (active: {offered})",
                f"start it on the host (virsh net-start -- {nic.network}) or choose another network",
            )


def _check_files(spec: VmSpec) -> None:
    for path in (*(disk.path for disk in spec.disks), *([spec.seed_path] if spec.seed_path else [])):
        if not os.path.lexists(path):
            raise NotThere(f"VM {spec.name} needs the file {path}, which is not on this host", "make the disk first")
        if Path(path).is_symlink() or not Path(path).is_file():
            raise Refused(f"the disk {path} of VM {spec.name} is not a plain file", "choose a disk that is a file")


def undefine_vm(connection: libvirt.virConnect, native_id: str) -> None:
    domain = find_domain(connection, native_id)
    if domain is None:
        return
    if domain.isActive():
        raise Refused(f"VM {domain.name()} runs, so it cannot be removed", "power it off first")
    try:
        _undefine(domain)
    except libvirt.libvirtError as error:
        if not is_gone(error):
            raise


def _undefine(domain: libvirt.virDomain) -> None:
    try:
        domain.undefineFlags(_FORGET)
    except libvirt.libvirtError as error:
        # libvirt's test driver knows fewer flags and says so as an unsupported or invalid argument.
        if not is_unsupported(error) and error.get_error_code() != libvirt.VIR_ERR_INVALID_ARG:
            raise
        domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)


def change_power(connection: libvirt.virConnect, native_id: str, change: PowerChange) -> None:
    domain = find_domain(connection, native_id)
    if domain is None:
        raise _not_there(native_id)
    try:
        _CHANGES[change](domain)
    except libvirt.libvirtError as error:
        if not is_wrong_state(error) or not _holds(domain, change):
            raise


def _not_there(native_id: str) -> NotThere:
    return NotThere(f"VM {native_id} is not on this host", "refresh the host: it was removed or moved")


def _state(domain: libvirt.virDomain) -> int:
    return int(domain.state()[0])


def _holds(domain: libvirt.virDomain, change: PowerChange) -> bool:
    """Whether another got there first: the guest stopped by itself, somebody resumed it."""
    state = _state(domain)
    if change in {PowerChange.POWER_OFF, PowerChange.SHUT_DOWN}:
        return bool(state == libvirt.VIR_DOMAIN_SHUTOFF)
    if change in {PowerChange.START, PowerChange.RESUME}:
        return bool(state == libvirt.VIR_DOMAIN_RUNNING)
    return bool(change is PowerChange.PAUSE and state == libvirt.VIR_DOMAIN_PAUSED)


def _start(domain: libvirt.virDomain) -> None:
    """Restores a saved VM, resumes a paused one."""
    state = _state(domain)
    if state == libvirt.VIR_DOMAIN_PAUSED:
        domain.resume()
    elif state == libvirt.VIR_DOMAIN_CRASHED:
        domain.destroy()
        domain.create()
    elif state == libvirt.VIR_DOMAIN_SHUTOFF:
        domain.create()


def _shut_down(domain: libvirt.virDomain) -> None:
    """libvirt asks the guest's agent where it answers, else presses the ACPI button."""
    state = _state(domain)
    if state == libvirt.VIR_DOMAIN_PAUSED:
        raise Refused(f"VM {domain.name()} is paused and cannot hear the request", "resume it first, or power it off")
    if state in {libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_BLOCKED}:
        domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_DEFAULT)


def _power_off(domain: libvirt.virDomain) -> None:
    if domain.isActive():
        domain.destroy()


def _pause(domain: libvirt.virDomain) -> None:
    state = _state(domain)
    if state == libvirt.VIR_DOMAIN_SHUTOFF:
        raise Refused(f"VM {domain.name()} does not run, so it cannot be paused", "start it first")
    if state != libvirt.VIR_DOMAIN_PAUSED:
        domain.suspend()


def _resume(domain: libvirt.virDomain) -> None:
    state = _state(domain)
    if state == libvirt.VIR_DOMAIN_SHUTOFF:
        raise Refused(f"VM {domain.name()} does not run, so it cannot be resumed", "start it")
    if state == libvirt.VIR_DOMAIN_PAUSED:
        domain.resume()


def reset_vm(connection: libvirt.virConnect, native_id: str) -> None:
    """Press the reset button of a running VM."""
    domain = find_domain(connection, native_id)
    if domain is None:
        raise _not_there(native_id)
    if _state(domain) == libvirt.VIR_DOMAIN_SHUTOFF:
        raise Refused(f"VM {domain.name()} does not run, so it cannot be reset", "start it")
    domain.reset(0)


_CHANGES = {
    PowerChange.START: _start,
    PowerChange.SHUT_DOWN: _shut_down,
    PowerChange.POWER_OFF: _power_off,
    PowerChange.PAUSE: _pause,
    PowerChange.RESUME: _resume,
}

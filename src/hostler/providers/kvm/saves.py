"""Saving a VM's memory, as libvirt does and tells it."""

import libvirt

from hostler.providers.errors import NotThere, Refused
from hostler.providers.kvm.connect import find_domain
from hostler.providers.kvm.errors import is_gone, is_wrong_state


def is_needed(connection: libvirt.virConnect, native_id: str) -> bool:
    """False when the VM is saved already. Raises Refused when it does not run."""
    domain = find_domain(connection, native_id)
    if domain is None:
        raise NotThere(f"VM {native_id} is not on this host", "refresh the host: it was removed or moved")
    if domain.isActive():
        return True
    if domain.hasManagedSaveImage(0):
        return False
    raise Refused(f"VM {domain.name()} does not run, so it cannot be saved", "start it first")


def save(connection: libvirt.virConnect, native_id: str) -> None:
    """Blocks as long as its memory takes."""
    connection.lookupByUUIDString(native_id).managedSave(0)


def abort(connection: libvirt.virConnect, native_id: str) -> None:
    """The VM runs on as before."""
    domain = find_domain(connection, native_id)
    if domain is None:
        return
    try:
        domain.abortJob()
    except libvirt.libvirtError as error:
        if not is_wrong_state(error):
            raise


def progress(connection: libvirt.virConnect, native_id: str) -> tuple[bool, int | None]:
    """Whether the VM is saved, and the percentage of the job that is at work on it, if one is."""
    domain = find_domain(connection, native_id)
    if domain is None:
        return False, None
    try:
        if not domain.isActive():
            return bool(domain.hasManagedSaveImage(0)), None
        kind, *counters = domain.jobInfo()
    except libvirt.libvirtError as error:
        if is_gone(error) or is_wrong_state(error):
            return False, None
        raise
    if kind == libvirt.VIR_DOMAIN_JOB_NONE:
        return False, None
    total, processed = counters[2], counters[3]
    return False, min(99, processed * 100 // total) if total else 0

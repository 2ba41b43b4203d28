"""The one place that turns libvirt's errors into the contract's: what happened, to what, and what to do about it."""

import errno

import libvirt

from hostler.providers.errors import (
    AccessDenied,
    HostNotResponding,
    NotThere,
    OutOfSpace,
    ProviderError,
    Refused,
)

_GONE = frozenset({libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_NO_NETWORK, libvirt.VIR_ERR_NO_STORAGE_VOL})
_DENIED = frozenset(
    {
        libvirt.VIR_ERR_AUTH_FAILED,
        libvirt.VIR_ERR_AUTH_CANCELLED,
        libvirt.VIR_ERR_AUTH_UNAVAILABLE,
        libvirt.VIR_ERR_ACCESS_DENIED,
        libvirt.VIR_ERR_OPERATION_DENIED,
    }
)
_SILENT = frozenset(
    {
        libvirt.VIR_ERR_NO_CONNECT,
        libvirt.VIR_ERR_INVALID_CONN,
        libvirt.VIR_ERR_RPC,
        libvirt.VIR_ERR_NO_CLIENT,
    }
)
_BUSY = frozenset({libvirt.VIR_ERR_OPERATION_TIMEOUT, libvirt.VIR_ERR_RESOURCE_BUSY})
_WIRE_DOMAINS = frozenset({libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE})
_UNSUPPORTED = frozenset(
    {
        libvirt.VIR_ERR_NO_SUPPORT,
        libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
        libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
        libvirt.VIR_ERR_CONFIG_UNSUPPORTED,
    }
)

RESTART_LIBVIRTD = "check libvirtd on the host (systemctl status libvirtd); it is used again as soon as it answers"
RESTART_VIRTLOGD = (
    "libvirtd runs, but virtlogd, which keeps QEMU's output, does not: start it on the host "
    "(systemctl start virtlogd.socket; without systemd: virtlogd --daemon)"
)
JOIN_GROUP = "run the service as root, or add its user to the group libvirt (usermod -aG libvirt USER) and restart it"
QEMU_LOG = "read the VM's log on the host in /var/log/libvirt/qemu/, mend what it names, and try again"
FREE_SPACE = "free space on that file system or choose another volume, then restart the job"


def broken_wire(error: libvirt.libvirtError) -> bool:
    """Whether the connection itself failed, so that nothing is known of what became of the call."""
    code = error.get_error_code()
    if code in _SILENT:
        return True
    return error.get_error_domain() in _WIRE_DOMAINS and code in {
        libvirt.VIR_ERR_SYSTEM_ERROR,
        libvirt.VIR_ERR_INTERNAL_ERROR,
    }


def is_gone(error: libvirt.libvirtError) -> bool:
    """Whether libvirt answered that the object does not exist."""
    return error.get_error_code() in _GONE


def is_unsupported(error: libvirt.libvirtError) -> bool:
    """Whether this driver lacks the call, as libvirt's test driver does in places."""
    return error.get_error_code() in _UNSUPPORTED


def is_wrong_state(error: libvirt.libvirtError) -> bool:
    return bool(error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID)


def is_silent_guest(error: libvirt.libvirtError) -> bool:
    """Whether the guest's agent did not answer, or the guest does not run."""
    return error.get_error_code() in {
        libvirt.VIR_ERR_AGENT_UNRESPONSIVE,
        libvirt.VIR_ERR_AGENT_UNSYNCED,
    } or is_wrong_state(error)


def translate(error: libvirt.libvirtError, subject: str) -> ProviderError:
    """`subject` says what was being done to what, e.g. "starting VM 1b4e…"."""
    said = (error.get_error_message() or str(error)).strip()
    message = f"{subject}: {said}"
    code, number = error.get_error_code(), error.get_int1()
    if "No space left on device" in said or number == errno.ENOSPC:
        return OutOfSpace(message, FREE_SPACE)
    denied_socket = code == libvirt.VIR_ERR_SYSTEM_ERROR and "socket" in said and number in {errno.EACCES, errno.EPERM}
    if code in _DENIED or denied_socket:
        return AccessDenied(message, JOIN_GROUP)
    if "virtlogd-sock" in said:
        return HostNotResponding(f"no guest can be started on the host ({message})", RESTART_VIRTLOGD)
    if broken_wire(error):
        return HostNotResponding(f"libvirt on the host does not answer ({message})", RESTART_LIBVIRTD)
    if code in _BUSY:
        return HostNotResponding(f"the VM's hypervisor process is busy ({message})", "try again in a moment")
    if code in _GONE:
        return NotThere(message, "refresh the host: it was removed or renamed there")
    if code in _UNSUPPORTED:
        return Refused(message, "this host's libvirt or QEMU cannot do it; choose another host or change the request")
    return Refused(message, _remedy(code))


def translate_os(error: OSError, subject: str) -> ProviderError:
    """The same for the host's file systems."""
    said = error.strerror or str(error)
    message = f"{subject}: {said}"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return OutOfSpace(message, FREE_SPACE)
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return AccessDenied(message, "give the service's user write access to that folder, or choose another volume")
    if error.errno == errno.ENOENT:
        return NotThere(message, "check that the path exists on the host and that its file system is mounted")
    if error.errno == errno.ENAMETOOLONG:
        return Refused(message, "choose a shorter name")
    return ProviderError(message, "check the host's file system and its kernel log")


def _remedy(code: int) -> str:
    if code == libvirt.VIR_ERR_OPERATION_INVALID:
        return "refresh the VM: its state allows no such change"
    if code in {libvirt.VIR_ERR_XML_ERROR, libvirt.VIR_ERR_XML_DETAIL, libvirt.VIR_ERR_INVALID_ARG}:
        return "change the value that the message names"
    if code in {libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_ERR_DOM_EXIST}:
        return "if the name is in use on the host, choose another; else mend what the message names"
    return QEMU_LOG

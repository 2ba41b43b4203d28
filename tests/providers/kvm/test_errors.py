import errno

import libvirt
import pytest

from hostler.providers.errors import (
    AccessDenied,
    HostNotResponding,
    NotThere,
    OutOfSpace,
    ProviderError,
    Refused,
)
from hostler.providers.kvm.errors import translate, translate_os


def libvirt_error(
    code: int, message: str, domain: int = libvirt.VIR_FROM_QEMU, number: int = -1
) -> libvirt.libvirtError:
    error = libvirt.libvirtError(message)
    error.err = (code, domain, message, 2, None, None, None, number, -1)
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (libvirt_error(libvirt.VIR_ERR_NO_DOMAIN, "no domain"), NotThere),
        (libvirt_error(libvirt.VIR_ERR_OPERATION_INVALID, "domain is running"), Refused),
        (libvirt_error(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, "no such model"), Refused),
        (libvirt_error(libvirt.VIR_ERR_ACCESS_DENIED, "denied"), AccessDenied),
        (
            libvirt_error(libvirt.VIR_ERR_INTERNAL_ERROR, "client socket is closed", libvirt.VIR_FROM_RPC),
            HostNotResponding,
        ),
        (
            libvirt_error(libvirt.VIR_ERR_SYSTEM_ERROR, "cannot recv", libvirt.VIR_FROM_RPC, errno.ECONNRESET),
            HostNotResponding,
        ),
        (
            libvirt_error(libvirt.VIR_ERR_SYSTEM_ERROR, "connect socket: denied", libvirt.VIR_FROM_RPC, errno.EACCES),
            AccessDenied,
        ),
        (libvirt_error(libvirt.VIR_ERR_OPERATION_TIMEOUT, "cannot acquire state change lock"), HostNotResponding),
        (libvirt_error(libvirt.VIR_ERR_SYSTEM_ERROR, "write: No space left on device"), OutOfSpace),
        (libvirt_error(libvirt.VIR_ERR_INTERNAL_ERROR, "process exited while connecting to monitor"), Refused),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else value.get_error_message(),
)
def test_every_error_says_what_why_and_what_to_do(error: libvirt.libvirtError, kind: type[ProviderError]) -> None:
    translated = translate(error, "starting VM web-01")
    assert type(translated) is kind
    assert "starting VM web-01" in translated.message
    assert error.get_error_message() in translated.message
    assert translated.remedy


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, OutOfSpace),
        (errno.EDQUOT, OutOfSpace),
        (errno.EROFS, AccessDenied),
        (errno.ENOENT, NotThere),
        (errno.ENAMETOOLONG, Refused),
        (errno.EIO, ProviderError),
    ],
)
def test_file_systems_errors(number: int, kind: type[ProviderError]) -> None:
    translated = translate_os(OSError(number, "said the kernel"), "writing /vms/x")
    assert type(translated) is kind
    assert "writing /vms/x" in translated.message
    assert translated.remedy


def test_a_virtlogd_that_is_gone_is_named_rather_than_libvirtd() -> None:
    said = "Failed to connect socket to '/run/libvirt/virtlogd-sock': Connection refused"
    translated = translate(
        libvirt_error(libvirt.VIR_ERR_SYSTEM_ERROR, said, libvirt.VIR_FROM_RPC, errno.ECONNREFUSED),
        "starting VM web-01",
    )

    assert isinstance(translated, HostNotResponding)
    assert "virtlogd" in translated.remedy

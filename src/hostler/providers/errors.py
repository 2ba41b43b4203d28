"""What can go wrong at a hypervisor, in words that tell the caller what to do next."""

from enum import StrEnum


class Next(StrEnum):
    """What the caller should do about an error."""

    RETRY = "retry"
    FIX_REQUEST = "fix_request"
    REPORT_BUG = "report_bug"


class ProviderError(Exception):
    """Anything a provider refuses or fails at. `remedy` says to the user what would help."""

    next = Next.REPORT_BUG
    code = "provider_error"

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class HostNotResponding(ProviderError):
    """The host or its hypervisor did not answer: nothing is known of what became of the call."""

    next = Next.RETRY
    code = "host_not_responding"


class AccessDenied(ProviderError):
    """The host answered, and does not let us in."""

    next = Next.FIX_REQUEST
    code = "access_denied"


class NotThere(ProviderError):
    """The VM, file or network that the call names does not exist on the host."""

    next = Next.FIX_REQUEST
    code = "not_there"


class Refused(ProviderError):
    """The hypervisor understood and refuses: wrong state, name in use, unsupported."""

    next = Next.FIX_REQUEST
    code = "refused"


class OutOfSpace(ProviderError):
    """A file system of the host is full."""

    next = Next.FIX_REQUEST
    code = "out_of_space"


class Fenced(ProviderError):
    """A later attempt of the same job has already spoken to this host: the caller is late and must stop."""

    next = Next.REPORT_BUG
    code = "fenced"


class TaskFailed(ProviderError):
    """A long task ended without its effect, and cleaned up after itself."""

    next = Next.RETRY
    code = "task_failed"

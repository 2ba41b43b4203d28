"""Exit codes, and which of them an error gets. Documented in docs/operators/cli.md."""

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hostler.sdk import HostlerError


class Exit(IntEnum):
    OK = 0
    FAILED = 1
    USAGE = 2
    REFUSED = 3
    NOT_FOUND = 4
    FORBIDDEN = 5
    NOT_REACHABLE = 6
    INTERRUPTED = 130


MEANINGS = {
    Exit.OK: "done",
    Exit.FAILED: "the job failed or was cancelled, or the service failed at the request",
    Exit.USAGE: "the command was not understood",
    Exit.REFUSED: "the service refused the call, another job is in the way, or no host fits",
    Exit.NOT_FOUND: "there is no such object",
    Exit.FORBIDDEN: "not signed in, or without the privilege",
    Exit.NOT_REACHABLE: "the service did not answer",
}
_BY_STATUS = {401: Exit.FORBIDDEN, 403: Exit.FORBIDDEN, 404: Exit.NOT_FOUND}


def exit_of(error: "HostlerError") -> Exit:
    from hostler.sdk import JobFailedError, NotReachableError

    if isinstance(error, NotReachableError):
        return Exit.NOT_REACHABLE
    if isinstance(error, JobFailedError) or error.status >= 500:
        return Exit.FAILED
    return _BY_STATUS.get(error.status, Exit.REFUSED)


class UsageError(Exception):
    """The command was understood by its parser, but says something that cannot be."""

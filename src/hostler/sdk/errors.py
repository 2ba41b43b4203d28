"""What a client raises: what happened, to what, why, and what to do about it."""

from typing import Any

from msgspec import Struct


class Problem(Struct, frozen=True, kw_only=True):
    """A refusal as the service tells it (RFC 9457). `next` says what the caller can do: retry, fix_request, report."""

    status: int = 0
    code: str = "unknown"
    title: str = ""
    detail: str = ""
    remedy: str = ""
    next: str = ""
    job: str | None = None
    more: dict[str, Any] = {}


class HostlerError(Exception):
    """The service refused a request, or could not be asked."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(" ".join(part for part in (problem.detail or problem.title, problem.remedy) if part))
        self.problem = problem

    @property
    def code(self) -> str:
        return self.problem.code

    @property
    def detail(self) -> str:
        return self.problem.detail or self.problem.title

    @property
    def remedy(self) -> str:
        return self.problem.remedy

    @property
    def status(self) -> int:
        """The HTTP status; 0 when there was no answer."""
        return self.problem.status


class NotReachableError(HostlerError):
    """There was no answer, or none from a Hostler. Whether a call sent before was accepted is not known."""

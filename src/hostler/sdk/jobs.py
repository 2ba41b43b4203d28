"""Jobs as a client sees them: follow one live, wait for it, decide on it, read its script."""

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from hostler.domain.scripts.address import encoded
from hostler.sdk.errors import HostlerError, NotReachableError, Problem
from hostler.sdk.pages import Record, pages
from hostler.sdk.transport import Transport

_SUCCEEDED = frozenset({"completed", "completed_with_info", "dry_run"})
_ENDED = _SUCCEEDED | {"failed", "cancelled"}
_OURS = ("client", "dry_run")
_PATIENCE_SECONDS = 120.0
"""How long a service may be away, as in a restart, before one who follows a job gives up."""
_READ_EVERY_SECONDS = 1.0


class Step(Struct, frozen=True, kw_only=True):
    """A step of a job: planned, intent, done, failed, undoing or undone."""

    name: str
    title: str = ""
    state: str = "planned"
    percent: int = 0
    error: str | None = None
    started_at: str | None = None
    ended_at: str | None = None


class Part(Struct, frozen=True, kw_only=True):
    """A job that is a part of another one."""

    id: str
    title: str = ""
    state: str = "queued"
    percent: int = 0
    resolution: str | None = None


class DryRun(Struct, frozen=True, kw_only=True):
    """What a call would do; nothing was changed."""

    title: str
    steps: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    locks: dict[str, tuple[str, ...]] = {}
    changes: tuple[dict[str, Any], ...] = ()
    plan: Any = None
    scripts: dict[str, str] = {}


class Job(Struct, frozen=True, kw_only=True, eq=False):
    """A job as it was when it was read. Times are UTC, RFC 3339. A dry run has no id and the state `dry_run`."""

    id: str
    state: str
    operation: str = ""
    title: str = ""
    percent: int = 0
    attempt: int = 0
    undoing: bool = False
    cancel_requested: bool = False
    resolution: str | None = None
    subject_kind: str | None = None
    subject_id: str | None = None
    subject_name: str | None = None
    user: str = ""
    source: str = ""
    reason: str = ""
    steps: tuple[Step, ...] = ()
    children: tuple[Part, ...] = ()
    parent_id: str | None = None
    changes: tuple[dict[str, Any], ...] = ()
    error: dict[str, Any] | None = None
    info: Any = None
    created_at: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    dry_run: DryRun | None = None
    client: "Jobs | None" = None

    @property
    def ended(self) -> bool:
        return self.state in _ENDED

    @property
    def succeeded(self) -> bool:
        return self.state in _SUCCEEDED

    def follow(self) -> Iterator["Job"]:
        """The job each time it changed, until it ended; the last one has ended."""
        return self._jobs.follow(self.id)

    def wait(self, timeout_seconds: float | None = None) -> "Job":
        """The job once it has completed. JobFailedError when it failed or was cancelled; TimeoutError in time."""
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        last = self
        if not last.ended:
            for last in self._jobs.follow(self.id, deadline):
                if last.ended:
                    break
        if not last.succeeded:
            raise JobFailedError(last)
        return last

    def script(self, language: str = "python") -> str:
        return self._jobs.script(self.id, language)

    def read_again(self) -> "Job":
        return self._jobs.get(self.id)

    def document(self) -> dict[str, Any]:
        """The job as JSON."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__ if name not in _OURS}
        document: dict[str, Any] = msgspec.to_builtins(fields if self.dry_run is None else self.dry_run)
        return document

    @property
    def _jobs(self) -> "Jobs":
        if self.client is None:
            raise ValueError("this job was not read through a client")
        return self.client


class JobFailedError(HostlerError):
    """A job that was waited for did not complete."""

    def __init__(self, job: Job) -> None:
        told = job.error or {}
        what = str(told.get("message") or told.get("detail") or f"it was {job.state}")
        remedy = str(told.get("remedy") or f"Choose: restart, undo or dismiss the job {job.id}.")
        super().__init__(Problem(code=f"job_{job.state}", detail=f"{job.title}: {what}", remedy=remedy, job=job.id))
        self.job = job


class Jobs:
    """The jobs of the service."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        filters: Iterable[str] = (),
        sort: str | None = None,
        columns: Iterable[str] = (),
        limit: int | None = None,
    ) -> Iterator[Record]:
        """The jobs, newest first, read page by page."""
        return pages(self._transport, "/jobs", filters, sort=sort, columns=columns, limit=limit)

    def get(self, job_id: str) -> Job:
        return self.read(self._transport.get(f"/jobs/{encoded(job_id)}"))

    def cancel(self, job_id: str) -> Job:
        """Ask the job to stop at its next safe point."""
        return self._decide(job_id, "cancel")

    def restart(self, job_id: str) -> Job:
        """Go on from the step that failed."""
        return self._decide(job_id, "restart")

    def undo(self, job_id: str) -> Job:
        """Undo what the failed or cancelled job did."""
        return self._decide(job_id, "undo")

    def dismiss(self, job_id: str) -> Job:
        """Leave everything as it is and free the job's objects."""
        return self._decide(job_id, "dismiss")

    def script(self, job_id: str, language: str = "python") -> str:
        """The script of the job's call: python, shell, curl, or cmdlet (to read only)."""
        return self._transport.get_text(f"/jobs/{encoded(job_id)}/script", {"as": language})

    def follow(self, job_id: str, deadline: float | None = None) -> Iterator[Job]:
        """The job each time it changed, until it ended. A service that restarts meanwhile is waited for.

        `deadline` is of time.monotonic(); TimeoutError when it passes.
        """
        seen: bytes | None = None
        away_since: float | None = None
        for _ in _moments(self._transport, job_id, deadline):
            try:
                job = self.get(job_id)
            except NotReachableError:
                away_since = away_since or time.monotonic()
                if time.monotonic() - away_since > _PATIENCE_SECONDS:
                    raise
                continue
            away_since = None
            state = msgspec.json.encode(_visible(job))
            if state != seen:
                seen = state
                yield job
            if job.ended:
                return

    def read(self, document: Mapping[str, Any]) -> Job:
        """A job from the service's JSON."""
        job = msgspec.convert({name: value for name, value in document.items() if name not in _OURS}, Job)
        return msgspec.structs.replace(job, client=self)

    def _decide(self, job_id: str, decision: str) -> Job:
        answer = self._transport.post(f"/jobs/{encoded(job_id)}/{decision}", {})
        return self.read(answer) if isinstance(answer, dict) and "state" in answer else self.get(job_id)


def _visible(job: Job) -> list[Any]:
    return [job.state, job.percent, job.attempt, job.resolution, job.cancel_requested, job.steps, job.children]


def _moments(transport: Transport, job_id: str, deadline: float | None) -> Iterator[None]:
    """Moments at which the job may have changed: by live events, or each second where those cannot be had."""
    last_id: str | None = None
    while True:
        if deadline is None:
            try:
                with transport.events({"kind": "job", "object_id": job_id}, last_id) as events:
                    for event in events:
                        last_id = event.id or last_id
                        yield
            except NotReachableError:
                pass  # the job is read all the same, and that says what is wrong
        yield
        left = _READ_EVERY_SECONDS if deadline is None else deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"the job {job_id} still runs")
        time.sleep(min(left, _READ_EVERY_SECONDS))

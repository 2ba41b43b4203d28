"""The engine as its callers see it: accept a call, try it dry, decide on a job."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from hostler.domain.access.rights import Caller
from hostler.domain.scripts.call import Call
from hostler.jobs import acceptance, decisions, locks, trail
from hostler.jobs.acceptance import Request
from hostler.jobs.errors import NotAcceptedError
from hostler.jobs.operation import Change
from hostler.jobs.step import Services
from hostler.jobs.worker import Worker
from hostler.store.database import Database

Decision = Callable[[Connection, str, Caller, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What the call would do: nothing was changed."""

    title: str
    call: Call
    steps: Sequence[str]
    children: Sequence[str]
    exclusive: Sequence[str]
    shared: Sequence[str]
    changes: Sequence[Change]
    plan: Any


class Engine:
    """Accepts calls as jobs. Every refusal is raised as a NotAcceptedError and kept in the audit trail."""

    def __init__(self, database: Database, worker: Worker, clock: Callable[[], int] = lambda: time.time_ns() // 1000):
        self._database = database
        self._worker = worker
        self._clock = clock

    @property
    def services(self) -> Services:
        """What steps use of the service: for reads that ask a hypervisor."""
        return self._worker.services

    async def accept(self, request: Request) -> str:
        """Make the job durable; its id. It runs from then on, whatever becomes of this process."""
        now = self._clock()
        try:
            surveyed = await self._surveyed(request)
            job_id = await self._database.write(lambda connection: acceptance.accept(connection, surveyed, now))
        except NotAcceptedError as refusal:
            await self._note_refusal(request.caller, request.operation, request.subject or "", refusal)
            raise
        self._worker.wake()
        return job_id

    async def dry_run(self, request: Request) -> DryRun:
        """All the checks of acceptance and what it would fix, with nothing written."""
        now = self._clock()
        request = await self._surveyed(request)

        def unit(connection: Connection) -> DryRun:
            planned = acceptance.plan(connection, request, now)
            prepared = planned.prepared
            children = acceptance.plan_children(connection, request, planned, now)
            family = [prepared, *(child.prepared for child in children)]
            exclusive = sorted({name for one in family for name in one.exclusive})
            shared = sorted({name for one in family for name in one.shared} - set(exclusive))
            locks.check(connection, acceptance.root_of(connection, request), exclusive, shared)
            return DryRun(
                title=prepared.title,
                call=planned.call,
                steps=[planned.operation.step(name).title for name in planned.step_names],
                children=[child.prepared.title for child in children],
                exclusive=exclusive,
                shared=shared,
                changes=[change for one in family for change in one.changes],
                plan=prepared.plan,
            )

        return await self._database.read(unit)

    async def _surveyed(self, request: Request) -> Request:
        operation, params = acceptance.understood(request)
        seen = await operation.survey(self._database.read, params)
        return request if seen is None else replace(request, survey=seen)

    async def cancel(self, job_id: str, caller: Caller) -> None:
        await self._decide(decisions.cancel, job_id, caller, "job.cancel")

    async def restart(self, job_id: str, caller: Caller) -> None:
        await self._decide(decisions.restart, job_id, caller, "job.restart")

    async def undo(self, job_id: str, caller: Caller) -> None:
        await self._decide(decisions.undo, job_id, caller, "job.undo")

    async def dismiss(self, job_id: str, caller: Caller) -> None:
        await self._decide(decisions.dismiss, job_id, caller, "job.dismiss")

    async def _decide(self, decision: Decision, job_id: str, caller: Caller, action: str) -> None:
        now = self._clock()
        try:
            await self._database.write(lambda connection: decision(connection, job_id, caller, now))
        except NotAcceptedError as refusal:
            await self._note_refusal(caller, action, job_id, refusal)
            raise
        self._worker.wake()

    async def _note_refusal(self, caller: Caller, action: str, subject: str, refusal: NotAcceptedError) -> None:
        now, detail = self._clock(), {"code": refusal.code, "message": refusal.message}
        await self._database.write(
            lambda connection: trail.audit(connection, caller, now, action, subject, "refused", detail=detail)
        )

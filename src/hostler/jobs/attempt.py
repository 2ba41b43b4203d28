"""One attempt of a job: forward over its open steps, or back over what was done."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection

from hostler.jobs import family, journal
from hostler.jobs.errors import INTERNAL_ERROR
from hostler.jobs.journal import Claimed, StepRecord, SupersededError
from hostler.jobs.states import StepState
from hostler.jobs.step import (
    AnyStep,
    ChildrenStep,
    LongStep,
    Lost,
    Progress,
    RecordStep,
    Result,
    Services,
    Step,
    StepContext,
)
from hostler.providers.errors import Fenced, HostNotResponding, Next, ProviderError
from hostler.store.database import Database

log = logging.getLogger(__name__)

T = TypeVar("T")
Border = Callable[[str, str, str], Awaitable[None]]
"""Called at each border of each step (step, phase, direction): a seam where the tests crash the engine."""


class CancelRequestedError(Exception):
    """Somebody cancelled the job while a long step was followed."""


class ParkedError(Exception):
    """The job is left to its children: the last of them to end has it claimed again."""


class PauseBetweenReads:
    """How long to wait between two reads of a long step: short at first, then up to a second."""

    def __init__(self, shortest: float = 0.02, longest: float = 1.0) -> None:
        self._next, self._longest = shortest, longest

    async def wait(self) -> None:
        await asyncio.sleep(self._next)
        self._next = min(self._next * 1.5, self._longest)


class Attempt:
    """Runs one claimed attempt to its end, or until a later attempt takes the job over."""

    def __init__(
        self,
        database: Database,
        services: Services,
        clock: Callable[[], int],
        claimed: Claimed,
        *,
        patience_seconds: float,
        border: Border | None = None,
    ) -> None:
        self._database = database
        self._services = services
        self._clock = clock
        self._claimed = claimed
        self._patience = patience_seconds
        self._border = border
        self._results: dict[str, Result] = {step.name: step.result for step in claimed.steps if step.result is not None}
        self._silent_since: float | None = None

    async def run(self) -> None:
        try:
            if self._claimed.undoing:
                await self._go_back()
            elif self._claimed.cancelled:
                await self._turn_back()
            else:
                await self._go_on()
        except ParkedError:
            log.debug("job %s waits for its children", self._claimed.job_id)
        except (SupersededError, Fenced):
            log.info("job %s: a later attempt took over from attempt %d", self._claimed.job_id, self._claimed.attempt)

    async def _go_on(self) -> None:
        remaining = self._claimed.open_steps
        for record, following in zip(remaining, [*remaining[1:], None], strict=True):
            step = self._claimed.operation.step(record.name)
            try:
                await self._at_border(record.name, "intent")
                result = await self._patiently(record, partial(self._perform, step, record))
                await self._at_border(record.name, "effect")
                self._results[record.name] = result
                cancelled = await self._succeed(step, record, result, following)
                await self._at_border(record.name, "result")
            except CancelRequestedError:
                return await self._turn_back()
            except (ParkedError, SupersededError, Fenced):
                raise
            except Exception as failure:  # noqa: BLE001 - whatever a step raises is its job's failure, told and logged
                self._log("step", record, failure)
                return await self._fail(record, failure)
            if cancelled:
                return await self._turn_back()
        return None

    async def _perform(self, step: AnyStep[Any], record: StepRecord) -> Result:
        if isinstance(step, RecordStep):
            return {}
        if isinstance(step, ChildrenStep):
            return await self._wait_for_children(record)
        context = self._context()
        found = await step.look(context)
        if found is not None:
            return found
        if isinstance(step, Step):
            return await step.do(context)
        return await self._follow(step, record, context)

    async def _wait_for_children(self, record: StepRecord) -> Result:
        now = self._clock()
        if await self._database.write(lambda connection: journal.park(connection, self._claimed, record.n, now)):
            raise ParkedError
        if await self._cancel_requested():
            raise CancelRequestedError
        return await self._database.read(lambda connection: family.result_of(connection, self._claimed.job_id))

    async def _undo_children(self, record: StepRecord) -> list[str]:
        now = self._clock()
        if await self._database.write(lambda connection: journal.send_back(connection, self._claimed, record, now)):
            raise ParkedError
        return await self._database.read(lambda connection: family.left_of(connection, self._claimed.job_id))

    async def _follow(self, step: LongStep[Any], record: StepRecord, context: StepContext[Any]) -> Result:
        if record.handle is None:
            record.handle = await step.start(context)
        pause, told = PauseBetweenReads(), None
        while True:
            seen = await step.follow(context, record.handle)
            self._silent_since = None
            if isinstance(seen, dict):
                return seen
            if isinstance(seen, Lost):
                found = await step.look(context)
                if found is not None:
                    return found
                record.handle = await step.start(context)
                seen, told = Progress(0), None
            if told == seen:
                cancelled = await self._cancel_requested()
            else:
                cancelled, told = await self._tell_progress(record, seen), seen
            if cancelled:
                raise CancelRequestedError
            await pause.wait()

    async def _tell_progress(self, record: StepRecord, percent: Progress) -> bool:
        now = self._clock()
        return await self._database.write(
            lambda connection: journal.follow(connection, self._claimed, record.n, int(percent), now, record.handle)
        )

    async def _cancel_requested(self) -> bool:
        proof = await self._database.read(lambda connection: journal.prove(connection, self._claimed))
        return proof.cancel_requested

    async def _succeed(
        self, step: AnyStep[Any], record: StepRecord, result: Result, following: StepRecord | None
    ) -> bool:
        now = self._clock()

        def unit(connection: Connection) -> bool:
            cancel_requested = journal.succeed(connection, self._claimed, record.n, result, now)
            if step.record is not None and not (isinstance(step, RecordStep) and record.result is not None):
                step.record(connection, self._context(), result)
            if following is None:
                journal.complete(connection, self._claimed, self._results, now, cancel_requested=cancel_requested)
                return False
            if not cancel_requested:
                journal.intend(connection, self._claimed, following.n, now)
            return cancel_requested

        cancelled = await self._database.write(unit)
        record.state, record.result = StepState.DONE, result
        return cancelled

    async def _turn_back(self) -> None:
        now = self._clock()
        await self._database.write(lambda connection: journal.turn_back(connection, self._claimed, now))
        await self._go_back()

    async def _go_back(self) -> None:
        records = await self._database.read(lambda connection: journal.steps_of(connection, self._claimed.job_id))
        left: list[str] = []
        for record in journal.touched(records):
            step = self._claimed.operation.step(record.name)
            if not step.can_be_undone:
                if step.leaves is not None:
                    left.append(step.leaves(self._claimed.plan))
                continue
            try:
                left += await self._undo(step, record)
            except (ParkedError, SupersededError, Fenced):
                raise
            except Exception as failure:  # noqa: BLE001 - whatever a step raises is its job's failure, told and logged
                self._log("undo of", record, failure)
                return await self._fail(record, failure)
        now = self._clock()
        await self._database.write(lambda connection: journal.undo_ended(connection, self._claimed, left, now))
        return None

    async def _undo(self, step: AnyStep[Any], record: StepRecord) -> list[str]:
        """What of the step could not be taken back: parts of it that are jobs may have such."""
        now = self._clock()
        await self._database.write(lambda connection: journal.undoing(connection, self._claimed, record.n, now))
        await self._at_border(record.name, "undo-intent")
        context = self._context()

        async def undo() -> list[str]:
            if isinstance(step, ChildrenStep):
                return await self._undo_children(record)
            if isinstance(step, LongStep) and step.stop is not None:
                await step.stop(context)
            if step.undo is not None:
                await step.undo(context)
            return []

        left = await self._patiently(record, undo)
        await self._at_border(record.name, "undo-effect")
        ended = self._clock()

        def unit(connection: Connection) -> None:
            journal.undone(connection, self._claimed, record.n, ended)
            # A result is there exactly when what the step records was committed with it.
            if step.unrecord is not None and record.result is not None:
                step.unrecord(connection, context)

        await self._database.write(unit)
        await self._at_border(record.name, "undo-result")
        return left

    async def _patiently(self, record: StepRecord, work: Callable[[], Awaitable[T]]) -> T:
        """Do it; while the host does not answer nothing is known, so wait, look again, and only then give up."""
        loop = asyncio.get_running_loop()
        self._silent_since, pause = None, PauseBetweenReads()
        while True:
            try:
                return await work()
            except HostNotResponding as silence:
                new = self._silent_since is None
                self._silent_since = self._silent_since or loop.time()
                if loop.time() >= self._silent_since + self._patience:
                    raise
                if new:
                    pause = PauseBetweenReads()
                    message = f"Waiting for the host: {silence.message}"
                    await self._database.write(
                        partial(
                            journal.wait_for_host,
                            claimed=self._claimed,
                            n=record.n,
                            message=message,
                            now=self._clock(),
                        )
                    )
                await pause.wait()

    async def _fail(self, record: StepRecord, failure: Exception) -> None:
        now = self._clock()
        error = self._told(record, failure)
        await self._database.write(lambda connection: journal.fail(connection, self._claimed, record.n, error, now))

    def _log(self, what: str, record: StepRecord, failure: Exception) -> None:
        """What a provider refuses is told by the job; the trace of what nobody foresaw is in the log alone."""
        level = logging.DEBUG if isinstance(failure, ProviderError) else logging.ERROR
        log.log(level, "job %s: %s %s failed", self._claimed.job_id, what, record.name, exc_info=failure)

    def _told(self, record: StepRecord, failure: Exception) -> dict[str, Any]:
        known = isinstance(failure, ProviderError)
        return {
            "step": record.name,
            "code": failure.code if isinstance(failure, ProviderError) else INTERNAL_ERROR,
            "message": str(failure) if known else f"{type(failure).__name__}: {failure}",
            "remedy": failure.remedy if isinstance(failure, ProviderError) else "",
            "next": failure.next if isinstance(failure, ProviderError) else Next.REPORT_BUG,
        }

    def _context(self) -> StepContext[Any]:
        return StepContext(
            job_id=self._claimed.job_id,
            attempt=self._claimed.attempt,
            round=self._claimed.round,
            plan=self._claimed.plan,
            results=self._results,
            services=self._services,
            now=self._clock,
        )

    async def _at_border(self, step: str, phase: str) -> None:
        if self._border is not None:
            await self._border(self._claimed.operation.name(), step, phase)

"""`hostler job …`: read, follow and decide."""

from collections.abc import Callable
from typing import Annotated

from cyclopts import App, Parameter

from hostler.cli import output as shown
from hostler.cli import progress, reads
from hostler.cli.session import Session
from hostler.domain.scripts.render import Language

JobId = Annotated[str, Parameter(help="The id of the job.")]
Wait = Annotated[bool, Parameter(help="Wait for the job and show its steps.")]
As = Annotated[Language, Parameter(name="--as", help="The language.")]
_DECISIONS = {
    "cancel": "Stop a job at its next safe point.",
    "restart": "Go on with a failed job, from the step that failed.",
    "undo": "Take back what a failed or cancelled job did.",
    "dismiss": "Leave a failed job as it is, and let go of its objects.",
}


def app(session: Session) -> App:
    job = App(name="job", help="What was asked for, and what became of it.")

    @job.command(name="list")
    def _list(
        *,
        filters: reads.Filters = None,
        sort: reads.Sort = None,
        columns: reads.Columns = None,
        limit: reads.Limit = 50,
        output: reads.As = "table",
    ) -> int:
        """List jobs, newest first."""
        chosen = columns.split(",") if columns else []
        found = session.client.jobs.list(filters=filters or (), sort=sort, columns=chosen, limit=limit)
        shown.records(session, found, output, chosen)
        return 0

    @job.command(name="show")
    def _show(job_id: JobId, /, *, output: reads.As = "table") -> int:
        """Show a job with its steps."""
        job = session.client.jobs.get(job_id).document()
        if output != "table":
            shown.document(session, job, output)
            return 0
        apart = ("steps", "children")
        shown.document(session, {name: value for name, value in job.items() if value and name not in apart}, output)
        shown.records(session, job["steps"], output, ("title", "state", "percent", "started_at", "ended_at", "error"))
        if job["children"]:
            shown.records(session, job["children"], output, ("id", "title", "state", "percent", "resolution"))
        return 0

    @job.command(name="follow")
    def _follow(job_id: JobId, /, *, output: reads.As = "table") -> int:
        """Follow a job to its end."""
        return progress.finish(session, session.client.jobs.get(job_id), output, wait=True)

    @job.command(name="script")
    def _script(
        job_id: JobId,
        /,
        *,
        language: As = Language.PYTHON,
    ) -> int:
        """Print the script of a job's call: running it makes the same call. The cmdlet is there to be read."""
        session.out.file.write(session.client.jobs.script(job_id, language.value))
        return 0

    for verb, about in _DECISIONS.items():
        job.command(_decision(session, verb), name=verb, help=about)
    return job


def _decision(session: Session, verb: str) -> Callable[..., int]:
    def decide(job_id: JobId, /, *, wait: Wait = True, output: reads.As = "table") -> int:
        job = getattr(session.client.jobs, verb)(job_id)
        taken_back = verb in ("cancel", "undo")
        return progress.finish(session, job, output, wait=wait and verb != "dismiss", taken_back=taken_back)

    return decide

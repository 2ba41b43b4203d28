"""A job while it runs: a live view of its steps on a terminal, plain lines elsewhere."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hostler.cli.exits import Exit
from hostler.cli.output import cell, document, visible
from hostler.cli.session import Output, Session

if TYPE_CHECKING:
    from hostler.sdk import Job
    from hostler.sdk.jobs import DryRun

_MARKS = {
    "planned": ("·", "dim"),
    "intent": ("▶", "cyan"),
    "done": ("✓", "green"),
    "failed": ("✗", "red"),
    "undoing": ("◀", "yellow"),
    "undone": ("↶", "yellow"),
}


_PART_MARKS = {
    "queued": ("·", "dim"),
    "running": ("▶", "cyan"),
    "completed": ("✓", "green"),
    "completed_with_info": ("✓", "green"),
    "failed": ("✗", "red"),
    "cancelled": ("↶", "yellow"),
}


def finish(session: Session, job: "Job", output: Output, *, wait: bool, taken_back: bool = False) -> int:
    """Show the accepted job; follow it to its end unless told not to. The exit code.

    With `taken_back` it was asked to stop or to be undone: that it was is then no failure.
    """
    if job.dry_run is not None:
        _show_dry_run(session, job.dry_run, output)
        return Exit.OK
    if wait:
        job = follow(session, job)
    elif output == "table":
        session.out.print(f"{visible(job.title)}: job {job.id} is {job.state}", soft_wrap=True)
        return Exit.OK
    if output == "table":
        ended = job.state if job.resolution is None else f"{job.state}, {job.resolution}"
        session.out.print(f"{visible(job.title)}: {ended} (job {job.id})", soft_wrap=True)
    else:
        document(session, job.document(), output)
    if not wait or job.succeeded or (taken_back and (job.state == "cancelled" or job.resolution == "undone")):
        return Exit.OK
    _tell_failure(session, job)
    return Exit.FAILED


def _show_dry_run(session: Session, tried: "DryRun", output: Output) -> None:
    if output != "table":
        document(session, msgspec.to_builtins(tried), output)
        return
    session.out.print(f"{visible(tried.title)}: nothing was changed. It would:", soft_wrap=True)
    for step in tried.steps:
        session.out.print(f"  {visible(step)}", soft_wrap=True)
    for part in tried.children:
        session.out.print(f"    {visible(part)}", soft_wrap=True)
    for change in tried.changes:
        told = " ".join(visible(str(change.get(part))) for part in ("object", "property", "old"))
        session.out.print(f"  change {told} -> {visible(str(change.get('new')))}", soft_wrap=True)
    for kind, locks in tried.locks.items():
        if locks:
            session.out.print(f"{kind} locks: {visible(', '.join(locks))}", soft_wrap=True)
    if "shell" in tried.scripts:
        session.out.print(tried.scripts["shell"], end="", soft_wrap=True)


def follow(session: Session, job: "Job") -> "Job":
    """The job once it has ended. Ctrl-C leaves it running and says how to come back to it."""
    if job.ended:
        return job
    try:
        return _live(session, job) if session.err.is_terminal else _lines(session, job)
    except KeyboardInterrupt:
        session.err.print(
            f"\nThe job goes on. Follow it: hostler job follow {job.id}; stop it: hostler job cancel {job.id}"
        )
        raise


def _live(session: Session, job: "Job") -> "Job":
    with Live(_view(job), console=session.err, transient=True) as live:
        last = job
        for last in job.follow():
            live.update(_view(last))
    return last


def _view(job: "Job") -> Table:
    table = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=100, completed=job.percent, width=30)
    table.add_row(Text(""), Text(visible(job.title), style="bold"), bar)
    for step in job.steps:
        mark, style = _MARKS.get(step.state, ("?", ""))
        percent = f"{step.percent} %" if step.state == "intent" and step.percent else ""
        table.add_row(Text(mark, style=style), Text(visible(step.title), style=style), Text(percent))
    for part in job.children:
        mark, style = _PART_MARKS.get(part.state, ("?", ""))
        percent = f"{part.percent} %" if part.state == "running" and part.percent else ""
        table.add_row(Text(""), Text(f"{mark} {visible(part.title)}", style=style), Text(percent))
    return table


def _lines(session: Session, job: "Job") -> "Job":
    told: set[tuple[str, str]] = set()
    last = job
    for last in job.follow():
        for title, state in _news(last, told):
            session.err.print(f"{visible(title)}: {state}")
    return last


def _news(job: "Job", told: set[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Titles and states, each once, of steps and parts that moved on."""
    lines = [(step.name, step.title, step.state) for step in job.steps]
    lines += [(part.id, part.title, part.state) for part in job.children]
    for name, title, state in lines:
        if state not in ("planned", "intent", "queued", "running") and (name, state) not in told:
            told.add((name, state))
            yield title, state


def _tell_failure(session: Session, job: "Job") -> None:
    error = job.error or {}
    for what, key in (("why", "message"), ("what would help", "remedy")):
        if error.get(key):
            session.err.print(f"{what}: {cell(error[key]).plain}", soft_wrap=True)
    for left in error.get("left") or ():
        session.err.print(f"may be left behind: {visible(str(left))}", soft_wrap=True)
    if job.resolution is None:
        session.err.print(f"Choose: hostler job restart {job.id}, or undo, or dismiss.")

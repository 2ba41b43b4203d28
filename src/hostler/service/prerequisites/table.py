"""Shows verdicts as a table, and what mends them beneath it."""

from __future__ import annotations

import shlex

from hostler.service.prerequisites.verdict import Status, Verdict

MARKS = {Status.PASS: "pass", Status.WARNING: "warning", Status.FAILURE: "FAILURE"}
COLOURS = {Status.PASS: "\033[32m", Status.WARNING: "\033[33m", Status.FAILURE: "\033[31m"}
PLAIN = "\033[0m"
MARK_WIDTH = max(map(len, MARKS.values()))


def render(verdicts: list[Verdict], *, coloured: bool) -> str:
    """A line a verdict, with what it means or what mends it; then the counts."""
    width = max(len(verdict.subject) for verdict in verdicts)
    indent = " " * (width + MARK_WIDTH + 4)
    lines = []
    for verdict in verdicts:
        mark = MARKS[verdict.status].ljust(MARK_WIDTH)
        if coloured:
            mark = f"{COLOURS[verdict.status]}{mark}{PLAIN}"
        mend = f" -> apt-get install {' '.join(verdict.packages)}" if verdict.packages else ""
        lines.append(f"{mark}  {verdict.subject.ljust(width)}  {verdict.finding}{mend}")
        lines += [f"{indent}{line}" for line in _mends(verdict)]
    lines += ["", *_summary(verdicts)]
    return "\n".join(lines) + "\n"


def _mends(verdict: Verdict) -> list[str]:
    lines = [f"-> {shlex.join(command)}" for command in verdict.commands]
    if verdict.advice:
        lines.append(f"-> {verdict.advice}")
    return lines


def install_command(packages: tuple[str, ...]) -> tuple[str, ...]:
    return ("apt-get", "install", "--yes", "--no-install-recommends", *packages)


def packages_of(verdicts: list[Verdict]) -> tuple[str, ...]:
    """The Debian packages that would mend failures, each once."""
    return tuple(dict.fromkeys(name for verdict in verdicts for name in verdict.packages))


def _summary(verdicts: list[Verdict]) -> list[str]:
    counts = {status: sum(verdict.status is status for verdict in verdicts) for status in Status}
    words = {Status.PASS: "pass", Status.WARNING: "warn", Status.FAILURE: "fail"}
    shown = ", ".join(f"{count} {words[status]}" for status, count in counts.items() if count)
    packages = packages_of(verdicts)
    return [shown, f"All packages at once: {shlex.join(install_command(packages))}"] if packages else [shown]

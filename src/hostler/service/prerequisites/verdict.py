"""What a check says: how it stands, what was found, and what mends it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Tuple  # noqa: UP035 - an older Python reads this file to say that it is too old


class Status(Enum):
    PASS = "pass"  # noqa: S105 - not a password
    WARNING = "warning"
    FAILURE = "failure"


Command = Tuple[str, ...]  # noqa: UP006 - as above: evaluated when the file is read


@dataclass(frozen=True)
class Verdict:
    """One line of the table.

    `packages` (Debian's) and `commands` (run as root, in order) are mends this program can carry out itself;
    `advice` is for the reader: the consequence of a warning, or a command that only a person can decide on.
    """

    subject: str
    status: Status
    finding: str
    packages: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    advice: str = ""


def passed(subject: str, finding: str) -> Verdict:
    return Verdict(subject, Status.PASS, finding)


def warning(subject: str, finding: str, advice: str) -> Verdict:
    return Verdict(subject, Status.WARNING, finding, advice=advice)


def failure(
    subject: str,
    finding: str,
    *,
    packages: tuple[str, ...] = (),
    commands: tuple[Command, ...] = (),
    advice: str = "",
) -> Verdict:
    return Verdict(subject, Status.FAILURE, finding, packages, commands, advice)

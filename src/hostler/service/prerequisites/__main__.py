"""`python3 -m hostler.service.prerequisites check|install --for run|demo|test|bench [--data FOLDER] [--yes]`.

Ends with 0 when nothing fails, 1 when something does that cannot be mended here, 2 when consent or rights are
lacking.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from hostler.service.prerequisites.checks import PURPOSES, check_all
from hostler.service.prerequisites.machine import ThisMachine
from hostler.service.prerequisites.mending import CannotMendError, OurHands, mend
from hostler.service.prerequisites.table import render
from hostler.service.prerequisites.verdict import Status, Verdict


def main(arguments: list[str]) -> int:
    options = _parse(arguments)
    data = str(Path(options.data).expanduser().absolute())

    def look() -> list[Verdict]:
        return check_all(ThisMachine(), options.purpose, data)

    verdicts = look()
    _show(verdicts, quiet=options.quiet)
    if options.action == "install" and _failed(verdicts):
        consented = options.yes or os.environ.get("CI", "").lower() in ("1", "true", "yes")
        try:
            mended = mend(look, verdicts, OurHands(consented=consented, at_terminal=sys.stdin.isatty()))
        except CannotMendError as reason:
            print(reason, file=sys.stderr)
            return 2
        if mended is not verdicts:
            verdicts = mended
            _show(verdicts, quiet=False)
    return 1 if _failed(verdicts) else 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="prerequisites", description="What Hostler needs of this machine.")
    parser.add_argument("action", choices=("check", "install"))
    parser.add_argument("--for", dest="purpose", choices=PURPOSES, default="run")
    parser.add_argument("--data", default="data", help="the data folder (default: %(default)s)")
    parser.add_argument("--yes", action="store_true", help="install without asking (also: CI=true)")
    parser.add_argument("--quiet", action="store_true", help="show the table only when something fails")
    return parser.parse_args(arguments)


def _failed(verdicts: list[Verdict]) -> bool:
    return any(verdict.status is Status.FAILURE for verdict in verdicts)


def _show(verdicts: list[Verdict], *, quiet: bool) -> None:
    if not quiet or _failed(verdicts):
        coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        print(render(verdicts, coloured=coloured), end="", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

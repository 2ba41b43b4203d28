"""`make bench`, or `python -m bench [NAME …] [--json FILE]`: every figure beside its yardstick, in one table.

A figure below its reach is said, and is no failure: only a bench that breaks is one.
"""

import argparse
import json
import os
import platform
import sys
import traceback
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.row import Row, YardstickMissingError

NO_FIGURES = frozenset({"__init__", "__main__", "row"})


def names() -> list[str]:
    """The benches that there are: each file beside this one that measures."""
    return sorted(file.stem for file in Path(__file__).parent.glob("*.py") if file.stem not in NO_FIGURES)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure figures beside their yardsticks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(names())}; all without any")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.names) - set(names()))
    if unknown:
        parser.error(f"there is no bench {', '.join(unknown)}: there are {', '.join(names())}")
    measured: list[Row] = []
    broken = 0
    progress = Console(stderr=True)
    for name in given.names or names():
        progress.print(f"measuring {name} …", style="dim")
        try:
            measured += _rows(name)
        except YardstickMissingError as missing:
            progress.print(f"{name}: not measured: {missing}")
        except Exception:  # noqa: BLE001 - whatever breaks one bench is told, and the others go on
            broken += 1
            progress.print(f"{name} broke:\n{traceback.format_exc()}", markup=False)
    Console().print(_table(measured))
    if given.json is not None:
        given.json.write_text(json.dumps(_document(measured), indent=2) + "\n", encoding="utf-8")
    return 1 if broken else 0


def _rows(name: str) -> Iterator[Row]:
    yield from import_module(f"bench.{name}").rows()


def is_well(row: Row) -> bool:
    """Whether the figure has its reach."""
    return row.ratio >= row.reach if row.higher_is_better else row.ratio <= row.reach


def _table(measured: Sequence[Row]) -> Table:
    table = Table(caption=f"{platform.platform()}, {os.cpu_count()} CPUs")
    table.add_column("what", overflow="fold")
    table.add_column("ours", justify="right")
    table.add_column("yardstick", overflow="fold")
    for title in ("", "ratio", "reach", ""):
        table.add_column(title, justify="right", no_wrap=True)
    for row in measured:
        table.add_row(
            row.what,
            f"{_number(row.ours)} {row.unit}",
            row.yardstick,
            _number(row.yardstick_value),
            f"{_number(row.ratio)}×",
            f"{'≥' if row.higher_is_better else '≤'} {_number(row.reach)}×",
            "ok" if is_well(row) else "below",
        )
    return table


def _number(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _document(measured: Sequence[Row]) -> dict[str, object]:
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"platform": platform.platform(), "cpus": os.cpu_count(), "python": platform.python_version()},
        "figures": [row._asdict() | {"ok": is_well(row)} for row in measured],
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Results as tables, JSON or YAML. Whatever does not print is shown by its escape, so no name can act on a terminal."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from hostler.cli.session import Output, Session

_STYLES = {
    "running": "green",
    "completed": "green",
    "completed_with_info": "green",
    "done": "green",
    "ok": "green",
    "responding": "green",
    "queued": "cyan",
    "intent": "cyan",
    "under_creation": "cyan",
    "paused": "yellow",
    "saved": "yellow",
    "cancelled": "yellow",
    "undone": "yellow",
    "failed": "red",
    "creation_failed": "red",
    "missing": "red",
    "host_not_responding": "red",
    "not_responding": "red",
}
_FIRST = ("name", "title", "state", "state_note", "host_name", "cpu_count", "memory_mib", "address")
_FIRST_AND_LAST = (*_FIRST, "provider", "kind", "format", "size_bytes", "user", "created_at", "expires_at", "id")
_ID_WHOLE_FROM = 72
"""Terminals narrower than this break ids over lines: a whole one would leave no room for the names."""
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def visible(text: str) -> str:
    """The text with everything that does not print as an escape."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def document(session: Session, value: Any, output: Output) -> None:
    """A value as JSON or YAML; as a table, one of its properties a line."""
    if output == "json":
        session.out.print(_escaped(json.dumps(value, ensure_ascii=False, indent=2)), soft_wrap=True)
    elif output == "yaml":
        import yaml

        plain = json.dumps(value, ensure_ascii=False).isprintable()
        text = yaml.safe_dump(value, allow_unicode=plain, sort_keys=False)
        session.out.print(text.rstrip("\n"), soft_wrap=True)
    else:
        _properties(session, value)


def _escaped(text: str) -> str:
    """JSON with what does not print in JSON's own escapes: the same value, and nothing that acts on a terminal."""
    return "".join(one if one.isprintable() or one == "\n" else json.dumps(one)[1:-1] for one in text)


def records(session: Session, items: Iterable[Mapping[str, Any]], output: Output, columns: Sequence[str] = ()) -> None:
    """Objects as a table, a row each; or as a JSON or YAML list."""
    rows = [dict(item) for item in items]
    if output != "table":
        document(session, rows, output)
        return
    shown = list(columns) or _columns(rows)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in shown:
        whole = column == "id" and session.out.width >= _ID_WHOLE_FROM
        table.add_column(column.replace("_", " "), overflow="fold", no_wrap=whole)
    for row in rows:
        table.add_row(*(cell(row.get(column), column) for column in shown))
    if rows:
        session.out.print(table)
    else:
        session.err.print("There are none.")


def cell(value: Any, column: str = "") -> Text:
    if value is None:
        return Text("")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, dict | list | tuple):
        return Text(visible(json.dumps(value, ensure_ascii=False)))
    text = visible(str(value))
    if column.endswith("_at") and _TIME.match(text):
        text = f"{text[:10]} {text[11:19]}"
    return Text(text, style=_STYLES.get(text, "")) if column == "state" else Text(text)


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return []
    known = [column for column in _FIRST_AND_LAST if column in rows[0]]
    return known if len(known) > 1 else list(rows[0])


def _properties(session: Session, value: Mapping[str, Any]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, inner in value.items():
        table.add_row(Text(visible(name.replace("_", " "))), cell(inner, name))
    session.out.print(table)

"""`list` and `show`, which every noun has."""

from typing import Annotated, Literal

from cyclopts import App, Parameter

from hostler.cli import output as shown
from hostler.cli.session import Output, Session
from hostler.domain.scripts.words import python_name

Filters = Annotated[
    list[str] | None,
    Parameter(name="--filter", negative=(), help="column:operator:value, as state:eq:running or name:like:web-*."),
]
Sort = Annotated[str | None, Parameter(allow_leading_hyphen=True, help="A column; -column for the other way round.")]
Columns = Annotated[str | None, Parameter(help="Columns to show, separated by commas.")]
Limit = Annotated[int | None, Parameter(help="At most so many.")]
As = Annotated[Output, Parameter(name=["--output", "-o"], help="How the result is shown.")]


_MEASURED = ("hosts", "vms")
_MEASURES = (
    "at",
    "cpu_percent",
    "memory_used_mib",
    "disk_iops",
    "disk_bytes_per_second",
    "net_bytes_per_second",
    "covered_seconds",
)


def add(app: App, plural: str, title: str, session: Session) -> None:
    """Add both to a noun's app."""
    words = plural.replace("-", " ")

    @app.command(name="list", help=f"List the {words}.")
    def _list(
        *,
        filters: Filters = None,
        sort: Sort = None,
        columns: Columns = None,
        limit: Limit = None,
        output: As = "table",
    ) -> int:
        noun = getattr(session.client, python_name(plural))
        chosen = columns.split(",") if columns else []
        found = noun.list(filters=filters or (), sort=sort, columns=chosen, limit=limit)
        shown.records(session, found, output, chosen)
        return 0

    @app.command(name="show", help=f"Show everything that is known of a {title}.")
    def _show(
        reference: Annotated[str, Parameter(allow_leading_hyphen=True, help="Its id, exact name, or id:name.")],
        /,
        *,
        output: As = "table",
    ) -> int:
        shown.document(session, getattr(session.client, python_name(plural)).get(reference), output)
        return 0

    if plural in _MEASURED:
        _add_averages(app, plural, title, session)


def _add_averages(app: App, plural: str, title: str, session: Session) -> None:
    @app.command(name="averages", help=f"Show what a {title} used, as averages over time, oldest first.")
    def _averages(
        reference: Annotated[str, Parameter(allow_leading_hyphen=True, help="Its id, exact name, or id:name.")],
        /,
        *,
        span: Annotated[
            Literal["minute", "ten_minutes", "six_hours"],
            Parameter(help="What each average is of: minutes of the last 2 hours, of the last 2 days, of 90 days."),
        ] = "minute",
        output: As = "table",
    ) -> int:
        found = getattr(session.client, python_name(plural)).averages(reference, span)
        shown.records(session, found, output, _MEASURES)
        return 0

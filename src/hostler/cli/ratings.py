"""A ranking as a table: stars, a bar for each term's share, and what would help where a host has none."""

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from hostler.cli import output as shown
from hostler.cli.session import Output, Session

if TYPE_CHECKING:
    from hostler.domain.placement.model import Ranking, Rating, Term
    from hostler.domain.placement.what_if import Remedy

_BAR = 8
_STYLES = ("cyan", "green", "blue", "magenta")


def show(session: Session, ranking: "Ranking", output: Output, limit: int, helpful: tuple["Remedy", ...] = ()) -> None:
    """The best `limit` hosts (0: all); and when none fits, which single changes would make one fit."""
    ratings = ranking.ratings[:limit] if limit else ranking.ratings
    if output == "table":
        _table(session, ranking, ratings)
        for remedy in helpful if ranking.suggested is None else ():
            more = f", and {remedy.hosts - 1} more hosts" if remedy.hosts > 1 else ""
            told = f"{remedy.what_would_help}: then {remedy.host_name} fits{more}"
            session.out.print(shown.visible(told), soft_wrap=True)
    else:
        shown.document(session, [_document(rating) for rating in ratings], output)


def _document(rating: "Rating") -> dict[str, object]:
    import msgspec

    document: dict[str, object] = msgspec.to_builtins(rating)
    document.pop("scale")
    document.pop("values")
    return document | {"terms": msgspec.to_builtins(rating.terms)}


def _table(session: Session, ranking: "Ranking", ratings: tuple["Rating", ...]) -> None:
    terms = ranking.ratings[0].scale.names if ranking.ratings else ()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("host", overflow="fold")
    table.add_column("stars", no_wrap=True)
    for name in terms:
        table.add_column(name, no_wrap=True)
    table.add_column("why", overflow="fold")
    for rating in ratings:
        bars = [_bar(term, _STYLES[n % len(_STYLES)]) for n, term in enumerate(rating.terms)]
        table.add_row(Text(shown.visible(rating.host_name)), _stars(rating.stars), *bars, _why(rating))
    session.out.print(table)
    if len(ratings) < len(ranking.ratings):
        session.out.print(f"And {len(ranking.ratings) - len(ratings)} more hosts; --limit=0 shows all.")
    best = ranking.suggested
    session.out.print(f"Suggested: {shown.visible(best.host_name)}" if best else "No host fits.")


def _stars(stars: float) -> Text:
    full, half = int(stars), stars % 1 >= 0.5
    text = "★" * full + ("½" if half else "") + "☆" * (5 - full - half)
    return Text(text, style="yellow" if stars else "red")


def _bar(term: "Term", style: str) -> Text:
    """The term's value as a bar, and beside it the share it adds of the whole."""
    filled = round(term.value * _BAR)
    return Text.assemble(("█" * filled, style), ("░" * (_BAR - filled), "dim"), f" {term.share:4.0%}")


def _why(rating: "Rating") -> Text:
    lines = [f"{reason.text}: {reason.what_would_help}" for reason in rating.zero_reasons]
    lines += [f"warning: {reason.text}" for reason in rating.warnings]
    return Text("\n".join(shown.visible(line) for line in lines))

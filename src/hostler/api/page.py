"""`/` until the console exists: hosts, VMs and jobs on one page, kept live by a small script."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from importlib.resources import files
from typing import Any

import msgspec
from fastapi import APIRouter, Response
from sqlalchemy import Connection

from hostler.api.feed import Feed
from hostler.store.database import Database
from hostler.store.queries.columns import Listing
from hostler.store.queries.hosts import HOSTS
from hostler.store.queries.jobs import JOBS
from hostler.store.queries.listing import PageQuery, read_page
from hostler.store.queries.scope import EVERYTHING
from hostler.store.queries.vms import VMS

_STATIC: Mapping[str, str] = {"hostler.css": "text/css", "hostler.js": "text/javascript"}

Item = dict[str, Any]


def mount(router: APIRouter, database: Database, feed: Feed) -> None:
    """Add the page and the files it uses."""

    @router.get("/", include_in_schema=False)
    async def page() -> Response:
        seen = await feed.newest()
        tables = await database.read(_tables)
        return Response(
            _PAGE.format(seen=seen, tables=tables), media_type="text/html", headers={"Cache-Control": "no-store"}
        )

    for name, kind in _STATIC.items():
        content = files("hostler.api").joinpath("static", name).read_bytes()
        router.add_api_route(
            f"/static/{name}",
            lambda content=content, kind=kind: Response(content, media_type=kind),
            methods=["GET"],
            include_in_schema=False,
        )


def _tables(connection: Connection) -> str:
    return "".join(
        (
            _table(
                "Hosts",
                ("Name", "State", "", "Address", "Provider", "Facts of"),
                [_host(item) for item in _rows(connection, HOSTS, "name")],
                "No host yet: hostler host add",
            ),
            _table(
                "Virtual machines",
                ("Name", "State", "Host", "Processors", "Memory", "Addresses", "Observed"),
                [_vm(item) for item in _rows(connection, VMS, "name", *VMS.listed, "guest", "last_seen_at")],
                "No virtual machine yet: hostler vm create",
            ),
            _table(
                "Jobs",
                ("Job", "State", "Done", "By", "Accepted", ""),
                [_job(item) for item in _rows(connection, JOBS, "-seq", limit=25)],
                "No job yet",
            ),
        )
    )


def _rows(connection: Connection, listing: Listing, sort: str, *columns: str, limit: int = 100) -> list[Item]:
    query = PageQuery(columns=columns, sort=sort, limit=limit)
    return read_page(connection, listing, query, EVERYTHING).items


def _host(item: Item) -> list[str]:
    return [
        _text(item["name"]),
        _state(item["state"]),
        _text(item["state_note"]),
        _text(item["address"]),
        _text(item["provider"]),
        _time(item["observed_at"]),
    ]


def _vm(item: Item) -> list[str]:
    guest = msgspec.json.decode(item["guest"]) if item["guest"] is not None else {}
    addresses = ", ".join(guest.get("addresses", ())) if isinstance(guest, dict) else ""
    return [
        _text(item["name"]),
        _state(item["state"]),
        _text(item["host_name"]),
        _text(item["cpu_count"]),
        _text(f"{item['memory_mib']} MiB"),
        _text(addresses),
        _time(item["last_seen_at"]),
    ]


def _job(item: Item) -> list[str]:
    error = msgspec.json.decode(item["error"]) if item["error"] is not None else {}
    percent = int(item["percent"])
    return [
        _text(item["title"]),
        _state(item["state"]),
        f'<progress max="100" value="{percent}">{percent} %</progress>',
        _text(item["user"]),
        _time(item["created_at"]),
        _text(error.get("message", "")),
    ]


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> str:
    """A section; cells are HTML already."""
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    body = body or f'<tr><td class="empty" colspan="{len(heads)}">{escape(empty)}</td></tr>'
    return (
        f"<section><h2>{escape(title)}</h2><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></section>"
    )


def _text(value: object) -> str:
    return "" if value is None else escape(str(value), quote=True)


def _state(state: str) -> str:
    return f'<span class="state {escape(state, quote=True)}">{escape(state.replace("_", " "))}</span>'


def _time(at: datetime | None) -> str:
    if at is None:
        return ""
    return f'<time datetime="{at.isoformat()}">{at:%Y-%m-%d %H:%M:%S} UTC</time>'


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Hostler</title><link rel="stylesheet" href="/static/hostler.css">
<script src="/static/hostler.js" defer></script></head>
<body><header><h1>Hostler</h1><span id="live"></span><button id="sign-out">Sign out</button></header>
<main data-seen="{seen}">{tables}</main></body></html>
"""

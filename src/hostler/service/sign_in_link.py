"""`hostler sign-in-link`: a one-time link, made by whoever may read the data folder of the service."""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlencode

from sqlalchemy import Connection

from hostler.service.settings import DEFAULT_PORT, ServiceSettings
from hostler.store.migrations import UnknownSchemaError, upgrade
from hostler.store.queries.sign_in import ensure_administrator, new_link
from hostler.store.sqlite import SqliteDatabase


def make_link(settings: ServiceSettings, url: str) -> str:
    """A link that signs the local administrator in, once, within the hour."""

    def unit(connection: Connection) -> str:
        now = time.time_ns() // 1000
        return new_link(connection, ensure_administrator(connection, now), now)

    upgrade(settings.database)
    database = SqliteDatabase(settings.database)
    try:
        secret = asyncio.run(database.write(unit))
    finally:
        database.close()
    return f"{url}/sign-in?{urlencode({'link': secret})}"


def command(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="hostler sign-in-link", description="Make a one-time sign-in link.")
    parser.add_argument("--data", type=Path, default=Path("data"), help="the data folder of the service")
    parser.add_argument("--url", default=f"http://127.0.0.1:{DEFAULT_PORT}", help="the service's address")
    given = parser.parse_args(arguments)
    try:
        link = make_link(ServiceSettings(data=given.data.resolve()), given.url.rstrip("/"))
    except UnknownSchemaError as refused:
        sys.stderr.write(f"{refused}\n")
        return 1
    sys.stdout.write(f"{link}\n")
    return 0

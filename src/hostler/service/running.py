"""The service, wired: database, engine, watchers and web server, started in order and stopped in the other."""

import asyncio
from collections.abc import Mapping
from functools import partial

import hostler.operations  # noqa: F401 - registers every operation
from hostler.api.app import build
from hostler.api.jobs import Renderer
from hostler.domain.scripts.render import Language
from hostler.jobs.engine import Engine
from hostler.jobs.words import script
from hostler.jobs.worker import Worker, wall_clock
from hostler.service.alone import Alone
from hostler.service.connections import Connections
from hostler.service.settings import ServiceSettings
from hostler.service.tls import certificate_for
from hostler.service.web import WebServer
from hostler.store.migrations import upgrade
from hostler.store.queries.pruning import Retention
from hostler.store.sqlite import SqliteDatabase
from hostler.watchers.settings import WatchSettings
from hostler.watchers.watchers import Watchers


def scripts() -> Mapping[str, Renderer]:
    """A renderer for each language that scripts come in."""
    return {language.value: partial(script, language=language) for language in Language}


class LeaseLostError(Exception):
    """Another service took this one's place in the database, or the database could not be written in time."""


async def run(settings: ServiceSettings) -> None:
    """Serve until told to stop (SIGTERM, SIGINT). What jobs were doing goes on at the next start.

    LeaseLostError when the service had to end by itself.
    """
    with Alone(settings.pid_file):
        upgrade(settings.database)
        database = SqliteDatabase(settings.database)
        connections = Connections(database, settings.data)
        worker = Worker(database, connections)
        engine = Engine(database, worker)
        certificate = certificate_for(settings.address, settings.data, settings.certificate)
        app = build(engine, database, tls=certificate is not None, scripts=scripts())
        server = WebServer(app, settings.address, settings.port, certificate)
        keep = Retention(jobs_days=settings.job_history_days)
        watchers = Watchers(database, connections.provider, WatchSettings(retention=keep), wall_clock)
        await worker.start(alone=True)
        await watchers.start()
        lost = asyncio.create_task(worker.lost())
        lost.add_done_callback(lambda _: server.stop())
        try:
            await server.serve()
            if lost.done():
                raise LeaseLostError(
                    "This service lost its lease and ended itself: another one took its place in the database, or the "
                    "database could not be written. Its jobs go on in the next service that starts on this data."
                )
        finally:
            lost.cancel()
            await watchers.stop()
            await worker.stop()
            await connections.close()
            database.close()

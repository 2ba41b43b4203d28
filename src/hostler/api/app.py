"""The whole API as one ASGI app, built of its parts: the service wires them."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI, Response

from hostler.api import averages, events, jobs, lists, openapi, operations, page, placement, problems, sign_in
from hostler.api.feed import Feed
from hostler.api.guard import Doorkeeper, Guard
from hostler.api.jobs import Renderer
from hostler.api.sign_in import Cookies
from hostler.jobs.engine import Engine
from hostler.store.database import Database

PREFIX = operations.PREFIX


def build(
    engine: Engine,
    database: Database,
    *,
    tls: bool = False,
    scripts: Mapping[str, Renderer] | None = None,
    feed: Feed | None = None,
    clock: Callable[[], int] = lambda: time.time_ns() // 1000,
) -> FastAPI:
    """The app. `tls`: cookies are bound to the host and sent under TLS only; `scripts`: a renderer a language.

    Operations must have been imported before. Close `feed` before the server waits for its connections to end.
    """
    scripts = scripts or {}
    doorkeeper, cookies = Doorkeeper(database, clock), Cookies(tls=tls)
    feed = feed or Feed(database)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await feed.start()
        yield
        await feed.stop()
        doorkeeper.forget_news()

    app = FastAPI(
        title="Hostler",
        lifespan=lifespan,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.feed = feed
    app.add_middleware(Guard, doorkeeper=doorkeeper, cookie=cookies.session)
    problems.install(app)

    pages = APIRouter()
    sign_in.mount_pages(pages, database, clock, cookies)
    page.mount(pages, database, feed)
    app.include_router(pages)

    router = APIRouter(prefix=PREFIX)
    sign_in.mount(router, database, clock, cookies, doorkeeper)
    lists.mount(router, database)
    averages.mount(router, database)
    jobs.mount(router, engine, database, scripts)
    operations.mount(router, engine, database, scripts)
    placement.mount(router, database, engine.services, clock)
    events.mount(router, feed, database, doorkeeper, cookies.session)
    app.include_router(router)
    openapi.install(
        app, {**sign_in.SCHEMAS, **placement.SCHEMAS, **averages.SCHEMAS, "DryRun": operations.DRY_RUN_SCHEMA}
    )

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> Response:
        """Alive: the loop runs and the database answers."""
        await feed.newest()
        return Response("ok\n", media_type="text/plain")

    return app

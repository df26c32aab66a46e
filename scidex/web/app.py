"""The web application: the API and the dashboard over one market's database, closed to whoever has no key."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from starlette.concurrency import run_in_threadpool

from scidex import __version__
from scidex.store import Database
from scidex.web import problems
from scidex.web.access import Access
from scidex.web.attempts import Attempts
from scidex.web.audits import Audits
from scidex.web.bid_desk import BidDesk
from scidex.web.dashboard import pages
from scidex.web.events import Feed
from scidex.web.gate import LOOPBACK_NAMES, Gate
from scidex.web.metrics import Metrics
from scidex.web.rounds import RoundNews
from scidex.web.routes import backlog, cycles, events, health, keys, market, proving, runs, sessions, slots, wallets
from scidex.web.sessions import Sessions

# Requests that may be at work side by side. Bids that wait for the disk share a commit, so more threads, more bids.
_THREADS = 128
# How many more objects there may be before the youngest are walked for cycles.
_ALLOCATIONS_A_COLLECTION = 10_000


def create_app(
    db: Database, *, host_names: frozenset[str] = LOOPBACK_NAMES, sessions_of_server: Sessions | None = None
) -> FastAPI:
    """
    Return the application over an open database whose schema is up to date; the caller closes it.

    It answers to `host_names` alone, so that no page can reach it under a name of its own.
    """
    app = FastAPI(
        title="scidex",
        summary="The compute exchange: bid tokens for the next slot, clear at one price, settle, earn.",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
        lifespan=_running,
    )
    app.state.db = db
    app.state.access = Access(db, sessions_of_server or Sessions())
    app.state.attempts = Attempts(db)
    app.state.feed = Feed(db)
    app.state.audits = Audits(db)
    app.state.metrics = Metrics(db)
    app.state.rounds = RoundNews(db)
    for room in (market, slots, runs, wallets, backlog, cycles, keys, proving, sessions, events, health):
        app.include_router(room.routes)
    app.include_router(sessions.pages)
    pages.install(app, db)
    problems.install(app)
    app.add_middleware(BidDesk, access=app.state.access, metrics=app.state.metrics, db=db)
    app.add_middleware(Gate, host_names=host_names, metrics=app.state.metrics, attempts=app.state.attempts)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]  # as FastAPI says to extend it
    _finish_routes(app)
    return app


def _finish_routes(app: FastAPI) -> None:
    """
    Build what FastAPI would build at the first request: nobody waits for it, and no two threads do it at once.

    It silences a warning meanwhile for the whole process, which two servers in one process took from each other.
    """
    for _ in iter_route_contexts(app.routes):
        pass


@asynccontextmanager
async def _running(app: FastAPI) -> AsyncIterator[None]:
    """Run the server's own loops while it runs; what they gathered is written down once more at its end."""
    current_default_thread_limiter().total_tokens = _THREADS
    state = app.state
    loops = (state.access.loop, state.attempts.loop, state.feed.loop)
    for loop in loops:
        loop.start()
    # What is loaded stays: the collector would walk it again and again, and whoever asks meanwhile would wait for that.
    gc.freeze()
    # The records of a large round or batch hold no cycles; walking them as often as usual takes a sixth of its time.
    often = gc.get_threshold()
    gc.set_threshold(_ALLOCATIONS_A_COLLECTION, *often[1:])
    try:
        yield
    finally:
        gc.set_threshold(*often)
        gc.unfreeze()
        for last in (*(loop.stop for loop in loops), state.rounds.stop, state.audits.stop):
            await run_in_threadpool(last)
        await run_in_threadpool(state.access.note_uses)
        await run_in_threadpool(state.attempts.flush)


def _described(app: FastAPI) -> dict[str, Any]:
    """Return the description of the API, with the kind of key that it takes."""
    if app.openapi_schema is None:
        described = get_openapi(
            title=app.title, version=app.version, summary=app.summary, routes=app.routes, openapi_version="3.1.0"
        )
        told = "A key of an account, as `scidex key create` makes it. An operation needs one of the scopes it names."
        described["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer", "description": told}}
        app.openapi_schema = described
    return app.openapi_schema

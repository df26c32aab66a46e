"""The web application: the API and the dashboard over one market's database."""

from __future__ import annotations

from fastapi import FastAPI

from scidex import __version__
from scidex.store import Database
from scidex.web import problems
from scidex.web.dashboard import pages
from scidex.web.gate import LOOPBACK_NAMES, Gate
from scidex.web.rounds import RoundNews
from scidex.web.routes import backlog, cycles, health, market, runs, slots, wallets


def create_app(db: Database, *, host_names: frozenset[str] = LOOPBACK_NAMES) -> FastAPI:
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
    )
    app.state.db = db
    app.state.rounds = RoundNews(db)
    for room in (market, slots, runs, wallets, backlog, cycles, health):
        app.include_router(room.routes)
    pages.install(app, db)
    problems.install(app)
    app.add_middleware(Gate, host_names=host_names)
    return app

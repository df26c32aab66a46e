"""The market that a command acts on: behind a database, or behind a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from scidex.cli.suggesting import suggesting

if TYPE_CHECKING:
    from scidex.market import Market
    from scidex.store import Database


@contextmanager
def market_at(db: str | None, url: str | None, key: str | None) -> Iterator[Market]:
    """
    Give the market behind a database (`db`), or behind a server (`url`, `key`).

    A key that is not given is found where this user serves the market. Raises StoreError, BadParameter.
    """
    if url is not None and db is not None:
        raise typer.BadParameter("give either --db or --url", param_hint="--url")
    if url is None:
        from scidex.market.embedded import EmbeddedMarket

        with opened(db) as database:
            yield EmbeddedMarket(database)
        return
    from scidex.client import Client

    with Client(url, key) as served, suggesting(served):
        yield served


@contextmanager
def opened(url: str | None) -> Iterator[Database]:
    """Give a market's database with its schema up to date. Raises StoreError."""
    from scidex.exchange import compute_auction
    from scidex.market.embedded import EmbeddedMarket
    from scidex.store import connect

    with connect(url) as db:
        compute_auction.ensure_schema(db=db)
        with suggesting(EmbeddedMarket(db)):
            yield db

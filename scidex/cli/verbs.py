"""One way to a market, embedded or served: an object with the verbs of scidex.Client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import typer

if TYPE_CHECKING:
    from scidex.client import Client
    from scidex.store import Database


@contextmanager
def verbs_of(db: str | None, url: str | None, key: str | None) -> Iterator[Client]:
    """
    Give a market's verbs, by its database (`db`) or by its server (`url`, `key`), with a client's arguments.

    A key that is not given is found where this user serves the market. Raises StoreError, BadParameter.
    """
    if url is None:
        from scidex.cli.markets import opened

        with opened(db) as market:
            yield cast("Client", EmbeddedVerbs(market))
        return
    if db is not None:
        raise typer.BadParameter("give either --db or --url", param_hint="--url")
    from scidex.client import Client

    with Client(url, key) as served:
        yield served


class EmbeddedVerbs:
    """The exchange's verbs on one database, by the names and arguments that a client has."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return a verb with its database at hand. Raises AttributeError where the exchange has none of this name."""
        from scidex.exchange import backlog, compute_auction, cycle, ev_scorer, keys, token_ledger

        for home in (compute_auction, token_ledger, backlog, ev_scorer, cycle, keys):
            if hasattr(home, name):
                return partial(getattr(home, name), db=self._db)
        raise AttributeError(name)

"""The verbs of a database, as a client has them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from scidex.client import Client
    from scidex.store import Database


# Where the verbs are, those asked for most first: a room is opened when it is asked.
_HOMES = (
    "compute_auction",
    "token_ledger",
    "backlog",
    "ev_scorer",
    "cycle",
    "keys",
    "services",
    "sweeper",
    "runs",
    "workers",
    "auditing",
    "attempts",
    "sealing",
)


def embedded(db: Database) -> Client:
    """Return the verbs of a database that is open."""
    return cast("Client", EmbeddedVerbs(db))


class EmbeddedVerbs:
    """The exchange's verbs on one database, by the names and arguments that a client has."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return a verb with its database at hand. Raises AttributeError where the exchange has none of this name."""
        for home in _HOMES:
            module = import_module(f"scidex.exchange.{home}")
            if hasattr(module, name):
                return partial(getattr(module, name), db=self._db)
        raise AttributeError(name)

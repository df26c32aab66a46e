"""One way to a market, embedded or served: an object with the verbs of scidex.Client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from scidex.cli.suggesting import suggesting

if TYPE_CHECKING:
    from scidex.client import Client


@contextmanager
def verbs_of(db: str | None, url: str | None, key: str | None) -> Iterator[Client]:
    """
    Give a market's verbs, by its database (`db`) or by its server (`url`, `key`), with a client's arguments.

    A key that is not given is found where this user serves the market. Raises StoreError, BadParameter.
    """
    if url is None:
        from scidex.cli.embedding import embedded
        from scidex.cli.markets import opened

        with opened(db) as market:
            yield embedded(market)
        return
    if db is not None:
        raise typer.BadParameter("give either --db or --url", param_hint="--url")
    from scidex.client import Client

    with Client(url, key) as served, suggesting(served):
        yield served

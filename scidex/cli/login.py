"""`scidex login`: a link that opens the dashboard of a market that is served."""

from __future__ import annotations

from typing import Annotated

import typer

from scidex.cli.options import KeyOption


def login(
    url: Annotated[str, typer.Option("--url", metavar="URL", help="The market's server.")] = "http://127.0.0.1:8787",
    key: KeyOption = None,
) -> None:
    """Print a link that opens the dashboard, once and within ten minutes."""
    from scidex.client import Client

    with Client(url, key) as market:
        print(f"{url.rstrip('/')}{market.new_session_path()}")

"""`scidex login`: a link that opens the dashboard of a market that is served."""

from __future__ import annotations

from scidex.cli import output
from scidex.cli.commands import command
from scidex.cli.markets import key_of, server_of
from scidex.cli.options import JsonOption, KeyOption, UrlOption


@command("scidex login --url http://127.0.0.1:8787")
def login(
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print a link that opens the dashboard, once and within ten minutes."""
    from scidex.client import Client

    address = server_of(None, url) or "http://127.0.0.1:8787"
    with Client(address, key_of(key)) as market:
        link = f"{address.rstrip('/')}{market.new_session_path()}"
    if as_json:
        output.print_json({"link": link})
    else:
        print(link)

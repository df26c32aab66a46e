"""The tools by stdio: for the one agent that started this process, and its one account."""

from __future__ import annotations

from scidex.market import Market
from scidex.mcp_server.tools import Bidder, server_of


def serve(market: Market) -> None:
    """Answer on stdout what is asked on stdin, for the account of `market`, until that ends."""
    bidder = Bidder(market.whoami().account_id, market)
    server_of(lambda context: bidder).run("stdio")

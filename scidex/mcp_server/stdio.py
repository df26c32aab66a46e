"""The tools by stdio: for the one agent that started this process, and its one account."""

from __future__ import annotations

from scidex.mcp_server.market import BiddersMarket
from scidex.mcp_server.tools import server_of


def serve(market: BiddersMarket) -> None:
    """Answer on stdout what is asked on stdin, until that ends."""
    server_of(lambda context: market).run("stdio")

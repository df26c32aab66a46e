"""`scidex mcp`: the market as tools for LLM agents."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from scidex.cli.commands import command
from scidex.cli.exits import Exit, leave
from scidex.cli.markets import key_of, server_of
from scidex.cli.options import DatabaseOption, KeyOption, UrlOption

AccountOption = Annotated[
    str | None,
    typer.Option("--account", help="The account to act for, with --db; with --url the key says.", show_default=False),
]
HttpOption = Annotated[
    bool, typer.Option("--http", help="Serve by streamable HTTP on 127.0.0.1, in place of stdio; needs --url.")
]
PortOption = Annotated[int, typer.Option(min=0, max=65_535, help="The port of --http; 0 takes any free one.")]


@command("scidex mcp --account agent:ada", "scidex mcp --http --url http://127.0.0.1:8787")
def mcp(
    account: AccountOption = None,
    http: HttpOption = False,
    port: PortOption = 8788,
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Offer the market as MCP tools to an LLM agent: wallet, quote, bid, cancel, my_bids, explain, book, tasks."""
    # Before the SDK does: stdout is the protocol's, and the log is for stderr.
    logging.basicConfig(level="WARNING", format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    server = server_of(db, url)
    _need_the_sdk()
    if http:
        _serve_http(server, port, account)
    elif server is not None:
        _serve_key(server, key_of(key), account)
    else:
        _serve_account(db, account)


def _serve_http(url: str | None, port: int, account: str | None) -> None:
    if url is None:
        raise typer.BadParameter("goes with --url: that server checks the key of each request", param_hint="--http")
    _refuse_account(account)
    from scidex.mcp_server import http
    from scidex.web.serving import address_of, listen

    with listen("127.0.0.1", port) as listening:
        print(f"mcp         {address_of(listening)}{http.PATH}", flush=True)
        http.serve(url, listening)


def _serve_key(url: str, key: str | None, account: str | None) -> None:
    if not key:  # an agent is not to find the operator's own
        raise typer.BadParameter("or SCIDEX_KEY must be given with --url", param_hint="--key")
    _refuse_account(account)
    from scidex.client import Client
    from scidex.mcp_server import stdio

    with Client(url, key) as client:
        stdio.serve(client)


def _serve_account(db: str | None, account: str | None) -> None:
    if account is None:
        raise typer.BadParameter("must be given with a database", param_hint="--account")
    from scidex.cli.markets import opened
    from scidex.market.embedded import EmbeddedMarket
    from scidex.mcp_server import stdio

    with opened(db) as market:
        stdio.serve(EmbeddedMarket(market, account_id=account))


def _refuse_account(account: str | None) -> None:
    if account is not None:
        raise typer.BadParameter("the key says for which account", param_hint="--account")


def _need_the_sdk() -> None:
    """Make sure that the extra is there, and end the command where it is not."""
    try:
        import mcp  # noqa: F401
    except ModuleNotFoundError:
        leave("this needs the MCP SDK: install scidex with its extra, scidex[mcp]", Exit.NOT_INSTALLED)

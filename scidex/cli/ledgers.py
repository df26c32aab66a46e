"""`scidex ledger export`: every transfer, for other programs' books."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scidex.cli.options import DatabaseOption, KeyOption, UrlOption

if TYPE_CHECKING:
    from scidex.market import Market
    from scidex.records import Account, Transfer

app = typer.Typer(help="The ledger: export it.", no_args_is_help=True)

_PAGE = 1_000


@app.callback()
def _ledger() -> None:
    """The ledger: export it."""


@app.command("export")
def export(
    format: Annotated[str, typer.Option(help="csv or beancount.")] = "csv",  # noqa: A002
    output: Annotated[
        Path | None, typer.Option(help="The file to write; stdout unless given.", dir_okay=False, show_default=False)
    ] = None,
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Export every transfer, the oldest first."""
    from scidex.cli import exporting
    from scidex.cli.markets import market_at

    if format not in ("csv", "beancount"):
        raise typer.BadParameter("must be csv or beancount", param_hint="--format")
    with market_at(db, url, key) as market:
        if format == "csv":
            lines = exporting.csv_lines(_transfers(market))  # line by line, however large the ledger is
        else:
            # The accounts are read last, so that every account of a transfer is among them.
            transfers = list(_transfers(market))
            lines = exporting.beancount(transfers, _accounts(market))
        if output is None:
            sys.stdout.writelines(lines)
            return
        with output.open("w", encoding="utf-8", newline="") as file:
            file.writelines(lines)


def _transfers(market: Market) -> Iterator[Transfer]:
    after = 0
    while page := market.list_transfers(after=after, limit=_PAGE):
        yield from page
        after = page[-1].transfer_id


def _accounts(market: Market) -> list[Account]:
    found: list[Account] = []
    while page := market.list_accounts(after=found[-1].account_id if found else "", limit=_PAGE):
        found += page
    return found

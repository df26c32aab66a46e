"""`scidex ledger export`: every transfer, for other programs' books."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scidex.cli.options import DatabaseOption

if TYPE_CHECKING:
    from scidex.exchange.records import Account, Transfer
    from scidex.store import Database

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
) -> None:
    """Export every transfer, the oldest first."""
    from scidex.cli import exporting
    from scidex.cli.markets import opened

    if format not in ("csv", "beancount"):
        raise typer.BadParameter("must be csv or beancount", param_hint="--format")
    with opened(db) as market:
        # The accounts are read last, so that every account of a transfer is among them.
        transfers = list(_transfers(market))
        lines = exporting.csv_lines(transfers) if format == "csv" else exporting.beancount(transfers, _accounts(market))
        if output is None:
            sys.stdout.writelines(lines)
            return
        with output.open("w", encoding="utf-8", newline="") as file:
            file.writelines(lines)


def _transfers(market: Database) -> Iterator[Transfer]:
    from scidex.exchange import token_ledger

    after = 0
    while page := token_ledger.list_transfers(after=after, limit=_PAGE, db=market):
        yield from page
        after = page[-1].transfer_id


def _accounts(market: Database) -> list[Account]:
    from scidex.exchange import token_ledger

    found: list[Account] = []
    while page := token_ledger.list_accounts(after=found[-1].account_id if found else "", limit=_PAGE, db=market):
        found += page
    return found

"""`scidex ledger export`: every transfer, for other programs' books."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scidex.cli.commands import command
from scidex.cli.help import Command, Group
from scidex.cli.session import Session

if TYPE_CHECKING:
    from scidex.market import Market
    from scidex.records import Account, Transfer

app = typer.Typer(cls=Group, help="The ledger: export it.", no_args_is_help=True)

_PAGE = 1_000
_FORMS = "csv, beancount, hledger or ledger"


@app.callback()
def _ledger() -> None:
    """The ledger: export it."""


@app.command("export", cls=Command)
@command(
    "scidex ledger export --format beancount --output market.beancount",
    "scidex ledger export --format hledger --output market.journal",
)
def export(
    session: Session,
    format: Annotated[str | None, typer.Option(help=f"{_FORMS}; csv unless given.")] = None,  # noqa: A002
    output: Annotated[
        Path | None, typer.Option(help="The file to write; stdout unless given.", dir_okay=False, show_default=False)
    ] = None,
) -> None:
    """Export every transfer, the oldest first; as JSON with --json, a line for each."""
    lines = _lines(session, _form_of(format, as_json=session.as_json))
    if output is None:
        sys.stdout.writelines(lines)
        return
    with output.open("w", encoding="utf-8", newline="") as file:
        file.writelines(lines)


def _form_of(form: str | None, *, as_json: bool) -> str:
    if form not in (None, "csv", "beancount", "hledger", "ledger"):
        raise typer.BadParameter(f"must be {_FORMS}", param_hint="--format")
    if as_json and form is not None:
        raise typer.BadParameter("give either --format or --json", param_hint="--json")
    return "json" if as_json else form or "csv"


def _lines(session: Session, form: str) -> Iterator[str]:
    from scidex.cli import exporting

    transfers = _transfers(session.market)
    if form in ("beancount", "hledger", "ledger"):
        # The accounts are read last, so that every account of a transfer is among them.
        known = list(transfers)
        write = exporting.beancount if form == "beancount" else exporting.journal
        return write(known, _accounts(session.market))
    return exporting.csv_lines(transfers) if form == "csv" else exporting.json_lines(transfers)


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

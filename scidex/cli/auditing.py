"""`scidex audit`: the market proved from its own record."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from scidex.cli.commands import command
from scidex.cli.exits import Exit
from scidex.cli.session import Session

if TYPE_CHECKING:
    from scidex.records import AuditReport

_REFUSALS = ("refused_at", "account_id", "method", "route", "status", "error")


@command("scidex audit", "scidex audit --refusals --limit 20")
def audit(
    session: Session,
    expect_seal: Annotated[
        str | None,
        typer.Option(
            metavar="ENTRY:DIGEST",
            help="A head of the journal that an earlier audit printed, kept elsewhere.",
            show_default=False,
        ),
    ] = None,
    refusals: Annotated[
        bool,
        typer.Option("--refusals", help="List what servers refused, the latest first, instead of proving anything."),
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="The number of these at most.")] = 100,
) -> None:
    """Prove the books, every round, the journal's seals, and the journal replayed into an empty database."""
    from scidex.cli.progress import progress_on_terminal

    if refusals:
        session.table(session.market.list_refusals(limit=limit), _REFUSALS)
        return
    with progress_on_terminal() as tell:
        found = session.market.audit(expect_seal=expect_seal, on_progress=tell)
    session.show({**found._asdict(), "ok": found.ok}, in_words(found))
    if not found.ok:
        sys.exit(Exit.FAULTY)


def in_words(found: AuditReport) -> str:
    """Return what was proved, a line for each part, and each fault."""
    books, faults = found.ledger, len(found.problems)
    lines = [
        f"books     {books.accounts:,} accounts, {books.transfers:,} transfers, {books.minted_tokens:,} tokens issued",
        f"rounds    {found.rounds:,} decided again",
        f"journal   {found.entries:,} entries replayed",
        f"seals     {found.seals.entries:,} entries sealed, {found.seals.waiting:,} not yet; head {found.seals.head}",
    ]
    verdict = f"{faults} fault{'s' * (faults != 1)} found" if faults else "all of it holds"
    return "\n".join([*lines, *(f"FAULT     {problem}" for problem in found.problems), verdict])

"""`scidex audit`: the market proved from its own record."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from scidex.cli.exits import Exit
from scidex.cli.options import DatabaseOption, JsonOption, KeyOption, UrlOption

if TYPE_CHECKING:
    from scidex.exchange.records import AuditReport


def audit(
    db: DatabaseOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prove the books, decide every round again, and replay the journal into an empty database, to compare."""
    from scidex.cli.markets import print_json
    from scidex.cli.progress import progress_on_terminal
    from scidex.cli.verbs import verbs_of

    with verbs_of(db, url, key) as market, progress_on_terminal() as tell:
        found = market.audit(on_progress=tell)
    if as_json:
        print_json({**found._asdict(), "ledger": found.ledger._asdict(), "ok": found.ok})
    else:
        print(in_words(found))
    if not found.ok:
        sys.exit(Exit.FAULTY)


def in_words(found: AuditReport) -> str:
    """Return what was proved, a line for each part, and each fault."""
    books, faults = found.ledger, len(found.problems)
    lines = [
        f"books     {books.accounts:,} accounts, {books.transfers:,} transfers, {books.minted_tokens:,} tokens issued",
        f"rounds    {found.rounds:,} decided again",
        f"journal   {found.entries:,} entries replayed",
    ]
    verdict = f"{faults} fault{'s' * (faults != 1)} found" if faults else "all of it holds"
    return "\n".join([*lines, *(f"FAULT     {problem}" for problem in found.problems), verdict])

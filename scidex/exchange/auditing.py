"""Proving a market from its own record, on any database: its books, its rounds, and its journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from scidex.errors import JournalMismatch
from scidex.exchange import arguments as checked
from scidex.exchange import (
    attempts,
    backlog,
    cycle,
    ev_scorer,
    keys,
    leases,
    runs,
    services,
    sweeper,
    token_ledger,
    workers,
)
from scidex.exchange.journal import chain
from scidex.exchange.rounds import recomputation
from scidex.records import AuditReport
from scidex.store import Database, connect
from scidex.store.comparing import differences
from scidex.store.database import Transaction
from scidex.store.db_writes import JournalEntry, read_journal_as_of, replay

__all__ = ["audit"]

# A replay needs the effect of every verb; these modules bring them along.
_VERBS = (attempts, backlog, cycle, ev_scorer, keys, leases, runs, services, sweeper, token_ledger, workers)
_PAGE = 500

Progress = Callable[[str, int, int], None]


def audit(
    *, expect_seal: str | None = None, on_progress: Progress | None = None, db: Database | None = None
) -> AuditReport:
    """
    Prove a market: its books, every round decided again, their digests' chain, its journal, and the journal's seals.

    The journal is replayed into an empty database in memory, and every row of every table compared with those there
    are; a market may be at work meanwhile. `expect_seal` is a `head` that an earlier audit told and that was kept
    elsewhere: the journal up to there must be the same. `on_progress` is told what is done, how much of it, and of how
    many, 0 where that is not known. Every fault found is named in `problems`; nothing is written. Raises
    InvalidArgument.
    """
    database = checked.database(db)
    tell = on_progress or (lambda _what, _done, _all: None)
    ledger = token_ledger.verify(database)
    rounds, faults = _rounds(database, tell)
    with database.reading() as tx:
        chains = [f"digest chain of pool {row['pool']} breaks at round {row['round_id']}" for row in _broken(tx)]
        sealed = chain.verify_seals(tx, expect_seal=expect_seal, on_progress=tell)
        entries, unlike = _replayed(tx, tell)
    return AuditReport(ledger, rounds, entries, sealed, (*ledger.problems, *faults, *chains, *sealed.problems, *unlike))


def _rounds(db: Database, tell: Progress) -> tuple[int, list[str]]:
    """Decide every round again; return how many, and the faults."""
    count, last = 0, 0
    faults: list[str] = []
    while True:
        with db.reading() as tx:
            page = tx.values("round_ids_after", round_id=last, page=_PAGE)
        if not page:
            return count, faults
        for last in page:
            try:
                recomputation.recompute(db, last)
            except JournalMismatch as mismatch:
                faults.append(str(mismatch))
            count += 1
            tell("rounds", count, 0)


def _broken(tx: Transaction) -> list[dict[str, object]]:
    return tx.rows("broken_digest_chains")


def _replayed(tx: Transaction, tell: Progress) -> tuple[int, list[str]]:
    """Replay the journal into an empty database; return how many entries it has, and what differs."""
    total = tx.values("count_journal")[0]

    def told() -> Iterator[JournalEntry]:
        for count, entry in enumerate(read_journal_as_of(tx), start=1):
            yield entry
            tell("journal entries", count, total)

    with connect("sqlite:///:memory:") as again:
        try:
            replay(told(), again)
        except JournalMismatch as mismatch:
            return total, [str(mismatch)]
        with again.reading() as other:
            return total, list(differences(tx, other))

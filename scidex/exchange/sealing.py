"""Sealing the journal: its entries are chained by digests in steps, some moments after they were written."""

from __future__ import annotations

import time
from datetime import datetime

from scidex.exchange import arguments as checked
from scidex.exchange.journal.chain import entries, head_of
from scidex.exchange.journal.watcher import Watcher
from scidex.loops import Loop
from scidex.store import Database, seals
from scidex.store.db_writes import write_unjournaled

__all__ = ["SealRunner", "seal_journal"]

# Entries of one seal; a seal is one row of a few kilobytes, made outside the transaction that writes it.
MOST_IN_A_SEAL = 500
_MOST = 10_000_000
# A number that is missing is waited for as long as the writes under way mostly take, and then left to the next time.
_LOOKS = 25
_LOOK_SECONDS = 0.01
# Whether enough entries for a whole seal wait is looked at so often; what waits is sealed after so long in any case.
_TURN_SECONDS = 1.0
_SEAL_SECONDS = 10.0


def seal_journal(
    *, most: int = 100_000, least: int = 1, now: datetime | None = None, db: Database | None = None
) -> int:
    """
    Chain the entries of the journal that are not sealed yet, at most about `most`, and return how many were.

    Where fewer than `least` wait nothing is done. However many seal at once, each entry is sealed by one of them. A
    seal is not journaled itself: it tells of the journal, and a replayed one is sealed anew, to the same digests.
    """
    database = checked.database(db)
    page = checked.count(most, "most", most=_MOST)
    fewest = checked.count(least, "least", most=_MOST)
    moment = checked.moment(now, database)
    with database.reading() as tx:
        head = head_of(tx)
        if tx.values("last_journal_number")[0] - head["last_entry"] < fewest:
            return 0
    watcher = Watcher(database, after=head["last_entry"])
    count = 0
    while count < page and _goes_on(watcher):
        while count < page and (sealed := _seal(database, watcher.reached, moment)):
            count += sealed
    return count


class SealRunner:
    """Seals the journal as it grows; any number may, beside any others."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._sealed_all = time.monotonic()

    def loop(self) -> Loop:
        """Return the loop that seals."""
        return Loop("sealer", self._turn)

    def _turn(self) -> float:
        all_of_it = time.monotonic() - self._sealed_all >= _SEAL_SECONDS
        seal_journal(least=1 if all_of_it else MOST_IN_A_SEAL, db=self.db)
        if all_of_it:
            self._sealed_all = time.monotonic()
        return _TURN_SECONDS


def _goes_on(watcher: Watcher) -> bool:
    """Return whether more entries are there without a gap that could still be filled."""
    for _ in range(_LOOKS):
        if watcher.look():
            return True
        if not watcher.misses_one:
            return False
        time.sleep(_LOOK_SECONDS)
    return False


def _seal(db: Database, reached: int, now: datetime) -> int:
    with db.reading() as tx:
        head = head_of(tx)
        chain = seals.links(head["digest"], entries(tx, head["last_entry"], reached, most=MOST_IN_A_SEAL))
    if not chain:
        return 0
    seal = {
        "seal_number": head["seal_number"] + 1,
        "first_entry": chain[0].entry_id,
        "last_entry": chain[-1].entry_id,
        "entries": len(chain),
        "digest": chain[-1].digest,
        "marks": seals.marks_of(chain),
        "made_at": now,
    }
    if not write_unjournaled(db, lambda tx: tx.run("add_seal", **seal)):
        return 0
    db.note_head(seal["seal_number"], chain[-1].entry_id, chain[-1].digest)
    return len(chain)

"""What happened in the market, in one order, for those who watch it: the journal as it grows, without a gap."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NamedTuple

from scidex.records import Principal
from scidex.store import Database
from scidex.store.database import Transaction

_PAGE = 500
# Of what a verb was given, this may be told to everybody who has a key.
_TOLD = frozenset({"pool", "count", "slot_id", "bid_id", "reserve_price_tokens"})
# What moves the book, which everybody with a key may read. The rest is for operators.
MARKET_VERBS = frozenset(
    {
        "attest",
        "cancel_bid",
        "clear_round",
        "create_pool",
        "expire_bids",
        "finish_slot",
        "offer_slots",
        "open_market",
        "pause_cycle",
        "place_bids",
        "put_tasks",
        "refund_unfilled",
        "resume_cycle",
        "set_task_status",
        "settle",
        "start_slot",
        "switch_mode",
        "void",
        "withdraw_slot",
    }
)


class Happened(NamedTuple):
    """An entry of the journal as those who watch it see it."""

    entry_id: int
    verb: str
    actor: str
    made_at: datetime
    facts: dict[str, Any]


class Watcher:
    """
    Follows the journal: `reached` is the last number up to which nothing is missing any more.

    On PostgreSQL an entry can be committed after one of a higher number. A number that is missing is waited for until
    every transaction has ended that had drawn one when it was missed: then it never comes.
    """

    def __init__(self, db: Database, *, after: int | None = None) -> None:
        """Begin behind an entry, or without one at about the last there is."""
        self._db = db
        # The entry before the number that is missing, and the transactions that may still bring it.
        self._missed: tuple[int, frozenset[str]] = (-1, frozenset())
        if after is not None:
            self.reached: int = after
            return
        with db.reading() as tx:
            self.reached = max(0, tx.values("last_journal_number")[0] - _PAGE)
        while self.look():
            pass

    @property
    def misses_one(self) -> bool:
        """Whether the entry behind the one that was reached is missing, and may still come."""
        return self._missed[0] == self.reached

    def look(self) -> bool:
        """Follow the journal as far as it goes without a gap; return whether that was further than before."""
        before = self.reached
        while not self._follow():
            pass
        return self.reached > before

    def _follow(self) -> bool:
        """Take in a page of the journal; return False where it ends before a number that no one can bring any more."""
        never_comes = self.misses_one and not self._missed[1] & self._writers()
        with self._db.reading() as tx:
            for number in tx.values("journal_numbers_after", entry_id=self.reached, page=_PAGE):
                if number > self.reached + 1 and not never_comes:
                    return self._is_to_come(tx)
                self.reached, never_comes = number, False
        return True

    def _is_to_come(self, tx: Transaction) -> bool:
        """Note who may bring the number that is missing; return whether anyone may."""
        if not self.misses_one:
            # Asked after the page was read: who drew the number is among them, or has ended since and has brought it.
            self._missed = self.reached, frozenset(tx.values("journal_writers"))
        return bool(self._missed[1])

    def _writers(self) -> frozenset[str]:
        # In a transaction of its own: the page after it must see what those have committed that are no more.
        with self._db.reading() as tx:
            return frozenset(tx.values("journal_writers"))


def happened(who: Principal, after: int, last: int, *, db: Database) -> tuple[list[Happened], int]:
    """Return what somebody may know of the entries behind `after` up to `last`, a page of them, and its last number."""
    with db.reading() as tx:
        rows = tx.rows("journal_news", entry_id=after, last=last, page=_PAGE)
    told = [_told(row, who) for row in rows if who.is_operator or row["verb"] in MARKET_VERBS]
    return told, rows[-1]["entry_id"] if rows else last


def _told(row: dict[str, Any], who: Principal) -> Happened:
    given = json.loads(row["arguments"])
    facts = {name: value for name, value in given.items() if name in _TOLD}
    return Happened(row["entry_id"], row["verb"], row["actor"] if who.is_operator else "", row["made_at"], facts)

"""Decide a stored round again, from what was kept of it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from scidex.errors import JournalMismatch, UnknownRound
from scidex.exchange.book.pools import OpenPool
from scidex.exchange.rounds.floors import Gift, Offer
from scidex.exchange.rounds.outcome import (
    Outcome,
    clears_of,
    decide,
    digest_of,
    with_gift,
)
from scidex.mechanism.eligibility import sift
from scidex.mechanism.registry import MECHANISMS
from scidex.mechanism.tie_breaking import Standing, rank
from scidex.records import Clear, Round
from scidex.store.database import Database, Row, Transaction


def recompute(db: Database, round_id: int) -> Round:
    """
    Decide a cleared round once more from what is stored of it, and return the outcome.

    Raises UnknownRound, and JournalMismatch where the outcome or the digest is not what was recorded.
    """
    with db.reading() as tx:
        row = tx.row("round", round_id=round_id)
        if row is None:
            raise UnknownRound(field="round_id", round_id=round_id)
        recorded = [Clear(**clear) for clear in tx.rows("clears_of_round", round_id=round_id)]
        remembered = json.loads(row["book"])
        gift = Gift(**remembered["floor"]) if "floor" in remembered else None
        sold = [Offer(**offer) for offer in tx.rows("asks_of_round", round_id=round_id)]
        market = OpenPool(
            row["pool"], row["mechanism"], row["theta"], row["tie_rule"], round_id, row["seed"], "", row["cleared_at"]
        )
        offers = sorted(
            [*sold, *(Offer(*offer) for offer in remembered["unsold"])],
            key=lambda offer: (offer.reserve_price_tokens, offer.sequence),
        )
        competing = _book_of_cleared(tx, market, len(offers), remembered)
    outcome = decide(market.mechanism, market.parameters, competing, offers)
    clears = clears_of(market, outcome, row["cleared_at"])
    facts = {name: row[name] for name in _FACTS}
    again = Round(**facts, digest=row["digest"], clears=tuple(with_gift(clears, gift, market, row["cleared_at"])))
    _assert_same(row, recorded, outcome, again.clears)
    return again


_FACTS = (
    "round_id",
    "pool",
    "cleared_at",
    "slots",
    "bids",
    "clearing_price_tokens",
    "runner_up_bid_id",
    "mechanism",
    "tie_rule",
    "seed",
    "previous_digest",
)


def _book_of_cleared(tx: Transaction, market: OpenPool, slots: int, remembered: Row) -> list[Standing]:
    losers = [Standing(*bid) for bid in remembered["resting"]]
    running = set(remembered["running"])
    whole = MECHANISMS[market.mechanism].reads_whole_book
    most = 2**62 if whole else slots + 65 + len(running)
    while True:
        rows = tx.tuples(
            "book_range_of_cleared",
            pool=market.pool,
            round_id=market.open_round_id,
            now=market.created_at,
            most=most,
        )
        bids = [Standing(*row) for row in rows if row[0] not in running]
        ranked = rank([*bids, *losers], tie_rule=market.tie_rule, seed=market.seed)
        competing = sift(ranked, provider_owners=remembered["provider_owners"], running=()).competing
        if whole or len(rows) < most or (len(competing) > slots and rows[-1][4] < competing[slots].price):
            return competing if whole else competing[: slots + 1]
        most *= 4


def _assert_same(row: Row, recorded: Iterable[Clear], outcome: Outcome, clears: Iterable[Clear]) -> None:
    def decided(sold: Iterable[Clear]) -> list[tuple[Any, ...]]:
        return [
            (
                c.slot_id,
                c.bid_id,
                c.winning_task_id,
                c.clearing_price_tokens,
                c.provider_proceeds_tokens,
                c.runner_up_task_id,
            )
            for c in sold
        ]

    facts = {name: row[name] for name in _FACTS}
    runner_up = outcome.runner_up.id if outcome.runner_up else None
    checks = {
        "clears": decided(recorded) == decided(clears),
        "clearing_price_tokens": row["clearing_price_tokens"] == outcome.price,
        "runner_up_bid_id": row["runner_up_bid_id"] == runner_up,
        "digest": row["digest"] == digest_of(facts, row["theta"], row["book"], (c for c in clears if c.bid_id > 0)),
    }
    if wrong := [name for name, same in checks.items() if not same]:
        raise JournalMismatch(round_id=row["round_id"], fact=f"recomputed to other {', '.join(wrong)}")

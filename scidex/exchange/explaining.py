"""Why a bid stands where it stands, and what it takes to win the next round."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any

from scidex.exchange.book import RESTING, read_pools
from scidex.exchange.reading import known_bid, known_round
from scidex.exchange.records import Bid, Explanation, Quote
from scidex.mechanism.eligibility import OWN_ASK, SUPERSEDED, TASK_RUNNING
from scidex.store.database import Database, Row, Transaction

_QUOTED_ROUNDS = 400

_WAITS = {
    "task_blocked": "its task waits for another task",
    "task_done": "its task is done",
    "task_failed": "its task has failed",
    TASK_RUNNING: "its task already has a slot",
    SUPERSEDED: "a better bid for the same task stands before it",
    OWN_ASK: "its owner offered a slot of that round for its own proceeds",
    "suspended": "the wallet does not cover it any more",
}


def explain(db: Database, bid_id: int) -> Explanation:
    """Return why a bid stands where it stands. Raises UnknownBid."""
    with db.reading() as tx:
        bid = known_bid(tx, bid_id)
        if bid.status == "open":
            return _open(tx, bid)
        if bid.status in ("cancelled", "expired"):
            return _told(bid, bid.reason, f"It {_ENDINGS[bid.status]} before it could win a slot.")
        facts = known_round(tx, bid.round_id)
        rank = _rank(tx, bid, bid.round_id)
        if bid.status == "lost":
            return _lost(tx, bid, facts, rank)
        return _won(tx, bid, facts, rank)


_ENDINGS = {"cancelled": "was cancelled", "expired": "reached the end of its time to live"}


def _open(tx: Transaction, bid: Bid) -> Explanation:
    market = read_pools(tx, [bid.pool])[bid.pool]
    if bid.reason:
        waits = _WAITS.get(bid.reason, bid.reason)
        return _told(bid, bid.reason, f"It is open but may not compete now: {waits}.")
    rank = sum(_rank(tx, bid, round_id) - 1 for round_id in (RESTING, market.open_round_id)) + 1
    return _told(bid, "", f"It is open and would be number {rank} in the next round.", rank=rank)


def _won(tx: Transaction, bid: Bid, facts: Row, rank: int) -> Explanation:
    paid = tx.rows("clear_of_bid", bid_id=bid.id)[0]["clearing_price_tokens"]
    sentence = (
        f"It won: number {rank} of the bids for {facts['slots']} slots. It bid {bid.max_price_tokens} tokens and"
        f" the price was {paid}."
    )
    if bid.status == "voided":
        sentence += f" The slot was voided afterwards ({bid.reason}), so nothing was paid."
    return _told(bid, bid.reason, sentence, facts, rank=rank)


def _lost(tx: Transaction, bid: Bid, facts: Row, rank: int) -> Explanation:
    price = _price_to_win(tx, facts)
    reason = bid.reason or _passed_over(tx, bid, facts)
    if reason:
        return _told(bid, reason, f"It did not compete in its round: {_WAITS.get(reason, reason)}.", facts)
    missed = max(0, price - bid.max_price_tokens)
    sentence = f"It lost: number {rank} of the bids for {facts['slots']} slots. A bid of {price} tokens would have won"
    sentence += f", {missed} more than it bid." if missed else "; it lost the tie at that price."
    return _told(bid, "outbid", sentence, facts, rank=rank, price_to_win=price, missed=missed)


def _told(
    bid: Bid,
    reason: str,
    sentence: str,
    facts: Row | None = None,
    *,
    rank: int | None = None,
    price_to_win: int | None = None,
    missed: int | None = None,
) -> Explanation:
    return Explanation(
        bid_id=bid.id,
        status=bid.status,
        reason=reason,
        sentence=sentence,
        max_price_tokens=bid.max_price_tokens,
        round_id=facts["round_id"] if facts else bid.round_id or None,
        rank=rank,
        slots=facts["slots"] if facts else None,
        clearing_price_tokens=facts["clearing_price_tokens"] if facts else None,
        price_to_win_tokens=price_to_win,
        margin_missed_tokens=missed,
    )


def _rank(tx: Transaction, bid: Bid, round_id: int) -> int:
    better: int = tx.values(
        "count_better", pool=bid.pool, round_id=round_id, price=bid.max_price_tokens, sequence=bid.sequence
    )[0]
    return better + 1


def _price_to_win(tx: Transaction, facts: Row) -> int:
    """Return the least bid that would have won one of the round's slots for certain."""
    unsold = json.loads(facts["book"])["unsold"]
    reserve = [unsold[0][4]] if unsold else []
    lowest = tx.values("lowest_winning_bid", round_id=facts["round_id"])[0]
    beats_winner = [] if lowest is None else [lowest + 1]
    return int(min(reserve + beats_winner))


def _passed_over(tx: Transaction, bid: Bid, facts: Row) -> str:
    book = json.loads(facts["book"])
    if bid.id in book["running"]:
        return TASK_RUNNING
    owner: Any = tx.rows("account", account_id=bid.bidder_id)[0]["owner_id"]
    if owner in book["provider_owners"]:
        return OWN_ASK
    rivals: int = tx.values(
        "count_better_for_task",
        task_id=bid.task_id,
        pool=bid.pool,
        round_id=bid.round_id,
        price=bid.max_price_tokens,
        sequence=bid.sequence,
    )[0]
    return SUPERSEDED if rivals else ""


def quote(db: Database, pool: str, probability: float, now: datetime) -> Quote:
    """
    Return the least bid that would have won in a share `probability` of the recent rounds, and beats today's book.

    The share is an order statistic with one round added for the unknown next one, so that few rounds quote cautiously.
    Raises UnknownPool.
    """
    with db.reading() as tx:
        market = read_pools(tx, [pool])[pool]
        prices = sorted(
            price
            for row in tx.rows("prices_to_win", pool=pool, now=now, page=_QUOTED_ROUNDS)
            if (price := _asked_for(row)) is not None
        )
        asks = tx.rows("asks_on_offer", pool=pool, now=now)
        standing = 0
        if asks:
            best = tx.values("best_prices", pool=pool, round_id=market.open_round_id, now=now, most=len(asks))
            standing = best[-1] + 1 if len(best) == len(asks) else asks[len(best)]["reserve_price_tokens"]
    seen = 0
    if prices:
        seen = prices[min(math.ceil(probability * (len(prices) + 1)), len(prices)) - 1]
    basis = "recent rounds" if seen >= standing and prices else "the book as it stands" if asks else "nothing yet"
    return Quote(pool, probability, max(1, seen, standing), len(prices), basis)


def _asked_for(row: Row) -> int | None:
    if row["sold"] < row["slots"]:
        unsold = json.loads(row["book"])["unsold"]
        return int(unsold[0][4]) if unsold else None
    return None if row["lowest"] is None else int(row["lowest"]) + 1

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
from scidex.mechanism.registry import MECHANISMS
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


def explain(db: Database, bid_id: int, now: datetime) -> Explanation:
    """Return why a bid stands where it stands. Raises UnknownBid."""
    with db.reading() as tx:
        bid = known_bid(tx, bid_id)
        if bid.status == "open":
            return _open(tx, bid, now)
        if bid.status in ("cancelled", "expired"):
            return _told(bid, bid.reason, f"It {_ENDINGS[bid.status]} before it could win a slot.")
        facts = known_round(tx, bid.round_id)
        rank = _rank(tx, bid, bid.round_id, facts["cleared_at"])
        if bid.status == "lost":
            return _lost(tx, bid, facts, rank)
        return _won(tx, bid, facts, rank)


_ENDINGS = {"cancelled": "was cancelled", "expired": "reached the end of its time to live"}


def _open(tx: Transaction, bid: Bid, now: datetime) -> Explanation:
    market = read_pools(tx, [bid.pool])[bid.pool]
    if bid.reason:
        waits = _WAITS.get(bid.reason, bid.reason)
        return _told(bid, bid.reason, f"It is open but may not compete now: {waits}.")
    rank = sum(_rank(tx, bid, round_id, now) - 1 for round_id in (RESTING, market.open_round_id)) + 1
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
    reason = bid.reason or _passed_over(tx, bid, facts)
    if reason:
        return _told(bid, reason, f"It did not compete in its round: {_WAITS.get(reason, reason)}.", facts)
    book = json.loads(facts["book"])
    rank += sum(1 for standing in book["resting"] if standing[4] >= bid.max_price_tokens)
    lowest = tx.values("lowest_winning_bid", round_id=facts["round_id"])[0]
    price = _price_to_win(facts["mechanism"], lowest, book)
    sentence = f"It lost: number {rank} of the bids for {facts['slots']} slots."
    if price is None:
        return _told(bid, "outbid", f"{sentence} No slot was sold.", facts, rank=rank)
    missed = price - bid.max_price_tokens
    sentence += f" A bid of {price} tokens would have won, {missed} more than it bid."
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


def _rank(tx: Transaction, bid: Bid, round_id: int, now: datetime) -> int:
    better: int = tx.values(
        "count_better", pool=bid.pool, round_id=round_id, price=bid.max_price_tokens, sequence=bid.sequence, now=now
    )[0]
    return better + 1


def _price_to_win(mechanism: str, lowest: int | None, book: Row) -> int | None:
    """Return the least bid that would have won a slot of a round for certain, by its lowest winner and its book."""
    prices = [] if lowest is None else [lowest + 1]
    if book["unsold"] and MECHANISMS[mechanism].sells_all:
        prices.append(book["unsold"][0][4])
    return min(prices, default=None)


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
        now=facts["cleared_at"],
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
            if (price := _price_to_win(market.mechanism, row["lowest"], json.loads(row["book"]))) is not None
        )
        asks = tx.rows("asks_on_offer", pool=pool, now=now)
        best = tx.values("best_prices", pool=pool, round_id=market.open_round_id, now=now, most=len(asks))
    standing = _price_to_beat(best, [ask["reserve_price_tokens"] for ask in asks])
    seen = 0
    if prices:
        seen = prices[min(math.ceil(probability * (len(prices) + 1)), len(prices)) - 1]
    basis = "recent rounds" if seen >= standing and prices else "the book as it stands" if asks else "nothing yet"
    return Quote(pool, probability, max(1, seen, standing), len(prices), basis)


def _price_to_beat(bids: list[int], reserves: list[int]) -> int:
    """Return the least bid that would win one of these slots against these bids; both are sorted, best first."""
    # To be the n-th best bid it must exceed the present one, and it must meet the n-th reserve.
    outbids = [bid + 1 for bid in bids] + [0] * (len(reserves) - len(bids))
    return min(map(max, outbids, reserves), default=0)

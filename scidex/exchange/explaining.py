"""Why a bid stands where it stands, and what it takes to win the next round."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from scidex.exchange.book import RESTING, read_pools
from scidex.exchange.reading import known_bid, known_round
from scidex.exchange.records import Bid, Explanation, Quote
from scidex.mechanism.eligibility import OWN_ASK, SUPERSEDED, TASK_RUNNING
from scidex.mechanism.winning import price_to_beat, price_to_win, quoted
from scidex.settings import MOST_TOKENS
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
    [winners] = tx.rows("lowest_winning_bids", round_id=facts["round_id"])
    price = _price_to_win(facts["mechanism"], winners, book)
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
    Return a bid that wins the next round with a probability by what recent rounds took, and beats today's book.

    Raises UnknownPool.
    """
    with db.reading() as tx:
        market = read_pools(tx, [pool])[pool]
        rounds = tx.rows("prices_to_win", pool=pool, now=now, page=_QUOTED_ROUNDS)
        asks = tx.rows("asks_on_offer", pool=pool, now=now)
        best = tx.values("best_prices", pool=pool, round_id=market.open_round_id, now=now, most=len(asks) + 1)
    took = [_price_to_win(market.mechanism, row, json.loads(row["book"])) for row in reversed(rounds)]
    reserves = [ask["reserve_price_tokens"] for ask in asks]
    standing = price_to_beat(market.mechanism, best, reserves, most=MOST_TOKENS, **market.parameters) or 0
    seen, basis = _seen(took, probability)
    if seen < standing or not took:
        basis = "the book as it stands" if asks else "nothing yet"
    return Quote(pool, probability, max(1, seen, standing), len(took), basis)


def _seen(took: list[int | None], probability: float) -> tuple[int, str]:
    """Return what recent rounds say, or where no bid would have won so often, what the dearest of them took."""
    answer = quoted(took, probability)
    if answer is not None:
        return answer, "recent rounds"
    return max((price for price in took if price is not None), default=0), "the dearest of recent rounds"


def _price_to_win(mechanism: str, winners: Row, book: Row) -> int | None:
    unsold = book["unsold"][0][4] if book["unsold"] else None
    return price_to_win(mechanism, winners["lowest"], winners["second"], unsold)

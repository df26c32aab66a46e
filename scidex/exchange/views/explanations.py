"""Why a bid stands where it stands, in one sentence and in numbers."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from scidex.bidding.calibration import Calibration
from scidex.exchange.book import competitors, endings, holds, market_settings
from scidex.exchange.book.pools import RESTING, OpenPool, read_pools
from scidex.exchange.views.listings import known_bid, known_round
from scidex.exchange.views.quotes import price_took
from scidex.mechanism.eligibility import OWN_ASK, SUPERSEDED, TASK_RUNNING
from scidex.mechanism.winning import price_to_beat
from scidex.records import Bid, Explanation
from scidex.settings import MOST_TOKENS
from scidex.store.database import Database, Row, Transaction

# Why a bid may not compete, and what lets it compete again.
_WAITS = {
    "task_blocked": "its task waits for another task",
    "task_done": "its task is done",
    "task_failed": "its task has failed",
    "task_held": "its task is held",
    TASK_RUNNING: "its task already has a slot",
    SUPERSEDED: "a better bid for the same task stands before it",
    OWN_ASK: "its owner offered a slot of that round for its own proceeds",
}
_AGAIN = {
    "task_blocked": "once that one is done",
    "task_done": "only if its task is opened again",
    "task_failed": "only if its task is opened again",
    "task_held": "only if its task is opened again",
    TASK_RUNNING: "only if that slot is given back",
    SUPERSEDED: "once that one has left the book",
}
_CANCELLED = {
    endings.NOT_COVERED: "The market cancelled it: its wallet does not cover it beside better bids for the backlog",
    endings.NOT_WANTED: "The market cancelled it: its quest no longer bids for this task",
}


def explain(db: Database, bid_id: int, now: datetime) -> Explanation:
    """Return why a bid stands where it stands. Raises UnknownBid."""
    with db.reading() as tx:
        return _Told(tx, known_bid(tx, bid_id), now).explanation()


class _Told:
    """What is told of one bid."""

    def __init__(self, tx: Transaction, bid: Bid, now: datetime) -> None:
        self._tx = tx
        self._bid = bid
        self._now = now

    def explanation(self) -> Explanation:
        """Return the bid's explanation, by where it stands."""
        bid = self._bid
        if bid.status == "open":
            return self._open()
        if bid.status == "cancelled":
            ended = _CANCELLED.get(bid.reason, "It was cancelled before it could win a slot")
            return self._say(bid.reason, ended, wallet=False)
        if bid.status == "expired":
            ended = f"It reached the end of its time to live {_at(bid.ttl_at)} before it could win a slot"
            return self._say(bid.reason, ended, wallet=False)
        facts = known_round(self._tx, bid.round_id)
        return self._lost(facts) if bid.status == "lost" else self._won(facts)

    # --- open bids

    def _open(self) -> Explanation:
        bid = self._bid
        if bid.ttl_at <= self._now:
            ended = (
                f"Its time to live ended {_at(bid.ttl_at)}, and what it set aside is free with the next sweep or round"
            )
            return self._say("ttl_passed", ended)
        market = read_pools(self._tx, [bid.pool])[bid.pool]
        if bid.reason == competitors.SUSPENDED:
            return self._suspended(market)
        if bid.reason:
            waits = f"It is open but may not compete now: {_WAITS.get(bid.reason, bid.reason)}"
            return self._say(
                bid.reason, waits, f"it competes again {_AGAIN[bid.reason]}" if bid.reason in _AGAIN else ""
            )
        return self._competing(market)

    def _suspended(self, market: OpenPool) -> Explanation:
        bid = self._bid
        others = holds.open_bids(self._tx, [bid.bidder_id], {bid.pool: market})[bid.bidder_id, bid.pool]
        standing = [one for one in others if one["reason"] != competitors.SUSPENDED]
        held = holds.hold_of(market, holds.prices_of(standing)).tokens
        needed = holds.hold_of(market, holds.prices_of([*standing, {**bid._asdict(), "reason": ""}])).tokens - held
        available = self._available()
        return self._say(
            bid.reason,
            f"It is suspended: it would set aside {needed:,} tokens more and its wallet has {available:,} available",
            "it holds nothing and competes again as soon as it is covered",
            self._claim(),
            wallet=False,
        )

    def _competing(self, market: OpenPool) -> Explanation:
        bid = self._bid
        rank = sum(self._better(round_id, self._now) for round_id in (RESTING, market.open_round_id)) + 1
        asks = self._tx.rows("asks_on_offer", pool=bid.pool, now=self._now)
        needed = self._price_now(market, rank, [ask["reserve_price_tokens"] for ask in asks]) if asks else None
        missed = None if needed is None or needed <= bid.max_price_tokens else needed - bid.max_price_tokens
        next_at = self._next_cycle_at()
        return self._say(
            "",
            f"It is open and would be number {rank} in the next round",
            _prospect(len(asks), needed, missed),
            self._claim(),
            self._next(next_at, "it competes next"),
            rank=rank,
            slots=len(asks),
            price_to_win_tokens=needed if missed else None,
            margin_missed_tokens=missed,
            competes_next_at=next_at if next_at is not None and next_at < bid.ttl_at else None,
        )

    def _price_now(self, market: OpenPool, rank: int, reserves: list[int]) -> int | None:
        """Return the least bid that would win now against all others; those behind this one at its price lose to it."""
        mine = self._bid.max_price_tokens
        best = self._tx.values(
            "best_prices",
            pool=market.pool,
            round_id=market.open_round_id,
            now=self._now,
            most=len(reserves) + 2,
        )
        others = best[: rank - 1] + [min(price, mine - 1) for price in best[rank:]]
        return price_to_beat(market.mechanism, others, reserves, most=MOST_TOKENS, **market.parameters)

    # --- decided bids

    def _won(self, facts: Row) -> Explanation:
        bid, rank = self._bid, self._better(self._bid.round_id, facts["cleared_at"]) + 1
        clear = self._tx.rows("clear_of_bid", bid_id=bid.id)[0]
        paid, premium = clear["clearing_price_tokens"], bid.max_price_tokens - clear["clearing_price_tokens"]
        won = f"It won: number {rank} of the bids for {_slots(facts)}"
        price = f"it bid {bid.max_price_tokens:,} tokens and the price was {paid:,}"
        if bid.status == "voided":
            return self._say(
                bid.reason,
                won,
                f"the slot was voided afterwards ({bid.reason}), so nothing was paid",
                facts=facts,
                rank=rank,
            )
        freed = f"the {premium:,} between them were free at once" if premium else ""
        return self._say(bid.reason, won, price, freed, facts=facts, rank=rank, wallet=False)

    def _lost(self, facts: Row) -> Explanation:
        bid = self._bid
        reason = bid.reason or self._passed_over(facts)
        again = self._next(self._next_cycle_at(), "a bid for the next round competes")
        if reason:
            did_not = f"It did not compete in its round: {_WAITS.get(reason, reason)}"
            return self._say(reason, did_not, again, facts=facts)
        book = json.loads(facts["book"])
        rank = self._better(bid.round_id, facts["cleared_at"]) + 1
        rank += sum(1 for standing in book["resting"] if standing[4] >= bid.max_price_tokens)
        [winners] = self._tx.rows("lowest_winning_bids", round_id=facts["round_id"])
        price = price_took(facts["mechanism"], winners, book)
        missed = None if price is None else price - bid.max_price_tokens
        lost = f"It lost: number {rank} of the bids for {_slots(facts)}"
        needed = (
            "no slot was sold"
            if price is None
            else f"a bid of {price:,} tokens would have won, {missed:,} more than it bid"
        )
        numbers = {"rank": rank, "price_to_win_tokens": price, "margin_missed_tokens": missed}
        return self._say("outbid", lost, needed, self._claim(), again, facts=facts, wallet=True, **numbers)

    def _passed_over(self, facts: Row) -> str:
        bid, book = self._bid, json.loads(facts["book"])
        if bid.id in book["running"] or bid.task_id == book.get("floor", {}).get("task_id"):
            return TASK_RUNNING
        owner: Any = self._tx.rows("account", account_id=bid.bidder_id)[0]["owner_id"]
        if owner in book["provider_owners"]:
            return OWN_ASK
        rivals: int = self._tx.values("count_better_for_task", task_id=bid.task_id, **self._place(facts["cleared_at"]))[
            0
        ]
        return SUPERSEDED if rivals else ""

    # --- what all of them tell

    def _better(self, round_id: int, now: datetime) -> int:
        better: int = self._tx.values("count_better", **{**self._place(now), "round_id": round_id})[0]
        return better

    def _place(self, now: datetime) -> Row:
        bid = self._bid
        price = {"price": bid.max_price_tokens, "sequence": bid.sequence}
        return {"pool": bid.pool, "round_id": bid.round_id, "now": now, **price}

    def _available(self) -> int:
        wallet = self._tx.rows("wallet", account_id=self._bid.bidder_id)[0]
        available: int = wallet["balance_tokens"] - wallet["held_tokens"]
        return available

    def _calibration(self) -> Calibration | None:
        """Return what the bidder's claims count for where it bids for a backlog of a market that corrects them."""
        bid = self._bid
        row = self._tx.row("calibration_of", pool=bid.pool, bidder_id=bid.bidder_id)
        if row is None or not market_settings.profiles_of(self._tx, [bid.pool])[bid.pool].calibrate:
            return None
        return Calibration(**row)

    def _claim(self) -> str:
        claimed, calibration = self._bid.expected_value_usd, self._calibration()
        if calibration is None or claimed <= 0:
            return ""
        return f"its claim of {claimed:,.2f} USD counts as {calibration.value(claimed):,.2f}"

    def _next_cycle_at(self) -> datetime | None:
        cycle = self._tx.rows("cycle", pool=self._bid.pool)[0]
        return None if cycle["paused"] else cycle["next_cycle_at"]

    def _next(self, next_at: datetime | None, what: str) -> str:
        if next_at is None:
            return ""
        if self._bid.status == "open" and self._bid.ttl_at <= next_at:
            return f"its time to live ends before the next round, {_at(next_at)}"
        return f"{what} {_at(max(next_at, self._now))}"

    def _say(
        self,
        reason: str,
        head: str,
        *details: str,
        facts: Row | None = None,
        wallet: bool = True,
        **numbers: Any,
    ) -> Explanation:
        """Return an explanation of one sentence: what became of the bid, and each detail there is."""
        bid, calibration, available = self._bid, self._calibration(), self._available()
        told = [head, *details, f"its wallet has {available:,} tokens available" if wallet else ""]
        known = {"rank": None, "price_to_win_tokens": None, "margin_missed_tokens": None, "competes_next_at": None}
        of_round = {"slots": facts["slots"], "clearing_price_tokens": facts["clearing_price_tokens"]} if facts else {}
        given = {"slots": None, "clearing_price_tokens": None, **known, **of_round, **numbers}
        claimed = bid.expected_value_usd
        return Explanation(
            bid_id=bid.id,
            status=bid.status,
            reason=reason,
            sentence="; ".join(filter(None, told)) + ".",
            max_price_tokens=bid.max_price_tokens,
            round_id=facts["round_id"] if facts else bid.round_id or None,
            available_tokens=available,
            calibration_factor=calibration.factor(claimed) if calibration and claimed > 0 else None,
            **given,
        )


def _prospect(slots: int, needed: int | None, missed: int | None) -> str:
    if not slots:
        return "no slot is on offer now"
    if needed is None:
        return "as the book stands no bid would win"
    if missed:
        return f"as the book stands a bid of {needed:,} tokens would win, {missed:,} more than it bids"
    return f"as the book stands it would win {'the' if slots == 1 else 'one of the'} {_count(slots)} on offer"


def _slots(facts: Row) -> str:
    if "floor" not in json.loads(facts["book"]):
        return _count(facts["slots"])
    return f"{_count(facts['slots'] - 1)}, beside one that the floor gave away"


def _count(slots: int) -> str:
    return "1 slot" if slots == 1 else f"{slots:,} slots"


def _at(moment: datetime) -> str:
    return f"at {moment:%H:%M:%S} UTC on {moment:%Y-%m-%d}"

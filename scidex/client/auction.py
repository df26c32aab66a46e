"""The auction over HTTP, by the arguments of scidex.exchange.compute_auction."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from scidex.client.connection import Connection, part
from scidex.client.records import record_of, records_of
from scidex.records import (
    Ask,
    Bid,
    BidderStats,
    Clear,
    Declaration,
    Explanation,
    Lottery,
    Pool,
    Quote,
    Round,
    RoundSummary,
)
from scidex.settings import DEFAULT_POOL

_AUCTION = "/api/compute-auction"
_BIDS = f"{_AUCTION}/bids"
_MOST_WAIT_SECONDS = 20.0


class AuctionCalls:
    """The verbs of the auction. What an argument means, and what is refused, stands with each verb."""

    _market: Connection

    # --- reading

    def get_order_book(self, *, pool: str = DEFAULT_POOL, limit: int = 1_000) -> dict[str, list[dict[str, Any]]]:
        """Return a pool's open bids, best first, and its slots on offer, soonest first."""
        told = self._market.get(f"{_AUCTION}/order-book", pool=pool, limit=limit)
        return {
            "bids": [bid._asdict() for bid in records_of(Bid, told["bids"])],
            "asks": [ask._asdict() for ask in records_of(Ask, told["asks"])],
        }

    def get_recent_stats(self, *, hours: float = 24, pool: str = DEFAULT_POOL) -> dict[str, Any]:
        """Return what a pool did lately; instants as texts in ISO 8601."""
        told: dict[str, Any] = self._market.get(f"{_AUCTION}/stats", hours=hours, pool=pool)
        return told

    def get_bidder_stats(self, *, hours: float = 24, pool: str = DEFAULT_POOL, limit: int = 1_000) -> list[BidderStats]:
        """Return what each bidder won lately, and paid; most paid first."""
        return records_of(BidderStats, self._market.get(f"{_AUCTION}/bidders", hours=hours, pool=pool, limit=limit))

    def quote(self, probability: float = 0.9, *, pool: str = DEFAULT_POOL) -> Quote:
        """Return what to bid to win the next round with a probability."""
        return record_of(Quote, self._market.get(f"{_AUCTION}/quote", probability=probability, pool=pool))

    def get_pool(self, pool: str = DEFAULT_POOL) -> Pool:
        """Return how a pool clears."""
        return record_of(Pool, self._market.get(f"{_AUCTION}/pools/{part(pool)}"))

    def list_pools(self) -> list[Pool]:
        """Return every pool, by name."""
        return records_of(Pool, self._market.get(f"{_AUCTION}/pools"))

    def get_bid(self, bid_id: int) -> Bid:
        """Return a bid as it stands."""
        return record_of(Bid, self._market.get(f"{_BIDS}/{part(bid_id)}"))

    def explain(self, bid_id: int) -> Explanation:
        """Return why a bid won or lost, and the price that would have won."""
        return record_of(Explanation, self._market.get(f"{_BIDS}/{part(bid_id)}")["explanation"])

    def list_open_bids(
        self, bidder_id: str | None = None, *, after: int | None = None, limit: int = 1_000
    ) -> list[Bid]:
        """Return a bidder's open bids, the dearest first; the key's own account's unless another is named."""
        return records_of(Bid, self._market.get(_BIDS, bidder_id=bidder_id, after=after, limit=limit))

    def list_task_bids(self, task_id: str, *, before: int | None = None, limit: int = 100) -> list[Bid]:
        """Return the bids for a task that one may see, newest first, those before one of them."""
        address = f"/api/tasks/{part(task_id)}/bids"
        return records_of(Bid, self._market.get(address, before=before, limit=limit))

    def list_won_slots(self, bidder_id: str | None = None, *, after: str = "", limit: int = 1_000) -> list[Clear]:
        """Return the slots that a bidder has won and that are not settled, the oldest first."""
        return records_of(Clear, self._market.get(f"{_AUCTION}/slots", bidder_id=bidder_id, after=after, limit=limit))

    def get_round(self, round_id: int) -> Round:
        """Return a cleared round as it was recorded."""
        return record_of(Round, self._market.get(f"{_AUCTION}/rounds/{part(round_id)}"))

    def list_rounds(
        self, *, pool: str = DEFAULT_POOL, before: int | None = None, limit: int = 100
    ) -> list[RoundSummary]:
        """Return a pool's rounds, newest first."""
        return records_of(RoundSummary, self._market.get(f"{_AUCTION}/rounds", pool=pool, before=before, limit=limit))

    def list_round_bids(self, round_id: int, *, after: int | None = None, limit: int = 1_000) -> list[Bid]:
        """Return the bids that competed in a cleared round, best first."""
        return records_of(Bid, self._market.get(f"{_AUCTION}/rounds/{part(round_id)}/bids", after=after, limit=limit))

    def check_lottery(self, round_id: int, seed_commitment: str | None = None) -> Lottery:
        """Return what decided the ties of a cleared round, and whether its seed is the one that was committed to."""
        address = f"{_AUCTION}/rounds/{part(round_id)}/lottery"
        return record_of(Lottery, self._market.get(address, seed_commitment=seed_commitment))

    def recompute(self, round_id: int) -> Round:
        """Decide a cleared round again from what is stored of it, and return the outcome: the same."""
        return record_of(Round, self._market.get(f"{_AUCTION}/rounds/{part(round_id)}/recomputed"))

    def list_clears(
        self,
        *,
        pool: str = DEFAULT_POOL,
        before_round: int | None = None,
        before_bid: int | None = None,
        limit: int = 100,
    ) -> list[Clear]:
        """Return the slots a pool sold, newest round first."""
        past = {"before_round": before_round, "before_bid": before_bid}
        return records_of(Clear, self._market.get(f"{_AUCTION}/clears", pool=pool, **past, limit=limit))

    # --- bidding

    def place_bid(
        self,
        bidder_id: str | None,
        task_id: str,
        max_price_tokens: int,
        expected_value_usd: float = 0.0,
        ttl_at: datetime | None = None,
        pool: str = DEFAULT_POOL,
        time_in_force: str = "round",
        idempotency_key: str | None = None,
    ) -> Bid:
        """Bid for the next slot of a pool, once; as the key's own account where `bidder_id` is None."""
        bid = {
            "bidder_id": bidder_id,
            "task_id": task_id,
            "max_price_tokens": max_price_tokens,
            "expected_value_usd": expected_value_usd,
            "ttl_at": ttl_at,
            "pool": pool,
            "time_in_force": time_in_force,
        }
        return record_of(Bid, self._market.act("POST", _BIDS, sent(bid), idempotency_key=idempotency_key))

    def place_bids(self, bids: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None) -> list[Bid]:
        """Place bids given by place_bid's argument names, all of them or none."""
        told = self._market.act("POST", _BIDS, [sent(bid) for bid in bids], idempotency_key=idempotency_key)
        return records_of(Bid, told)

    def cancel_bid(self, bid_id: int) -> Bid:
        """Cancel an open bid; what it set aside is free at once."""
        return record_of(Bid, self._market.act("DELETE", f"{_BIDS}/{part(bid_id)}"))

    def wait_for(self, bid_id: int, *, seconds: float | None = None) -> Bid:
        """
        Wait until a bid is decided: won, lost, expired or cancelled; return it as it stands then.

        After so many seconds return it as it stands, open or not. Raises UnknownBid.
        """
        ends = float("inf") if seconds is None else time.monotonic() + seconds
        while True:
            bid = self.get_bid(bid_id)
            left = ends - time.monotonic()
            if bid.status != "open" or left <= 0:
                return bid
            opened = bid.round_id or self.get_pool(bid.pool).open_round_id
            self.wait_for_round(bid.pool, opened, min(left, _MOST_WAIT_SECONDS))

    def wait_for_round(self, pool: str, after: int, seconds: float) -> int:
        """Wait until a pool's open round is another than `after`, at most so many seconds; return the open round."""
        waiting = min(seconds, _MOST_WAIT_SECONDS, self._market.deadline_seconds / 2)
        address = f"{_AUCTION}/pools/{part(pool)}/next-round"
        told: int = self._market.call("GET", address, params={"after": after, "seconds": waiting})["open_round_id"]
        return told

    # --- slots and rounds

    def create_pool(
        self, pool: str, *, mechanism: str = "uniform_price", theta: str | None = None, tie_rule: str = "arrival"
    ) -> Pool:
        """Open a pool."""
        given = {"pool": pool, "mechanism": mechanism, "theta": theta, "tie_rule": tie_rule}
        return record_of(Pool, self._market.act("POST", f"{_AUCTION}/pools", given))

    def offer_slots(
        self,
        count: int,
        *,
        available_at: datetime | None = None,
        pool: str = DEFAULT_POOL,
        reserve_price_tokens: int = 0,
        provider_id: str | None = None,
        expires_at: datetime | None = None,
        token_allowance: int | None = None,
        max_seconds: int | None = None,
        idempotency_key: str | None = None,
    ) -> list[Ask]:
        """Offer like slots, each sold once; as the key's own account, or for an operator as the treasury."""
        asks = {
            "count": count,
            "available_at": available_at,
            "pool": pool,
            "reserve_price_tokens": reserve_price_tokens,
            "provider_id": provider_id,
            "expires_at": expires_at,
            "token_allowance": token_allowance,
            "max_seconds": max_seconds,
        }
        told = self._market.act("POST", f"{_AUCTION}/asks", sent(asks), idempotency_key=idempotency_key)
        return records_of(Ask, told)

    def withdraw_slot(self, slot_id: str) -> Ask:
        """Take an unsold slot off the market."""
        return record_of(Ask, self._market.act("DELETE", f"{_AUCTION}/slots/{part(slot_id)}"))

    def clear_round(self, *, pool: str = DEFAULT_POOL, dry_run: bool = False) -> Round:
        """Sell the slots that are available now to the best bids; as a dry run, only say what would happen."""
        return record_of(Round, self._market.act("POST", f"{_AUCTION}/clear", {"pool": pool, "dry_run": dry_run}))

    def declare_allowance(self, slot_id: str, declared_tokens: int) -> Declaration:
        """Say what the run of a slot that one has won will use, before it is started."""
        told = {"declared_tokens": declared_tokens}
        return record_of(Declaration, self._market.act("POST", f"{_AUCTION}/slots/{part(slot_id)}/declare", told))

    def settle(
        self,
        slot_id: str,
        actual_cost_tokens: int,
        actual_impact: float | None = None,
        attested_by: str | None = None,
        fence: int | None = None,
    ) -> Clear:
        """Debit a slot's winner by the clearing price, and write down cost, impact and ROI."""
        told = {
            "actual_cost_tokens": actual_cost_tokens,
            "actual_impact": actual_impact,
            "attested_by": attested_by,
            "fence": fence,
        }
        return record_of(Clear, self._market.act("POST", f"{_AUCTION}/slots/{part(slot_id)}/settle", told))

    def attest(self, slot_id: str, actual_impact: float, attested_by: str | None = None) -> Clear:
        """Say what a settled slot's impact was, as the key's own account, an evaluator."""
        told = {"actual_impact": actual_impact, "attested_by": attested_by}
        return record_of(Clear, self._market.act("POST", f"{_AUCTION}/slots/{part(slot_id)}/attest", told))

    def void(self, slot_id: str, reason: str = "voided") -> Clear:
        """Undo a clear whose slot died."""
        return record_of(Clear, self._market.act("POST", f"{_AUCTION}/slots/{part(slot_id)}/void", {"reason": reason}))


def sent(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as JSON takes them, without those left out."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in given.items()
        if value is not None
    }

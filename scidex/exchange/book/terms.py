"""The terms of a bid, as they follow from what was asked and from the bid that stands."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from scidex.records import Bid
from scidex.store.database import Row

Request = dict[str, Any]
Terms = dict[str, Any]


def new_terms(
    request: Request, stands: Row | None, *, round_id: int, reason: str, now: datetime, ttl: timedelta
) -> Terms:
    """
    Return the terms of a bid for a round (0: one that rests), with the reason for which it may not compete, if any.

    Without a number where it is to be drawn: a new bid's, and a new place in the queue.
    """
    # An amended bid keeps its place in the queue only where its price and its time in force stay.
    keeps_place = (
        stands is not None
        and stands["max_price_tokens"] == request["max_price_tokens"]
        and stands["round_id"] == round_id
    )
    return {
        "id": stands["id"] if stands else None,
        "bidder_id": request["bidder_id"],
        "task_id": request["task_id"],
        "max_price_tokens": request["max_price_tokens"],
        "expected_value_usd": request["expected_value_usd"],
        "ttl_at": request["ttl_at"] or now + ttl,
        "pool": request["pool"],
        "placed_at": now,
        "sequence": stands["sequence"] if stands and keeps_place else None,
        "time_in_force": request["time_in_force"],
        "round_id": round_id,
        "competing": int(not reason),
        "reason": reason,
        "for_backlog": request.get("for_backlog", 0),
    }


def number(terms: Terms, drawn: int) -> None:
    """Give a bid that was just placed its place in the queue, and where it is new its id."""
    terms["sequence"] = drawn
    terms["id"] = terms["id"] or drawn


def answer(terms: Terms) -> Bid:
    """Return an open bid on these terms."""
    return Bid(
        id=terms["id"],
        bidder_id=terms["bidder_id"],
        task_id=terms["task_id"],
        max_price_tokens=terms["max_price_tokens"],
        expected_value_usd=terms["expected_value_usd"],
        ttl_at=terms["ttl_at"],
        status="open",
        pool=terms["pool"],
        placed_at=terms["placed_at"],
        sequence=terms["sequence"],
        time_in_force=terms["time_in_force"],
        round_id=terms["round_id"],
        reason=terms["reason"],
    )

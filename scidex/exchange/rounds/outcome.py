"""What a round's book decides, and what is kept of it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

from scidex.exchange.book.pools import OpenPool
from scidex.exchange.rounds import floors
from scidex.exchange.rounds.floors import Gift, Offer
from scidex.mechanism.eligibility import TASK_RUNNING, Sifted
from scidex.mechanism.registry import MECHANISMS
from scidex.mechanism.registry import clear as clear_by
from scidex.mechanism.tie_breaking import Standing
from scidex.mechanism.values import Ask, Bid, Clearing
from scidex.records import Clear
from scidex.store.database import Row
from scidex.store.db_writes import as_json


class SoldSlot(NamedTuple):
    """A slot and the bid that won it."""

    slot: Offer
    bid: Standing
    price: int
    proceeds: int


class Outcome(NamedTuple):
    """What a round's bids and asks decide; the slots are sold in the order in which they were offered."""

    sold: list[SoldSlot]
    price: int | None
    runner_up: Standing | None


def provider_owners(offers: Iterable[Offer]) -> set[str]:
    return {offer.owner_id for offer in offers if offer.kind != "system"}


def decide(mechanism: str, parameters: Mapping[str, Any], competing: list[Standing], offers: list[Offer]) -> Outcome:
    """Return what a round decides: a function of its competing bids, best first, and its offers, and nothing else."""
    # The rules know bids and slots by their places.
    bids: dict[Hashable, Standing] = dict(enumerate(competing))
    slots: dict[Hashable, Offer] = dict(enumerate(offers))
    clearing = clear_by(
        mechanism,
        [Bid(place, bid.owner, bid.price, place) for place, bid in enumerate(competing)],
        [Ask(place, offer.provider_id, offer.reserve_price_tokens) for place, offer in enumerate(offers)],
        **parameters,
    )
    return Outcome(
        sold=_sold(clearing, bids, slots),
        price=None if clearing.price is None else math.floor(clearing.price),
        runner_up=None if clearing.runner_up is None else bids[clearing.runner_up],
    )


def _sold(clearing: Clearing, bids: Mapping[Hashable, Standing], slots: Mapping[Hashable, Offer]) -> list[SoldSlot]:
    if not clearing.trades:
        return []
    bid_ids, ask_ids, pays, gets = zip(*clearing.trades, strict=True)
    # By columns, as there may be very many. Where a rule yields a fraction of a token both sides are rounded down: that
    # is still within every winner's bid, and never below a reserve, which is whole.
    columns = (
        map(slots.__getitem__, ask_ids),
        map(bids.__getitem__, bid_ids),
        map(math.floor, pays),
        map(math.floor, gets),
    )
    return sorted(map(SoldSlot._make, zip(*columns, strict=True)), key=attrgetter("slot.sequence"))


def with_gift(clears: list[Clear], gift: Gift | None, market: OpenPool, now: datetime) -> list[Clear]:
    """Return the clears of a round with the slot that the floor gave away, which has no bid, after them."""
    return [*clears, floors.clear_of(gift, pool=market.pool, round_id=market.open_round_id, at=now)] if gift else clears


def clears_of(market: OpenPool, outcome: Outcome, now: datetime) -> list[Clear]:
    pool, round_id = market.pool, market.open_round_id
    task, best_lost = runner_up_of(outcome)
    # By place, as there may be very many: in the order of Clear's fields.
    return [
        Clear(
            slot.slot_id,
            price,
            bid.task,
            task,
            now,
            None,
            pool,
            round_id,
            bid.id,
            bid.bidder,
            slot.provider_id,
            bid.price,
            bid.price - price,
            proceeds,
            best_lost,
            None,
            None,
            None,
            None,
            "won",
            "",
        )
        for slot, bid, price, proceeds in outcome.sold
    ]


def runner_up_of(outcome: Outcome) -> tuple[str | None, int | None]:
    runner_up = outcome.runner_up
    return (runner_up.task, runner_up.price) if runner_up else (None, None)


def remembered_of(
    market: OpenPool, offers: list[Offer], owners: set[str], sifted: Sifted, outcome: Outcome, gift: Gift | None
) -> dict[str, Any]:
    """
    Return what decided this round and could not be found again: resting bids that lost, slots that nobody bought.

    Round bids stay in the book as they were. Of a rule that looks at the margin alone the best losers suffice.
    """
    won = {one.bid.id for one in outcome.sold}
    sold = {one.slot.slot_id for one in outcome.sold}
    # Trade reduction sells one slot fewer than it finds; the margin is then the pair after the sold ones.
    margin = len(won) + 2
    whole = MECHANISMS[market.mechanism].reads_whole_book
    losers = [bid for bid in sifted.competing[: None if whole else margin] if bid.resting and bid.id not in won]
    unsold = [offer for offer in offers if offer.slot_id not in sold]
    return {
        "resting": losers,
        "unsold": unsold if whole else unsold[:2],
        "provider_owners": sorted(owners),
        "running": sorted(bid_id for bid_id, reason in sifted.passed_over.items() if reason == TASK_RUNNING),
        **({"floor": gift._asdict()} if gift else {}),
    }


def digest_of(facts: Row, theta: str | None, remembered: str, clears: Iterable[Clear]) -> str:
    sold = [(c.slot_id, c.bid_id, c.clearing_price_tokens, c.provider_proceeds_tokens) for c in clears]
    return hashlib.sha256(as_json([facts, theta, remembered, sold]).encode()).hexdigest()

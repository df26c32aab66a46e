"""The compute auction over HTTP: the book, bids, rounds, slots, and the prices they went for."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body, Query

from scidex.exchange import compute_auction
from scidex.exchange.records import Ask, Bid, BidderStats, Clear, MarketSettings, Pool, Quote, Round, RoundSummary
from scidex.web import schemas
from scidex.web.dependencies import POOL, Before, Db, IdempotencyKey, Limit, Name, Number, PoolName, router

routes = router("/api/compute-auction", "compute auction")

Hours = Annotated[float, Query(ge=0.001, le=24 * 366, description="How far to look back.")]
Probability = Annotated[float, Query(gt=0, lt=1, description="The chance to win that is wanted.")]


@routes.get("/order-book", response_model=schemas.OrderBook)
def get_order_book(db: Db, pool: PoolName = POOL, limit: Limit = 1_000) -> dict[str, Any]:
    """Return a pool's open bids, best first, and its slots on offer, soonest first."""
    return compute_auction.get_order_book(pool=pool, limit=limit, db=db)


@routes.get("/stats")
def get_stats(db: Db, pool: PoolName = POOL, hours: Hours = 24) -> dict[str, Any]:
    """Return what a pool did lately: prices, fill rate, tokens, and the top 10 wins against realised impact."""
    return compute_auction.get_recent_stats(hours=hours, pool=pool, db=db)


@routes.get("/bidders", response_model=schemas.BidderStats)
def get_bidder_stats(db: Db, pool: PoolName = POOL, hours: Hours = 24, limit: Limit = 100) -> list[BidderStats]:
    """Return what each bidder won lately, what it paid and what came of it; most paid first."""
    return compute_auction.get_bidder_stats(hours=hours, pool=pool, limit=limit, db=db)


@routes.get("/quote", response_model=schemas.Quote)
def get_quote(db: Db, pool: PoolName = POOL, probability: Probability = 0.9) -> Quote:
    """Return what to bid to win the next round with a probability."""
    return compute_auction.quote(probability, pool=pool, db=db)


@routes.get("/pools", response_model=schemas.Pools)
def list_pools(db: Db) -> list[Pool]:
    """Return every pool, by name."""
    return compute_auction.list_pools(db=db)


@routes.get("/pools/{pool:id}", response_model=schemas.Pool)
def get_pool(pool: Name, db: Db) -> Pool:
    """Return how a pool clears, and the commitment to its open round's lottery."""
    return compute_auction.get_pool(pool, db=db)


@routes.get("/pools/{pool:id}/settings", response_model=schemas.MarketSettings)
def get_market_settings(pool: Name, db: Db) -> MarketSettings:
    """Return what a pool is set to."""
    return compute_auction.get_market_settings(pool, db=db)


@routes.post("/bids", status_code=201, response_model=schemas.OneBidOrMany)
def place_bids(
    bids: Annotated[schemas.NewBids, Body()], db: Db, idempotency_key: IdempotencyKey = None
) -> Bid | list[Bid]:
    """
    Place one bid, or a list of bids of which all are placed or none.

    An Idempotency-Key stands for the key of a single bid, and for one key a bid of a list.
    """
    if isinstance(bids, list):
        requests = [_with_key(bid, idempotency_key and f"{idempotency_key} {n}") for n, bid in enumerate(bids)]
        return compute_auction.place_bids(requests, db=db)
    return compute_auction.place_bid(**_with_key(bids, idempotency_key), db=db)


@routes.get("/bids", response_model=schemas.Bids)
def list_open_bids(db: Db, bidder_id: Annotated[str, Query(max_length=200)], limit: Limit = 100) -> list[Bid]:
    """Return a bidder's open bids, the dearest first."""
    return compute_auction.list_open_bids(bidder_id, limit=limit, db=db)


@routes.get("/bids/{bid_id}", response_model=schemas.ExplainedBid)
def get_bid(bid_id: Number, db: Db) -> dict[str, Any]:
    """Return a bid as it stands, and why it won or lost."""
    bid = compute_auction.get_bid(bid_id, db=db)
    return {**bid._asdict(), "explanation": compute_auction.explain(bid_id, db=db)}


@routes.delete("/bids/{bid_id}", response_model=schemas.Bid)
def cancel_bid(bid_id: Number, db: Db) -> Bid:
    """Cancel an open bid; what it set aside is free at once."""
    return compute_auction.cancel_bid(bid_id, db=db)


@routes.get("/rounds", response_model=schemas.RoundSummaries)
def list_rounds(db: Db, pool: PoolName = POOL, before: Before = None, limit: Limit = 100) -> list[RoundSummary]:
    """Return a pool's rounds, newest first; pass the last round_id as `before` for the next page."""
    return compute_auction.list_rounds(pool=pool, before=before, limit=limit, db=db)


@routes.get("/rounds/{round_id}", response_model=schemas.Round)
def get_round(round_id: Number, db: Db) -> Round:
    """Return a cleared round as it was recorded, its clears as they stand now."""
    return compute_auction.get_round(round_id, db=db)


@routes.get("/rounds/{round_id}/bids", response_model=schemas.Bids)
def list_round_bids(round_id: Number, db: Db, limit: Limit = 100) -> list[Bid]:
    """Return the bids that competed in a cleared round, best first."""
    return compute_auction.list_round_bids(round_id, limit=limit, db=db)


@routes.get("/clears", response_model=schemas.Clears)
def list_clears(
    db: Db, pool: PoolName = POOL, before_round: Before = None, before_bid: Before = None, limit: Limit = 100
) -> list[Clear]:
    """Return the slots sold, newest first; pass the last one's round_id and bid_id for the next page."""
    return compute_auction.list_clears(pool=pool, before_round=before_round, before_bid=before_bid, limit=limit, db=db)


@routes.get("/slots", response_model=schemas.Clears)
def list_won_slots(db: Db, bidder_id: Annotated[str, Query(max_length=200)], limit: Limit = 100) -> list[Clear]:
    """Return the slots that a bidder has won and that are not settled, the oldest first."""
    return compute_auction.list_won_slots(bidder_id, limit=limit, db=db)


@routes.post("/asks", status_code=201, response_model=schemas.Asks)
def offer_slots(asks: schemas.NewAsks, db: Db, idempotency_key: IdempotencyKey = None) -> list[Ask]:
    """Offer like slots, each sold once."""
    return compute_auction.offer_slots(**_with_key(asks, idempotency_key), db=db)


@routes.post("/clear", response_model=schemas.Round)
def clear_round(order: schemas.ClearNow, db: Db) -> Round:
    """Sell the slots that are available now to the best bids; as a dry run, only say what would happen."""
    return compute_auction.clear_round(pool=order.pool, dry_run=order.dry_run, db=db)


@routes.post("/slots/{slot_id:id}/settle", response_model=schemas.Clear)
def settle(slot_id: Name, settlement: schemas.Settlement, db: Db) -> Clear:
    """Debit a slot's winner by the clearing price, and write down cost, impact and ROI."""
    return compute_auction.settle(slot_id, **settlement.model_dump(), db=db)


@routes.post("/slots/{slot_id:id}/attest", response_model=schemas.Clear)
def attest(slot_id: Name, attestation: schemas.Attestation, db: Db) -> Clear:
    """Say what a settled slot's impact was, as an evaluator."""
    return compute_auction.attest(slot_id, **attestation.model_dump(), db=db)


@routes.post("/slots/{slot_id:id}/void", response_model=schemas.Clear)
def void(slot_id: Name, why: schemas.Reason, db: Db) -> Clear:
    """Undo a sale whose slot died; the winner's tokens are free again."""
    return compute_auction.void(slot_id, reason=why.reason, db=db)


@routes.delete("/slots/{slot_id:id}", response_model=schemas.Ask)
def withdraw_slot(slot_id: Name, db: Db) -> Ask:
    """Take an unsold slot off the market."""
    return compute_auction.withdraw_slot(slot_id, db=db)


def _with_key(body: schemas.NewBid | schemas.NewAsks, idempotency_key: str | None) -> dict[str, Any]:
    given = body.model_dump()
    return {**given, "idempotency_key": given["idempotency_key"] or idempotency_key}

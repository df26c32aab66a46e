"""The compute auction over HTTP: the book, bids, rounds, slots, and the prices they went for."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Body, Query, Request, Response

from scidex.errors import InvalidSetting
from scidex.exchange import compute_auction, ownership
from scidex.records import (
    Ask,
    Bid,
    BidderStats,
    Clear,
    Declaration,
    Lottery,
    MarketSettings,
    Pool,
    Principal,
    Quote,
    Round,
    RoundSummary,
)
from scidex.settings import TREASURY
from scidex.store import Database
from scidex.web import schemas
from scidex.web.access import allows
from scidex.web.dependencies import ANY, POOL, Before, Db, Doors, Hours, Limit, Name, Number, PoolName, Who, router
from scidex.web.limits import Rate
from scidex.web.paging import link_next

routes = router("/api/compute-auction", "compute auction")

Bidder = Annotated[str | None, Query(min_length=1, max_length=200, description="Whose; the key's own unless given.")]
BidNumber = Annotated[int | None, Query(ge=1, le=2**53 - 1, description="Only those behind this bid.")]
# Arguments of the verb that no value of a profile may be named like.
RESERVED = frozenset({"pool", "profile", "only_new", "now", "db"})
Commitment = Annotated[
    str | None, Query(max_length=200, description="The hash of the seed that was shown while the round was open.")
]
Probability = Annotated[float, Query(gt=0, lt=1, description="The chance to win that is wanted.")]


@routes.get("/order-book", response_model=schemas.OrderBook)
@allows(*ANY)
def get_order_book(db: Db, pool: PoolName = POOL, limit: Limit = 1_000) -> dict[str, Any]:
    """Return a pool's open bids, best first, and its slots on offer, soonest first."""
    return compute_auction.get_order_book(pool=pool, limit=limit, db=db)


@routes.get("/stats")
@allows(*ANY)
def get_stats(db: Db, pool: PoolName = POOL, hours: Hours = 24) -> dict[str, Any]:
    """Return what a pool did lately: prices, fill rate, tokens, and the top 10 wins against realised impact."""
    return compute_auction.get_recent_stats(hours=hours, pool=pool, db=db)


@routes.get("/bidders", response_model=schemas.BidderStats)
@allows(*ANY)
def get_bidder_stats(db: Db, pool: PoolName = POOL, hours: Hours = 24, limit: Limit = 100) -> list[BidderStats]:
    """Return what each bidder won lately, what it paid and what came of it; most paid first."""
    return compute_auction.get_bidder_stats(hours=hours, pool=pool, limit=limit, db=db)


@routes.get("/quote", response_model=schemas.Quote)
@allows(*ANY)
def get_quote(db: Db, pool: PoolName = POOL, probability: Probability = 0.9) -> Quote:
    """Return what to bid to win the next round with a probability."""
    return compute_auction.quote(probability, pool=pool, db=db)


@routes.get("/pools", response_model=schemas.Pools)
@allows(*ANY)
def list_pools(db: Db) -> list[Pool]:
    """Return every pool, by name."""
    return compute_auction.list_pools(db=db)


@routes.get("/pools/{pool:id}", response_model=schemas.Pool)
@allows(*ANY)
def get_pool(pool: Name, db: Db) -> Pool:
    """Return how a pool clears, and the commitment to its open round's lottery."""
    return compute_auction.get_pool(pool, db=db)


@routes.get("/pools/{pool:id}/settings", response_model=schemas.MarketSettings)
@allows(*ANY)
def get_market_settings(pool: Name, db: Db) -> MarketSettings:
    """Return what a pool is set to."""
    return compute_auction.get_market_settings(pool, db=db)


@routes.put("/pools/{pool:id}/settings", response_model=schemas.MarketSettings)
@allows("admin")
def configure_pool(pool: Name, to: schemas.PoolSettings, db: Db) -> MarketSettings:
    """Set a pool to a profile's values, some of them replaced by name, from its open round on."""
    for name in RESERVED & to.overrides.keys():
        raise InvalidSetting(field=f"overrides.{name}", value=to.overrides[name], fact="is no setting of a profile")
    return compute_auction.configure_pool(pool, to.profile, only_new=to.only_new, **to.overrides, db=db)


@routes.post("/pools", status_code=201, response_model=schemas.Pool)
@allows("admin")
def create_pool(pool: schemas.NewPool, db: Db) -> Pool:
    """Open a pool: a book of like slots, cleared by one mechanism."""
    return compute_auction.create_pool(**pool.model_dump(), db=db)


@routes.post("/bids", status_code=201, response_model=schemas.OneBidOrMany)
@allows("bid", moves_tokens=True)
def place_bids(bids: Annotated[schemas.NewBids, Body()], who: Who, doors: Doors, db: Db) -> Bid | list[Bid]:
    """Place one bid of the key's own account, or a list of bids of which all are placed or none."""
    if not isinstance(bids, list):
        return place(bids, who, doors.bids, db)
    requests = [_terms(bid, who, field=f"[{n}].bidder_id") for n, bid in enumerate(bids)]
    doors.bids.take(who.account_id, max(1, len(requests)))
    return compute_auction.place_bids(requests, db=db)


def place(bid: schemas.NewBid, who: Principal, rate: Rate, db: Database) -> Bid:
    """Place one bid of a principal's own account, within its rate of bids."""
    terms = _terms(bid, who, field="bidder_id")
    rate.take(who.account_id, 1)
    return compute_auction.place_bid(**terms, db=db)


def _terms(bid: schemas.NewBid, who: Principal, *, field: str) -> dict[str, Any]:
    return {**bid.model_dump(), "bidder_id": ownership.check_named(who, bid.bidder_id, field)}


@routes.get("/bids", response_model=schemas.Bids)
@allows(*ANY)
def list_open_bids(
    who: Who,
    request: Request,
    response: Response,
    db: Db,
    bidder_id: Bidder = None,
    after: BidNumber = None,
    limit: Limit = 100,
) -> list[Bid]:
    """Return a bidder's open bids, the dearest first; the key's own account's unless another of its owner is named."""
    bidder = bidder_id or who.account_id
    ownership.check_sees_account(who, bidder, field="bidder_id", db=db)
    found = compute_auction.list_open_bids(bidder, after=after, limit=limit, db=db)
    return link_next(request, response, found, limit, after=lambda last: last.id)


@routes.get("/bids/{bid_id}", response_model=schemas.ExplainedBid)
@allows(*ANY)
def get_bid(bid_id: Number, who: Who, db: Db) -> dict[str, Any]:
    """Return a bid as it stands, and why it won or lost, to its bidder's owner."""
    ownership.check_sees_bid(who, bid_id, db=db)
    bid = compute_auction.get_bid(bid_id, db=db)
    return {**bid._asdict(), "explanation": compute_auction.explain(bid_id, db=db)}


@routes.delete("/bids/{bid_id}", response_model=schemas.Bid)
@allows("bid", "admin")
def cancel_bid(bid_id: Number, who: Who, db: Db) -> Bid:
    """Cancel an open bid; what it set aside is free at once."""
    ownership.check_acts_on_bid(who, bid_id, db=db)
    return compute_auction.cancel_bid(bid_id, db=db)


@routes.get("/rounds", response_model=schemas.RoundSummaries)
@allows(*ANY)
def list_rounds(
    request: Request, response: Response, db: Db, pool: PoolName = POOL, before: Before = None, limit: Limit = 100
) -> list[RoundSummary]:
    """Return a pool's rounds, newest first; pass the last round_id as `before` for the next page."""
    found = compute_auction.list_rounds(pool=pool, before=before, limit=limit, db=db)
    return link_next(request, response, found, limit, before=lambda last: last.round_id)


@routes.get("/rounds/{round_id}", response_model=schemas.Round)
@allows(*ANY)
def get_round(round_id: Number, db: Db) -> Round:
    """Return a cleared round as it was recorded, its clears as they stand now."""
    return compute_auction.get_round(round_id, db=db)


@routes.get("/rounds/{round_id}/bids", response_model=schemas.Bids)
@allows(*ANY)
def list_round_bids(
    round_id: Number, request: Request, response: Response, db: Db, after: BidNumber = None, limit: Limit = 100
) -> list[Bid]:
    """Return the bids that competed in a cleared round, best first."""
    found = compute_auction.list_round_bids(round_id, after=after, limit=limit, db=db)
    return link_next(request, response, found, limit, after=lambda last: last.id)


@routes.get("/rounds/{round_id}/lottery", response_model=schemas.Lottery)
@allows(*ANY)
def check_lottery(round_id: Number, db: Db, seed_commitment: Commitment = None) -> Lottery:
    """Return what decided the ties of a cleared round, and whether its seed is the one that was committed to."""
    return compute_auction.check_lottery(round_id, seed_commitment, db=db)


@routes.get("/rounds/{round_id}/recomputed", response_model=schemas.Round)
@allows(*ANY)
def recompute(round_id: Number, db: Db) -> Round:
    """Decide a cleared round again from what is stored of it, and return the outcome: the same, or a refusal."""
    return compute_auction.recompute(round_id, db=db)


@routes.get("/clears", response_model=schemas.Clears)
@allows(*ANY)
def list_clears(
    request: Request,
    response: Response,
    db: Db,
    pool: PoolName = POOL,
    before_round: Before = None,
    before_bid: Before = None,
    limit: Limit = 100,
) -> list[Clear]:
    """Return the slots sold, newest first; pass the last one's round_id and bid_id for the next page."""
    found = compute_auction.list_clears(pool=pool, before_round=before_round, before_bid=before_bid, limit=limit, db=db)
    cursor = {"before_round": lambda last: last.round_id, "before_bid": lambda last: last.bid_id}
    return link_next(request, response, found, limit, **cursor)


@routes.get("/slots", response_model=schemas.Clears)
@allows(*ANY)
def list_won_slots(
    who: Who,
    request: Request,
    response: Response,
    db: Db,
    bidder_id: Bidder = None,
    after: Annotated[str, Query(max_length=200, description="Only those behind this slot.")] = "",
    limit: Limit = 100,
) -> list[Clear]:
    """Return the slots that a bidder has won and that are not settled, the oldest first."""
    bidder = bidder_id or who.account_id
    ownership.check_sees_account(who, bidder, field="bidder_id", db=db)
    found = compute_auction.list_won_slots(bidder, after=after, limit=limit, db=db)
    return link_next(request, response, found, limit, after=lambda last: last.slot_id)


@routes.post("/asks", status_code=201, response_model=schemas.Asks)
@allows("work", "admin", moves_tokens=True)
def offer_slots(asks: schemas.NewAsks, who: Who, db: Db) -> list[Ask]:
    """Offer like slots of the key's own account, each sold once; an operator offers the treasury's, or another's."""
    if who.is_operator:
        provider_id = asks.provider_id or TREASURY
    else:
        provider_id = ownership.check_named(who, asks.provider_id, "provider_id")
    return compute_auction.offer_slots(**{**asks.model_dump(), "provider_id": provider_id}, db=db)


@routes.post("/clear", response_model=schemas.Round)
@allows("admin")
def clear_round(order: schemas.ClearNow, db: Db) -> Round:
    """Sell the slots that are available now to the best bids; as a dry run, only say what would happen."""
    return compute_auction.clear_round(pool=order.pool, dry_run=order.dry_run, db=db)


@routes.post("/slots/{slot_id:id}/declare", response_model=schemas.Declaration)
@allows("bid", "admin")
def declare_allowance(slot_id: Name, declared: schemas.NewDeclaration, who: Who, db: Db) -> Declaration:
    """Say what the run of a slot that the key's own account won will use, before it is started."""
    ownership.check_won(who, slot_id, db=db)
    return compute_auction.declare_allowance(slot_id, declared.declared_tokens, db=db)


@routes.post("/slots/{slot_id:id}/settle", response_model=schemas.Clear)
@allows("work", "admin")
def settle(slot_id: Name, settlement: schemas.Settlement, who: Who, db: Db) -> Clear:
    """Debit a slot's winner by the clearing price, and write down cost, impact and ROI."""
    ownership.parties_of(who, slot_id, db=db)
    ownership.check_may_attest(who, settlement.attested_by)
    return compute_auction.settle(slot_id, **settlement.model_dump(), db=db)


@routes.post("/slots/{slot_id:id}/attest", response_model=schemas.Clear)
@allows("attest")
def attest(slot_id: Name, attestation: schemas.Attestation, who: Who, db: Db) -> Clear:
    """Say what a settled slot's impact was, as an evaluator that does not belong to the bidder's owner."""
    attested_by = ownership.check_named(who, attestation.attested_by, "attested_by")
    return compute_auction.attest(slot_id, attestation.actual_impact, attested_by, db=db)


@routes.post("/slots/{slot_id:id}/void", response_model=schemas.Clear)
@allows("work", "admin")
def void(slot_id: Name, why: schemas.Reason, who: Who, db: Db) -> Clear:
    """Undo a clear whose slot died, as its provider; the winner's tokens are free again."""
    ownership.check_provides(who, slot_id, db=db)
    return compute_auction.void(slot_id, reason=why.reason, db=db)


@routes.delete("/slots/{slot_id:id}", response_model=schemas.Ask)
@allows("work", "admin")
def withdraw_slot(slot_id: Name, who: Who, db: Db) -> Ask:
    """Take an unsold slot off the market, as its provider."""
    ownership.check_provides(who, slot_id, db=db)
    return compute_auction.withdraw_slot(slot_id, db=db)

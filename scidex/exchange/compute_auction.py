"""The market's verbs: offer slots, bid, clear, settle, and ask why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, TypeVar

from scidex import settings as _settings
from scidex.errors import BidsRefused, InvalidArgument, InvalidSetting, ScidexError, UnknownBid, UnknownSlot
from scidex.exchange import arguments as checked
from scidex.exchange.book import asks, endings, market_settings, pools
from scidex.exchange.book import bids as book_bids
from scidex.exchange.income import refills
from scidex.exchange.rounds import clearing, recomputation
from scidex.exchange.views import explanations, listings, lotteries, quotes
from scidex.exchange.work import declarations, settlement
from scidex.mechanism.registry import MECHANISMS
from scidex.mechanism.tie_breaking import TIE_RULES
from scidex.profiles import profile_named, values_of
from scidex.records import (
    Ask,
    Bid,
    BidderStats,
    Clear,
    Declaration,
    Explanation,
    Lottery,
    MarketSettings,
    Pool,
    Quote,
    Round,
    RoundSummary,
)
from scidex.settings import DEFAULT_POOL, TREASURY
from scidex.store import Database
from scidex.store.db_writes import execute_journaled
from scidex.store.migrate import migrate

__all__ = [
    "attest",
    "cancel_bid",
    "check_lottery",
    "clear_round",
    "configure_pool",
    "create_pool",
    "declare_allowance",
    "ensure_schema",
    "explain",
    "get_bid",
    "get_bidder_stats",
    "get_market_settings",
    "get_order_book",
    "get_pool",
    "get_recent_stats",
    "get_round",
    "list_clears",
    "list_open_bids",
    "list_pools",
    "list_round_bids",
    "list_rounds",
    "list_task_bids",
    "list_won_slots",
    "offer_slots",
    "place_bid",
    "place_bids",
    "quote",
    "recompute",
    "refund_unfilled",
    "settle",
    "void",
    "withdraw_slot",
    "write_decided_bids",
]

_MOST_SLOTS_AT_ONCE = 100_000
_MOST_BIDS_AT_ONCE = 100_000
_MOST_PAGE = 10_000
_MOST_SECONDS = 10 * 365 * 86_400
_MOST_NUMBER = 2**63 - 1
_TIMES_IN_FORCE = ("round", "gtt")

Result = TypeVar("Result")


def ensure_schema(*, db: Database | None = None) -> list[str]:
    """
    Bring a database's schema up to date, and open the system's accounts and the default pool where they are missing.

    Safe to call again, and by many processes at once. Returns the names of the migrations taken now.
    Raises SchemaTooNew, SchemaTooOld, MigrationEdited.
    """
    database = checked.database(db)
    taken = migrate(database)
    execute_journaled(database, pools.open_market, {"pool": DEFAULT_POOL})
    return taken


def create_pool(
    pool: str,
    *,
    mechanism: str = "uniform_price",
    theta: Fraction | float | str | None = None,
    tie_rule: str = "arrival",
    now: datetime | None = None,
    db: Database | None = None,
) -> Pool:
    """
    Open a pool: a book of like slots, cleared by one mechanism.

    `theta` (0 to 1) is for the rules that weigh two prices. Raises PoolExists, InvalidArgument.
    """
    rule = checked.choice(mechanism, "mechanism", tuple(MECHANISMS))
    if not MECHANISMS[rule].balanced:
        raise InvalidArgument(
            field="mechanism", value=rule, fact="pays providers more than buyers bring, which a pool cannot fund"
        )
    arguments = {
        "pool": checked.identifier(pool, "pool"),
        "mechanism": rule,
        "theta": _theta(theta, takes_one="theta" in MECHANISMS[rule].parameters),
        "tie_rule": checked.choice(tie_rule, "tie_rule", TIE_RULES),
    }
    return _journaled(db, pools.create_pool, arguments, now)


def get_pool(pool: str = DEFAULT_POOL, *, db: Database | None = None) -> Pool:
    """Return how a pool clears, and the commitment to its open round's lottery. Raises UnknownPool."""
    return listings.pool(checked.database(db), checked.identifier(pool, "pool"))


def configure_pool(
    pool: str = DEFAULT_POOL,
    profile: str = "recommended",
    *,
    only_new: bool = False,
    now: datetime | None = None,
    db: Database | None = None,
    **overrides: Any,
) -> MarketSettings:
    """
    Set a pool to a profile's values, some of them replaced by name, from its open round on; return what it is set to.

    The values are kept with the pool, so that all processes agree. With `only_new` a pool that was configured or has
    cleared a round stays as it is. A pool that was never configured goes by `brief`. Raises UnknownPool, and
    InvalidSetting, which names the value that is wrong.
    """
    if type(only_new) is not bool:
        raise InvalidArgument(field="only_new", value=only_new, fact="must be True or False")
    chosen = profile_named(profile, **overrides)
    for name, only in (("claims", "amounts"), ("haste", 0.0)):
        if getattr(chosen, name) != only:
            raise InvalidSetting(field=name, value=getattr(chosen, name), fact="can be tried in the lab alone so far")
    arguments = {
        "pool": checked.identifier(pool, "pool"),
        "profile": profile,
        "settings": values_of(chosen),
        "only_new": only_new,
    }
    return _journaled(db, market_settings.configure_pool, arguments, now)


def get_market_settings(pool: str = DEFAULT_POOL, *, db: Database | None = None) -> MarketSettings:
    """Return what a pool is set to. Raises UnknownPool."""
    with checked.database(db).reading() as tx:
        return market_settings.read(tx, checked.identifier(pool, "pool"))


def offer_slots(
    count: int,
    *,
    available_at: datetime | None = None,
    pool: str = DEFAULT_POOL,
    reserve_price_tokens: int = 0,
    provider_id: str = TREASURY,
    expires_at: datetime | None = None,
    token_allowance: int | None = None,
    max_seconds: int | None = None,
    idempotency_key: str | None = None,
    now: datetime | None = None,
    db: Database | None = None,
) -> list[Ask]:
    """
    Offer `count` like slots, each sold once, at no less than the reserve; the provider gets what they sell for.

    They are sold from `available_at` (now unless given) until `expires_at` (for ever unless given). Where the pool ties
    the treasury's reserve to utilisation, its slots ask at least that much. Raises UnknownPool,
    UnknownAccount, InvalidAmount, InvalidTime, IdempotencyConflict.
    """
    arguments = {
        "count": checked.count(count, "count", most=_MOST_SLOTS_AT_ONCE),
        "pool": checked.identifier(pool, "pool"),
        "reserve_price_tokens": checked.tokens(reserve_price_tokens, "reserve_price_tokens", least=0),
        "provider_id": checked.identifier(provider_id, "provider_id"),
        "available_at": _instant(available_at, "available_at"),
        "expires_at": _instant(expires_at, "expires_at"),
        "token_allowance": None if token_allowance is None else checked.tokens(token_allowance, "token_allowance"),
        "max_seconds": None if max_seconds is None else checked.count(max_seconds, "max_seconds", most=_MOST_SECONDS),
        "idempotency_key": _key(idempotency_key),
    }
    return _journaled(db, asks.offer_slots, arguments, now, has_own_key=idempotency_key is not None)


def withdraw_slot(slot_id: str, *, now: datetime | None = None, db: Database | None = None) -> Ask:
    """Take an unsold slot off the market. Raises UnknownSlot, AskNotOpen."""
    return _journaled(db, asks.withdraw_slot, {"slot_id": _slot(slot_id)}, now)


def place_bid(
    bidder_id: str,
    task_id: str,
    max_price_tokens: int,
    expected_value_usd: float = 0.0,
    ttl_at: datetime | None = None,
    pool: str = DEFAULT_POOL,
    time_in_force: str = "round",
    idempotency_key: str | None = None,
    *,
    now: datetime | None = None,
    db: Database | None = None,
) -> Bid:
    """
    Bid for the next slot of a pool, and set aside the most that this can come to cost.

    `time_in_force`: a `round` bid stands for one round, a `gtt` bid rests in the book until `ttl_at` (a day from now
    unless given). An open bid of this bidder for this task and pool is amended: it keeps its id, and its place in the
    queue where the price stays. The same idempotency key and arguments answer the same bid.

    Raises UnknownAccount, UnknownPool, InsufficientTokens, InvalidAmount, InvalidTime, InvalidId, InvalidArgument,
    TooManyOpenBids, IdempotencyConflict.
    """
    request = _request(
        bidder_id, task_id, max_price_tokens, expected_value_usd, ttl_at, pool, time_in_force, idempotency_key
    )
    try:
        return _placed([request], now, db)[0]
    except BidsRefused as refused:
        raise refused.errors[0] from None


def place_bids(
    bids: Iterable[Mapping[str, Any]], *, now: datetime | None = None, db: Database | None = None
) -> list[Bid]:
    """
    Place bids given by place_bid's argument names, all of them or none; return them in the same order.

    Raises BidsRefused, whose `errors` has the error of each refused bid by its index, and InvalidArgument for what is
    no list of at most 100,000 bids.
    """
    if isinstance(bids, (str, bytes, Mapping)) or not isinstance(bids, Iterable):
        raise InvalidArgument(field="bids", value=bids, fact="must be a list of bids")
    requests: list[dict[str, Any]] = []
    errors: dict[int, ScidexError] = {}
    for index, bid in enumerate(bids):
        if index == _MOST_BIDS_AT_ONCE:
            raise InvalidArgument(field="bids", value=index + 1, fact=f"must be at most {_MOST_BIDS_AT_ONCE} bids")
        try:
            requests.append(_request_of(bid))
        except ScidexError as error:
            errors[index] = error
    if errors:
        raise BidsRefused(errors=errors)
    return _placed(requests, now, db) if requests else []


def get_bid(bid_id: int, *, db: Database | None = None) -> Bid:
    """Return a bid as it stands. Raises UnknownBid."""
    return listings.bid(checked.database(db), _bid(bid_id))


def cancel_bid(
    bid_id: int, *, reason: str = "cancelled", now: datetime | None = None, db: Database | None = None
) -> Bid:
    """Cancel an open bid; what it set aside is free at once. Raises UnknownBid, BidNotOpen."""
    return _journaled(db, endings.cancel_bid, {"bid_id": _bid(bid_id), "reason": checked.text(reason, "reason")}, now)


def clear_round(
    now: datetime | None = None, *, pool: str = DEFAULT_POOL, dry_run: bool = False, db: Database | None = None
) -> Round:
    """
    Sell the slots of a pool that are available at `now` to its best bids, by its mechanism.

    With `dry_run` the same round is computed and nothing is written. Without an ask no round is held: its `round_id` is
    None, and bids stay open. Raises UnknownPool.
    """
    if type(dry_run) is not bool:
        raise InvalidArgument(field="dry_run", value=dry_run, fact="must be True or False")
    name, database = checked.identifier(pool, "pool"), checked.database(db)
    arguments = {"pool": name, "version": pools.CLEARING}
    cleared = _journaled(database, clearing.clear_round, arguments, now, dry_run=dry_run)
    if cleared.clears and not dry_run:
        database.announce(f"round {name}")  # workers wait for what they won
    return cleared


def get_round(round_id: int, *, db: Database | None = None) -> Round:
    """Return a cleared round as it was recorded, its clears as they stand now. Raises UnknownRound."""
    return listings.round_(checked.database(db), _number(round_id, "round_id"))


def list_pools(*, db: Database | None = None) -> list[Pool]:
    """Return every pool, by name."""
    return listings.pools(checked.database(db))


def list_rounds(
    *, pool: str = DEFAULT_POOL, before: int | None = None, limit: int = 100, db: Database | None = None
) -> list[RoundSummary]:
    """
    Return a pool's cleared rounds, newest first, at most `limit` (1 to 10,000).

    Pass the last round_id as `before` for the next page. Raises UnknownPool.
    """
    last = _MOST_NUMBER if before is None else _number(before, "before")
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    return listings.rounds(checked.database(db), checked.identifier(pool, "pool"), last, page)


def list_round_bids(
    round_id: int, *, after: int | None = None, limit: int = 1_000, db: Database | None = None
) -> list[Bid]:
    """
    Return the bids that were for a cleared round and could compete, and those resting that won in it, best first.

    Resting bids that lost stand in the book, for any round, and are not among them. At most `limit` are answered (1 to
    10,000); pass the last bid's id as `after` for the next page. Raises UnknownRound.
    """
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    return listings.round_bids(checked.database(db), _number(round_id, "round_id"), _past(after), page)


def list_task_bids(
    task_id: str, *, before: int | None = None, limit: int = 100, db: Database | None = None
) -> list[Bid]:
    """
    Return the bids for a task as they stand, newest first; none for a task without bids.

    At most `limit` are answered (1 to 10,000); pass the last bid's id as `before` for the next page.
    """
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    first = 2**63 - 1 if before is None else _number(before, "before")
    return listings.task_bids(checked.database(db), checked.outsider(task_id, "task_id"), first, page)


def list_clears(
    *,
    pool: str = DEFAULT_POOL,
    before_round: int | None = None,
    before_bid: int | None = None,
    limit: int = 100,
    db: Database | None = None,
) -> list[Clear]:
    """
    Return the slots a pool sold, newest round first, at most `limit` (1 to 10,000).

    Pass the last clear's round_id and bid_id for the next page. Raises UnknownPool.
    """
    past = {"before_round": before_round, "before_bid": before_bid}
    last = {name: _MOST_NUMBER if value is None else _number(value, name) for name, value in past.items()}
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    return listings.clears(checked.database(db), checked.identifier(pool, "pool"), **last, page=page)


def list_won_slots(bidder_id: str, *, after: str = "", limit: int = 1_000, db: Database | None = None) -> list[Clear]:
    """
    Return the slots that a bidder has won and that are not settled, the oldest first, at most `limit` (1 to 10,000).

    Pass the last slot_id as `after` for the next page. Raises UnknownAccount.
    """
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    past = "" if after == "" else checked.identifier(after, "after")
    return listings.won_slots(checked.database(db), checked.identifier(bidder_id, "bidder_id"), past, page)


def list_open_bids(
    bidder_id: str,
    *,
    after: int | None = None,
    limit: int = 1_000,
    now: datetime | None = None,
    db: Database | None = None,
) -> list[Bid]:
    """
    Return a bidder's open bids in every pool, the dearest first, at most `limit` (1 to 10,000).

    Pass the last bid's id as `after` for the next page. Raises UnknownAccount.
    """
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    bidder = checked.identifier(bidder_id, "bidder_id")
    database = checked.database(db)
    return listings.open_bids(database, bidder, checked.moment(now, database), _past(after), page)


def recompute(round_id: int, *, db: Database | None = None) -> Round:
    """
    Decide a cleared round again from what is stored of it, and return the outcome: the same.

    Raises UnknownRound, and JournalMismatch where it is not the same, or its digest is not.
    """
    return recomputation.recompute(checked.database(db), _number(round_id, "round_id"))


def declare_allowance(
    slot_id: str, declared_tokens: int, *, now: datetime | None = None, db: Database | None = None
) -> Declaration:
    """
    Say what the run of a won slot will use, before it is started, where its pool takes declarations.

    Units cost what the slot's price makes of its allowance: those declared are paid for, an overrun unit costs more
    than that and an unused one returns less, by the pool's rates. The slot is the treasury's and has an allowance.
    Raises UnknownSlot, SlotNotSold, SlotVoided, AlreadyStarted, AlreadySettled, InvalidArgument, InvalidAmount.
    """
    arguments = {"slot_id": _slot(slot_id), "declared_tokens": checked.tokens(declared_tokens, "declared_tokens")}
    return _journaled(db, declarations.declare_allowance, arguments, now)


def check_lottery(round_id: int, seed_commitment: str | None = None, *, db: Database | None = None) -> Lottery:
    """
    Return what decided the ties of a cleared round, for anybody to check.

    `seed_commitment` is what `get_pool` showed while the round was open: `kept` says whether the seed that is revealed
    now is the one that was committed to. Raises UnknownRound, InvalidArgument.
    """
    noted = None if seed_commitment is None else checked.text(seed_commitment, "seed_commitment")
    return lotteries.check(checked.database(db), _number(round_id, "round_id"), noted)


def settle(
    slot_id: str,
    actual_cost_tokens: int,
    actual_impact: float | None = None,
    attested_by: str | None = None,
    fence: int | None = None,
    *,
    now: datetime | None = None,
    db: Database | None = None,
) -> Clear:
    """
    Debit a slot's winner by the clearing price, pay the provider, and write down cost, impact and ROI.

    `actual_impact` is in USD, None where it is not known yet; attested by an independent evaluator it refills the
    account that paid. A task that the backlog knows is done. The same call again answers the same. Raises UnknownSlot,
    SlotNotSold, SlotVoided, AlreadySettled (for other numbers), FenceMismatch, UnknownAccount,
    AttesterNotIndependent, InvalidAmount, InvalidArgument.
    """
    impact = None if actual_impact is None else _impact(actual_impact)
    arguments = {
        "slot_id": _slot(slot_id),
        "actual_cost_tokens": checked.tokens(actual_cost_tokens, "actual_cost_tokens", least=0),
        "actual_impact": impact,
        "attested_by": None if attested_by is None else checked.identifier(attested_by, "attested_by"),
        "fence": None if fence is None else _number(fence, "fence"),
        "terms": refills.terms(_settings.from_environment()),
    }
    return _journaled(db, settlement.settle, arguments, now)


def attest(
    slot_id: str,
    actual_impact: float,
    attested_by: str,
    *,
    now: datetime | None = None,
    db: Database | None = None,
) -> Clear:
    """
    Say what a settled slot's impact was, in USD, as an evaluator that does not belong to the bidder's owner.

    The latest word counts and every word is kept; price and cost never change. The account that paid is refilled by it,
    and gives back what an earlier word earned too much. Raises UnknownSlot, SlotNotSold,
    SlotNotSettled, UnknownAccount, AttesterNotIndependent, InvalidArgument.
    """
    arguments = {
        "slot_id": _slot(slot_id),
        "actual_impact": _impact(actual_impact),
        "attested_by": checked.identifier(attested_by, "attested_by"),
        "terms": refills.terms(_settings.from_environment()),
    }
    return _journaled(db, settlement.attest, arguments, now)


def void(slot_id: str, reason: str = "voided", *, now: datetime | None = None, db: Database | None = None) -> Clear:
    """
    Undo a clear whose slot died: the winner's tokens are free again, and its task may be bid for.

    Voiding again answers the same. To offer the capacity again, offer a new slot. Raises UnknownSlot, SlotNotSold, and
    AlreadySettled after settlement.
    """
    return _journaled(db, settlement.void, {"slot_id": _slot(slot_id), "reason": checked.text(reason, "reason")}, now)


def refund_unfilled(now: datetime | None = None, *, db: Database | None = None) -> int:
    """Release every open bid whose time to live has passed, and return how many there were."""
    return _journaled(db, endings.refund_unfilled, {}, now)


def write_decided_bids(
    *, pool: str = DEFAULT_POOL, most: int = 10_000, now: datetime | None = None, db: Database | None = None
) -> int:
    """
    Write down the status of at most `most` bids that cleared rounds decided, and return how many were written.

    Readers see true statuses with or without this; it keeps what is stored small to search. Raises UnknownPool.
    """
    arguments = {
        "pool": checked.identifier(pool, "pool"),
        "most": checked.count(most, "most", most=_MOST_BIDS_AT_ONCE),
    }
    return _journaled(db, endings.write_decided_bids, arguments, now)


def get_order_book(
    *,
    pool: str = DEFAULT_POOL,
    limit: int = 1_000,
    now: datetime | None = None,
    db: Database | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """
    Return `{"bids": […], "asks": […]}`: a pool's open bids, those that may compete first, and its slots on offer.

    At most `limit` (1 to 10,000) of each. Raises UnknownPool.
    """
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    database = checked.database(db)
    return listings.order_book(database, checked.identifier(pool, "pool"), checked.moment(now, database), page)


def get_recent_stats(
    *,
    hours: float = 24,
    pool: str = DEFAULT_POOL,
    now: datetime | None = None,
    db: Database | None = None,
) -> dict[str, Any]:
    """
    Return what a pool did in the last hours: prices, fill rate, tokens, and the top 10 wins against realised impact.

    Raises UnknownPool.
    """
    span = timedelta(hours=checked.number(hours, "hours", least=0.001, most=24 * 366))
    database = checked.database(db)
    moment = checked.moment(now, database)
    return listings.recent_stats(database, checked.identifier(pool, "pool"), moment - span, moment)


def get_bidder_stats(
    *,
    hours: float = 24,
    pool: str = DEFAULT_POOL,
    limit: int = 1_000,
    now: datetime | None = None,
    db: Database | None = None,
) -> list[BidderStats]:
    """Return what each bidder won in a pool in the last hours, and paid; most paid first. Raises UnknownPool."""
    span = timedelta(hours=checked.number(hours, "hours", least=0.001, most=24 * 366))
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    database = checked.database(db)
    moment = checked.moment(now, database)
    return listings.bidder_stats(database, checked.identifier(pool, "pool"), moment - span, moment, page)


def explain(bid_id: int, *, now: datetime | None = None, db: Database | None = None) -> Explanation:
    """
    Return in one sentence and in numbers why a bid stands where it stands. Raises UnknownBid.

    Its rank, the price that wins or would have won, by how much it misses that, what its wallet has available, what its
    bidder's claims count for, and when it competes next.
    """
    database = checked.database(db)
    return explanations.explain(database, _bid(bid_id), checked.moment(now, database))


def quote(
    probability: float = 0.9,
    *,
    pool: str = DEFAULT_POOL,
    now: datetime | None = None,
    db: Database | None = None,
) -> Quote:
    """
    Return what to bid to win the pool's next round with a probability (above 0, below 1).

    From the prices that recent rounds asked for, and the book as it stands. Raises UnknownPool, InvalidArgument.
    """
    chance = checked.number(probability, "probability", least=0.0, most=1.0)
    if not 0.0 < chance < 1.0:
        raise InvalidArgument(field="probability", value=probability, fact="must lie above 0 and below 1")
    database = checked.database(db)
    moment = checked.moment(now, database)
    return quotes.quote(database, checked.identifier(pool, "pool"), chance, moment)


def _journaled(
    db: Database | None,
    what: Callable[..., Result],
    arguments: dict[str, Any],
    now: datetime | None,
    *,
    dry_run: bool = False,
    has_own_key: bool = False,
) -> Result:
    moment, database = _instant(now, "now"), checked.database(db)
    return execute_journaled(database, what, arguments, now=moment, dry_run=dry_run, has_own_key=has_own_key)


def _placed(requests: list[dict[str, Any]], now: datetime | None, db: Database | None) -> list[Bid]:
    arguments = {
        "bids": requests,
        "bid_hours": _settings.one("bid_hours"),
        "most_open_bids": _settings.one("most_open_bids"),
    }
    has_own_key = all(request["idempotency_key"] is not None for request in requests)
    return _journaled(db, book_bids.place_bids, arguments, now, has_own_key=has_own_key)


_BID_DEFAULTS = {
    "expected_value_usd": 0.0,
    "ttl_at": None,
    "pool": DEFAULT_POOL,
    "time_in_force": "round",
    "idempotency_key": None,
}
_BID_ARGUMENTS = {"bidder_id", "task_id", "max_price_tokens", *_BID_DEFAULTS}


def _request_of(bid: Any) -> dict[str, Any]:
    if not isinstance(bid, Mapping):
        raise InvalidArgument(field="bid", value=bid, fact="must be a mapping of place_bid's argument names")
    given = {**_BID_DEFAULTS, **bid}
    if given.keys() != _BID_ARGUMENTS:
        odd = min(given.keys() ^ _BID_ARGUMENTS, key=str)
        fact = "is missing" if odd in _BID_ARGUMENTS else "is no argument of place_bid"
        raise InvalidArgument(field=str(odd)[:100], value=given.get(odd), fact=fact)
    return _request(**given)


def _request(
    bidder_id: Any,
    task_id: Any,
    max_price_tokens: Any,
    expected_value_usd: Any,
    ttl_at: Any,
    pool: Any,
    time_in_force: Any,
    idempotency_key: Any,
) -> dict[str, Any]:
    return {
        "bidder_id": checked.identifier(bidder_id, "bidder_id"),
        "task_id": checked.identifier(task_id, "task_id"),
        "max_price_tokens": checked.tokens(max_price_tokens, "max_price_tokens"),
        "expected_value_usd": checked.number(expected_value_usd, "expected_value_usd", least=0.0),
        "ttl_at": _instant(ttl_at, "ttl_at"),
        "pool": checked.identifier(pool, "pool"),
        "time_in_force": checked.choice(time_in_force, "time_in_force", _TIMES_IN_FORCE),
        "idempotency_key": _key(idempotency_key),
    }


def _instant(value: datetime | None, field: str) -> datetime | None:
    return None if value is None else checked.instant(value, field)


def _key(value: str | None) -> str | None:
    return None if value is None else checked.identifier(value, "idempotency_key")


def _impact(value: float) -> float:
    return checked.number(value, "actual_impact", least=-checked.MOST_USD)


def _slot(value: Any) -> str:
    if type(value) is int:
        raise UnknownSlot(field="slot_id", slot_id=value)
    return checked.identifier(value, "slot_id")


def _bid(value: Any) -> int:
    if type(value) is str:
        raise UnknownBid(field="bid_id", bid_id=checked.identifier(value, "bid_id"))
    return _number(value, "bid_id")


def _number(value: Any, field: str) -> int:
    return checked.count(value, field, least=-_MOST_NUMBER, most=_MOST_NUMBER)


def _theta(theta: Any, *, takes_one: bool) -> str | None:
    if not takes_one:
        if theta is not None:
            raise InvalidArgument(field="theta", value=theta, fact="is not for this mechanism")
        return None
    return str(checked.weight("1/2" if theta is None else theta, "theta"))


def _past(bid_id: int | None) -> int:
    """Return the bid behind which a page begins; 0 is before all."""
    return 0 if bid_id is None else _number(bid_id, "after")

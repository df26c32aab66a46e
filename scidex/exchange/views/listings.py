"""What the market tells its readers, each in one consistent view of the database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from scidex.errors import UnknownAccount, UnknownBid, UnknownRound
from scidex.exchange.book.pools import RESTING, OpenPool, read_pools
from scidex.mechanism.tie_breaking import commitment
from scidex.records import Bid, BidderStats, Clear, Pool, Round, RoundSummary
from scidex.store.database import Database, Row, Transaction

_TOP_WINS = 10
_MOST_ROUNDS = 10_000


def pool(db: Database, name: str) -> Pool:
    """Return a pool. Raises UnknownPool."""
    with db.reading() as tx:
        return _told(read_pools(tx, [name])[name])


def pools(db: Database) -> list[Pool]:
    """Return every pool, by name."""
    with db.reading() as tx:
        return [_told(OpenPool(**row)) for row in tx.rows("all_pools")]


def _told(market: OpenPool) -> Pool:
    return Pool(
        pool=market.pool,
        mechanism=market.mechanism,
        theta=market.theta,
        tie_rule=market.tie_rule,
        open_round_id=market.open_round_id,
        seed_commitment=commitment(market.seed),
        created_at=market.created_at,
    )


def bid(db: Database, bid_id: int) -> Bid:
    """Return a bid as it stands. Raises UnknownBid."""
    with db.reading() as tx:
        return known_bid(tx, bid_id)


def known_bid(tx: Transaction, bid_id: int) -> Bid:
    """Return a bid as it stands. Raises UnknownBid."""
    row = tx.row("bid", id=bid_id)
    if row is None:
        raise UnknownBid(field="bid_id", bid_id=bid_id)
    return Bid(**row)


def round_(db: Database, round_id: int) -> Round:
    """Return a cleared round and its clears as they stand. Raises UnknownRound."""
    with db.reading() as tx:
        row = known_round(tx, round_id)
        clears = tuple(Clear(**clear) for clear in tx.rows("clears_of_round", round_id=round_id))
    facts = {name: row[name] for name in Round._fields if name != "clears"}
    return Round(**facts, clears=clears)


def known_round(tx: Transaction, round_id: int) -> dict[str, Any]:
    """Return a cleared round's row. Raises UnknownRound."""
    row = tx.row("round", round_id=round_id)
    if row is None:
        raise UnknownRound(field="round_id", round_id=round_id)
    return row


def rounds(db: Database, name: str, before: int, page: int) -> list[RoundSummary]:
    """Return a pool's rounds before one, newest first. Raises UnknownPool."""
    with db.reading() as tx:
        read_pools(tx, [name])
        return [RoundSummary(**row) for row in tx.rows("rounds_page", pool=name, before=before, page=page)]


def clears(db: Database, name: str, before_round: int, before_bid: int, page: int) -> list[Clear]:
    """Return a pool's slots sold, newest round first, those past one of them. Raises UnknownPool."""
    past = {"before_round": before_round, "before_bid": before_bid}
    with db.reading() as tx:
        read_pools(tx, [name])
        return [Clear(**row) for row in tx.rows("clears_page", pool=name, **past, page=page)]


def won_slots(db: Database, bidder_id: str, after: str, page: int) -> list[Clear]:
    """Return the slots that an account holds, those won first foremost. Raises UnknownAccount."""
    with db.reading() as tx:
        _check_account(tx, bidder_id)
        return [Clear(**row) for row in tx.rows("live_clears_of_bidder", bidder_id=bidder_id, after=after, page=page)]


def open_bids(db: Database, bidder_id: str, now: datetime, after: int, page: int) -> list[Bid]:
    """Return an account's open bids, the dearest first. Raises UnknownAccount."""
    with db.reading() as tx:
        _check_account(tx, bidder_id)
        return [Bid(**row) for row in tx.rows("open_bids_page", bidder_id=bidder_id, now=now, after=after, page=page)]


def round_bids(db: Database, round_id: int, after: int, page: int) -> list[Bid]:
    """Return the bids that were for a cleared round and could compete, best first. Raises UnknownRound."""
    with db.reading() as tx:
        known = known_round(tx, round_id)
        rows = tx.rows("bids_of_round", pool=known["pool"], round_id=round_id, after=after, page=page)
    return [Bid(**row) for row in rows]


def task_bids(db: Database, task_id: str, before: int, page: int) -> list[Bid]:
    """Return the bids for a task, newest first, those before one of them."""
    with db.reading() as tx:
        return [Bid(**row) for row in tx.rows("bids_of_task", task_id=task_id, before=before, page=page)]


def _check_account(tx: Transaction, account_id: str) -> None:
    if tx.row("account", account_id=account_id) is None:
        raise UnknownAccount(field="bidder_id", account_id=account_id)


def order_book(db: Database, name: str, now: datetime, page: int) -> dict[str, list[dict[str, Any]]]:
    """Return a pool's open bids, those that may compete first, and its slots on offer, soonest first."""
    with db.reading() as tx:
        market = read_pools(tx, [name])[name]
        rounds = (RESTING, market.open_round_id)
        competing, waiting = (
            [bid for round_id in rounds for bid in tx.rows(part, pool=name, round_id=round_id, now=now, page=page)]
            for part in ("book_bids", "waiting_bids")
        )
        asks = tx.rows("book_asks", pool=name, now=now, page=page)
    # Resting bids were read first and the sort is stable, so at one price they stand first, as they do in a round.
    for bids in (competing, waiting):
        bids.sort(key=lambda bid: -bid["max_price_tokens"])
    return {"bids": [*competing, *waiting][:page], "asks": asks}


def recent_stats(db: Database, name: str, since: datetime, now: datetime) -> dict[str, Any]:
    """Return what a pool's rounds of a span did. Raises UnknownPool."""
    span = {"pool": name, "since_at": since, "now": now}
    with db.reading() as tx:
        market = read_pools(tx, [name])[name]
        rounds = tx.rows("rounds_since", **span, page=_MOST_ROUNDS)
        sums = tx.rows("sums_of_clears", **span)[0]
        top = [Clear(**row) for row in tx.rows("top_clears", **span, page=_TOP_WINS)]
    offered = sum(row["slots"] for row in rounds)
    prices = [_price(row) for row in reversed(rounds)]
    return {
        "pool": name,
        "since_at": since,
        "until_at": now,
        "open_round_id": market.open_round_id,
        "rounds": len(rounds),
        "slots_offered": offered,
        "fill_rate": sums["slots_sold"] / offered if offered else None,
        "last_price_tokens": next(
            (row["clearing_price_tokens"] for row in rounds if row["clearing_price_tokens"] is not None), None
        ),
        "prices": prices,
        **sums,
        "top_wins": [clear._asdict() for clear in top],
    }


def bidder_stats(db: Database, name: str, since: datetime, now: datetime, page: int) -> list[BidderStats]:
    """Return what each bidder won in a pool in a span, those that paid most first. Raises UnknownPool."""
    with db.reading() as tx:
        read_pools(tx, [name])
        return [BidderStats(**row) for row in tx.rows("sums_of_bidders", pool=name, since_at=since, now=now, page=page)]


def _price(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in ("round_id", "cleared_at", "clearing_price_tokens", "slots", "sold", "bids")}

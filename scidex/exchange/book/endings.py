"""Ending bids that are not sold: cancelling them, and expiring those whose time to live has passed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from scidex.errors import BidNotOpen, UnknownBid
from scidex.exchange.book import competitors, holds
from scidex.exchange.book import pools as books
from scidex.exchange.book.pools import RESTING, Counted, OpenPool
from scidex.exchange.ledger import wallets
from scidex.records import Bid
from scidex.store.database import Row, Transaction
from scidex.store.db_writes import Work, effect

NOT_COVERED = "not_covered"
"""Why the market cancelled a bid for a backlog: the wallet does not cover it beside better ones."""
NOT_WANTED = "not_wanted"
"""Why the market cancelled a bid for a backlog: its quest no longer bids for the task."""


@effect("cancel_bid")
def cancel_bid(work: Work, *, bid_id: int, reason: str) -> Bid:
    """Cancel an open bid and release what it set aside. Raises UnknownBid, BidNotOpen."""
    known = work.tx.row("bid", id=bid_id)
    if known is None:
        raise UnknownBid(field="bid_id", bid_id=bid_id)
    markets = books.lock_pools(work.tx, [known["pool"]])
    competitors.lock_tasks(work.tx, [known["task_id"]])
    locked = wallets.lock(work.tx, [known["bidder_id"]])
    # Read again, now that neither a clearing nor its bidder can change it.
    bid = Bid(**work.tx.rows("bid", id=bid_id)[0])
    if bid.status != "open":
        raise BidNotOpen(field="bid_id", bid_id=bid_id, status=bid.status)
    close(work.tx, [bid._asdict()], locked, markets, status="cancelled", reason=reason)
    wallets.save(work.tx, locked.values())
    return bid._replace(status="cancelled", reason=reason)


@effect("refund_unfilled")
def refund_unfilled(work: Work) -> int:
    """Release every open bid whose time to live has passed, and return how many there were."""
    pools = [row["pool"] for row in work.tx.rows("all_pools")]
    markets = books.lock_pools(work.tx, pools)
    due = [bid for market in markets.values() for bid in due_bids(work.tx, market, work.now)]
    expire(work.tx, due, markets)
    ended_asks = sum(work.tx.run("expire_asks", pool=pool, now=work.now) for pool in pools)
    work.changed = bool(due) or ended_asks > 0
    return len(due)


@effect("write_decided_bids")
def write_decided_bids(work: Work, *, pool: str, most: int) -> int:
    """Write down the status of bids that cleared rounds decided, and return how many were written."""
    market = books.lock_pools(work.tx, [pool])[pool]
    decided = work.tx.rows("decided_bids", pool=pool, open_round_id=market.open_round_id, most=most)
    # What became of a slot that was won is told by its clear, so the bid itself stays won.
    ends = ("lost", "expired")
    work.tx.run_many(
        "write_status",
        [{"id": bid["id"], "status": bid["status"] if bid["status"] in ends else "won"} for bid in decided],
    )
    work.changed = bool(decided)
    return len(decided)


def due_bids(tx: Transaction, market: OpenPool, now: datetime) -> list[dict[str, Any]]:
    """Return a pool's open bids whose time to live has passed."""
    rounds = (RESTING, market.open_round_id)
    return [bid for round_id in rounds for bid in tx.rows("expired_bids", pool=market.pool, round_id=round_id, now=now)]


def expire(tx: Transaction, due: list[dict[str, Any]], markets: dict[str, OpenPool]) -> None:
    """End bids whose time to live has passed."""
    if not due:
        return
    competitors.lock_tasks(tx, (bid["task_id"] for bid in due if bid["round_id"] == RESTING))
    locked = wallets.lock(tx, (bid["bidder_id"] for bid in due))
    close(tx, due, locked, markets, status="expired", reason="ttl_passed")
    wallets.save(tx, locked.values())


def close(
    tx: Transaction,
    bids: Iterable[Row],
    locked: dict[str, wallets.Wallet],
    markets: dict[str, OpenPool],
    *,
    status: str,
    reason: str,
) -> None:
    """End open bids of locked wallets in locked pools: their holds, counts and followers follow."""
    ended = list(bids)
    tx.run_many("close_bids", [{"id": bid["id"], "status": status, "reason": reason} for bid in ended])
    holds.rehold(tx, locked, ((bid["bidder_id"], bid["pool"]) for bid in ended), markets)
    books.uncount(tx, markets, (Counted(bid["pool"], bid["bidder_id"], bid["round_id"]) for bid in ended))
    competitors.rerank_tasks(tx, (bid["task_id"] for bid in ended if bid["round_id"] == RESTING))
    holds.resume(tx, (locked[bidder_id] for bidder_id in sorted({bid["bidder_id"] for bid in ended})))

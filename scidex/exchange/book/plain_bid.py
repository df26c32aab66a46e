"""
One bid for a round, by a bidder with none that rest: the common case, at the fewest statements.

The rules are those of a batch (exchange/book/bids.py), which also decides and refuses whatever is not as plain.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta

from scidex.exchange.book import competitors, pools
from scidex.exchange.book import holds as bid_holds
from scidex.exchange.book import terms as bid_terms
from scidex.exchange.book.holds import Prices
from scidex.exchange.book.pools import RESTING, Counted
from scidex.exchange.book.terms import Request, Terms
from scidex.exchange.ledger import wallets
from scidex.exchange.ledger.wallets import Wallet
from scidex.mechanism.hold import SUMMED_MECHANISM
from scidex.mechanism.lifecycle import TASK_STATES_THAT_BAR
from scidex.records import Bid
from scidex.store.database import Row
from scidex.store.db_writes import Work

_BARRING_STATES = list(TASK_STATES_THAT_BAR)


def place(work: Work, request: Request, ttl: timedelta, most_open_bids: int) -> Bid | None:
    """Place a bid whose idempotency key is taken; None, and nothing written, where it is for the batch to decide."""
    if request["time_in_force"] != "round" or (request["ttl_at"] is not None and request["ttl_at"] <= work.now):
        return None
    if request["idempotency_key"] is None and (bid := _place_at_once(work, request, ttl, most_open_bids)):
        return bid
    rows = _locked_ground(work, request, most_open_bids)
    wallet = _wallet(work, request["pool"], rows)
    if wallet is None:
        return None
    ground = rows[0]
    stands = _standing(ground)
    prices = Prices(json.loads(ground["prices"] or "[]"))
    if stands is None and len(prices) >= most_open_bids:
        return None
    terms = _terms(work, request, ground, stands, ttl)
    prices.put(terms, stands)
    hold = bid_holds.hold_in_round(ground["mechanism"], ground["bid_round_id"], prices)
    if not wallet.covers(request["pool"], hold):
        return None
    wallet.set_hold(request["pool"], hold)
    _write(work, terms, stands, wallet, ground["next_number"])
    return bid_terms.answer(terms)


def _place_at_once(work: Work, request: Request, ttl: timedelta, most_open_bids: int) -> Bid | None:
    """Let PostgreSQL place the bid in one journey; None, and nothing written, where that is not for it to decide."""
    terms = bid_terms.new_terms(request, None, round_id=RESTING, reason="", now=work.now, ttl=ttl)

    def arguments() -> Row:
        return {
            **terms,
            "stripe": pools.stripe_of(request["bidder_id"]),
            "most_open_bids": most_open_bids,
            "summed_mechanism": SUMMED_MECHANISM,
            "barring_states": _BARRING_STATES,
        }

    placed = work.done_at_once("place_bids", "place_plain_bid", arguments, **_locks(request))
    return None if placed is None else bid_terms.answer({**terms, **placed})


def _locks(request: Request) -> dict[str, str]:
    """Return what is locked for a bid, by the names that a transaction knows."""
    return {
        "pool_lock": pools.lock_name(request["pool"]),
        "task_lock": competitors.lock_name(request["task_id"]),
        "account": request["bidder_id"],
    }


def _locked_ground(work: Work, request: Request, most_open_bids: int) -> Sequence[Row]:
    pool, task_id, bidder_id = request["pool"], request["task_id"], request["bidder_id"]
    # Locked before, by a statement of its own: what is read after it has waited is then no older than the locks.
    return work.tx.rows_locked(
        "ground_of_bid",
        **_locks(request),
        pool=pool,
        task_id=task_id,
        bidder_id=bidder_id,
        price=request["max_price_tokens"],
        most_open_bids=most_open_bids,
    )


def _wallet(work: Work, pool: str, rows: Sequence[Row]) -> Wallet | None:
    """Return the bidder's wallet, or None where there is none, or it is the system's, or bids rest in this pool."""
    if not rows or rows[0]["kind"] == "system":
        return None
    holds = [row for row in rows if row["pool"] is not None]
    wallet = wallets.read(rows[:1], wallets.while_rounds_stay(work.tx, holds, locked_pools=[pool]))
    known = wallet[rows[0]["account_id"]]
    return None if known.rests_in(pool) else known


def _standing(ground: Row) -> Row | None:
    if ground["standing_id"] is None:
        return None
    return {
        "id": ground["standing_id"],
        "max_price_tokens": ground["standing_price_tokens"],
        "sequence": ground["standing_sequence"],
        "round_id": ground["bid_round_id"],
        "reason": "",
    }


def _terms(work: Work, request: Request, ground: Row, stands: Row | None, ttl: timedelta) -> Terms:
    reason = competitors.bar_of(ground["task_status"], live=ground["task_is_live"] is not None)
    return bid_terms.new_terms(request, stands, round_id=ground["bid_round_id"], reason=reason, now=work.now, ttl=ttl)


def _write(work: Work, terms: Terms, stands: Row | None, wallet: Wallet, next_number: int | None) -> None:
    if terms["sequence"] is None:
        bid_terms.number(terms, work.number_read("bid_numbers", next_number, as_id=stands is None))
    counted = (
        [pools.count_of_one(Counted(terms["pool"], terms["bidder_id"], terms["round_id"]))] if stands is None else []
    )
    bid = ("insert_bids" if stands is None else "amend_bids", [terms])
    work.tx.run_together([bid, *wallets.changes([wallet]), *counted])

"""Clearing a round: what `clear_round` and `recompute` do inside their transaction."""

from __future__ import annotations

import secrets
from collections import Counter
from datetime import datetime
from typing import Any, NamedTuple

from scidex.errors import UnknownPool
from scidex.exchange.book import competitors, endings
from scidex.exchange.book import holds as bid_holds
from scidex.exchange.book import pools as books
from scidex.exchange.book.pools import RESTING, Counted, OpenPool
from scidex.exchange.ledger import wallets
from scidex.exchange.rounds import floors
from scidex.exchange.rounds.floors import Floor, Gift, Offer
from scidex.exchange.rounds.outcome import (
    Outcome,
    SoldSlot,
    clears_of,
    decide,
    digest_of,
    provider_owners,
    remembered_of,
    runner_up_of,
    with_gift,
)
from scidex.mechanism.eligibility import Sifted
from scidex.records import Round
from scidex.settings import TREASURY
from scidex.store.database import Row, Transaction
from scidex.store.db_writes import Work, as_json, effect

# Of more sold slots than this the first are sent before the others are put into columns.
_MANY = 1_000


@effect("clear_round")
def clear_round(work: Work, *, pool: str, version: int = 1) -> Round:
    """Clear a pool's open round by a version of the rules. Raises UnknownPool."""
    tx = work.tx
    books.lock_names(tx, [pool], to_clear=True)
    of_pool = {"pool": pool}
    pools, due, sleepers, entitled = tx.gather(
        [
            ("pools_named", {"pools": [pool]}),
            ("expired_bids", {**of_pool, "round_id": RESTING, "now": work.now}),
            ("accounts_with_suspended_bids", of_pool),
            ("entitled_quests", of_pool),
        ]
    )
    market = books.markets_by_name(pools).get(pool)
    if market is None:
        raise UnknownPool(field="pool", pool=pool)
    offers = list(map(Offer._make, tx.tuples("asks_on_offer", pool=pool, now=work.now)))
    if not offers:
        work.changed = tx.run("expire_asks", pool=pool, now=work.now) > 0
        return _no_round(market, work.now)
    tx.post("expire_asks", pool=pool, now=work.now)
    _bring_resting_bids_up_to_date(work, market, due, [row["account_id"] for row in sleepers])
    floor = floors.choose(work, market, entitled, offers) if entitled else None
    return _record(work, market, *_decided(work, market, offers, floor, version))


class _Decided(NamedTuple):
    """What a round comes to: the slots left to bid for, who may not bid, the book, and what the floor gives away."""

    offers: list[Offer]
    owners: set[str]
    sifted: Sifted
    outcome: Outcome
    sizes: Row
    floor: Floor | None


def _decided(work: Work, market: OpenPool, offers: list[Offer], floor: Floor | None, version: int) -> _Decided:
    """Decide a round without what its floor gives away, unless the treasury would have to buy that and cannot."""
    gift = floor.gift if floor else None
    # Whose slot the treasury buys gets the round's price as well, and so does not bid either.
    owners = provider_owners(offers)
    if floor is None or gift is None:
        return _Decided(offers, owners, *_decide_for_certain(work, market, offers, owners, version), floor)
    [slot] = [offer for offer in offers if offer.slot_id == gift.slot_id]
    others = [offer for offer in offers if offer is not slot]
    sifted, outcome, sizes = _decide_for_certain(work, market, others, owners, version, taken=gift.task_id)
    if slot.provider_id != TREASURY:
        price = max(outcome.price or 0, slot.reserve_price_tokens)
        if not _set_aside(work.tx, outcome, price):
            return _decided(work, market, offers, floor.without_gift(), version)
        floor = floor.at_price(price)
    return _Decided(others, owners, sifted, outcome, sizes, floor)


def _set_aside(tx: Transaction, outcome: Outcome, price: int) -> bool:
    """Set aside what the treasury is to pay for the floor's slot; return whether it has so much."""
    # The winners' wallets are locked with its own, in the order of their ids.
    treasury = wallets.lock(tx, {TREASURY, *(one.bid.bidder for one in outcome.sold)})[TREASURY]
    if price > treasury.available:
        return False
    treasury.hold_more(price)
    wallets.save(tx, [treasury])
    return True


def _decide_for_certain(
    work: Work, market: OpenPool, offers: list[Offer], owners: set[str], version: int, *, taken: str | None = None
) -> tuple[Sifted, Outcome, Row]:
    """
    Decide a round, and lock the tasks that it depends on; decide again if another pool sold one meanwhile.

    A task that runs already goes on running, since whoever ends its run locks the pools in which bids for it are open.
    Bids for the task that is `taken` do not compete. Returns the books' sizes, too, as they are under these locks.
    """
    given = set() if taken is None else {taken}
    while True:
        sifted = books.best_bids(
            work.tx,
            market,
            slots=len(offers),
            now=work.now,
            provider_owners=owners,
            taken=given,
            version=version,
        )
        outcome = decide(market.mechanism, market.parameters, sifted.competing, offers)
        competitors.lock_tasks(work.tx, (bid.task for bid in sifted.competing))
        # That a winner's task is not sold twice is for the database to say, once it is written.
        sold = {one.bid.task for one in outcome.sold}
        losers = [bid.task for bid in sifted.competing if bid.task not in sold]
        live, sizes = work.tx.gather(
            [
                ("live_tasks", {"task_ids": losers}),
                ("book_sizes", {"pool": market.pool, "round_id": market.open_round_id}),
            ]
        )
        if not live:
            return sifted, outcome, sizes[0]


def _no_round(market: OpenPool, now: datetime) -> Round:
    return Round(
        round_id=None,
        pool=market.pool,
        cleared_at=now,
        slots=0,
        bids=0,
        clearing_price_tokens=None,
        runner_up_bid_id=None,
        mechanism=market.mechanism,
        tie_rule=market.tie_rule,
        seed=None,
        digest=None,
        previous_digest=None,
        clears=(),
    )


def _bring_resting_bids_up_to_date(
    work: Work, market: OpenPool, due: list[dict[str, Any]], sleepers: list[str]
) -> None:
    """End resting bids that have expired, once each, and wake suspended ones that are covered again."""
    if due:
        endings.expire(work.tx, due, {market.pool: market})
        sleepers = work.tx.values("accounts_with_suspended_bids", pool=market.pool)
    if sleepers:
        locked = wallets.lock(work.tx, sleepers)
        bid_holds.resume(work.tx, locked.values())
        wallets.save(work.tx, locked.values())


def _record(
    work: Work,
    market: OpenPool,
    offers: list[Offer],
    owners: set[str],
    sifted: Sifted,
    outcome: Outcome,
    sizes: Row,
    floor: Floor | None,
) -> Round:
    gift = floor.gift if floor else None
    if floor:
        floors.give(work, market, floor)
    if not work.dry_run:
        # First, so that PostgreSQL is at it while the rest is put together here.
        _sell(work, market, outcome)
    clears = clears_of(market, outcome, work.now)
    facts = {
        "round_id": market.open_round_id,
        "pool": market.pool,
        "cleared_at": work.now,
        "slots": len(offers) + bool(gift),
        "bids": sizes["bids"],
        "clearing_price_tokens": outcome.price,
        "runner_up_bid_id": outcome.runner_up.id if outcome.runner_up else None,
        "mechanism": market.mechanism,
        "tie_rule": market.tie_rule,
        "seed": market.seed,
        "previous_digest": market.last_digest,
    }
    remembered = as_json(remembered_of(market, offers, owners, sifted, outcome, gift))
    digest = digest_of(facts, market.theta, remembered, clears)
    cleared = Round(**facts, digest=digest, clears=tuple(with_gift(clears, gift, market, work.now)))
    if not work.dry_run:
        work.tx.post("insert_round", **facts, sold=cleared.sold, theta=market.theta, book=remembered, digest=digest)
        if floor:
            floors.note(work.tx, market.pool, floor, {clear.bidder_id for clear in clears})
        _move_on(work, market, sifted, outcome, sizes, digest, gift)
    return cleared


def _sell(work: Work, market: OpenPool, outcome: Outcome) -> None:
    """Write down what was sold."""
    tx, sold, round_id = work.tx, outcome.sold, market.open_round_id
    # PostgreSQL is at the first eighth while the others are put into columns, which takes about as long.
    first = len(sold) // 8 if len(sold) > _MANY else 0
    _insert_clears(work, market, outcome, sold[:first])
    _insert_clears(work, market, outcome, sold[first:])
    tx.post("sell_asks", slot_ids=[one.slot.slot_id for one in sold])
    won_resting = [one.bid for one in sold if one.bid.resting]
    tx.run_many("sell_resting_bids", [{"id": bid.id, "round_id": round_id} for bid in won_resting])
    books.uncount(tx, {market.pool: market}, (Counted(market.pool, bid.bidder, RESTING) for bid in won_resting))


def _insert_clears(work: Work, market: OpenPool, outcome: Outcome, sold: list[SoldSlot]) -> None:
    slots, bids = [one.slot for one in sold], [one.bid for one in sold]
    runner_up_task, runner_up_price = runner_up_of(outcome)
    work.tx.run_columns(
        "insert_clears",
        slot_id=[slot.slot_id for slot in slots],
        clearing_price_tokens=[one.price for one in sold],
        winning_task_id=[bid.task for bid in bids],
        runner_up_task_id=runner_up_task,
        slot_started_at=work.now,
        pool=market.pool,
        round_id=market.open_round_id,
        bid_id=[bid.id for bid in bids],
        bidder_id=[bid.bidder for bid in bids],
        provider_id=[slot.provider_id for slot in slots],
        max_price_tokens=[bid.price for bid in bids],
        provider_proceeds_tokens=[one.proceeds for one in sold],
        runner_up_price_tokens=runner_up_price,
    )


def _move_on(
    work: Work, market: OpenPool, sifted: Sifted, outcome: Outcome, sizes: Row, digest: str, gift: Gift | None
) -> None:
    """Set aside what winners owe, take what can no longer win out of the books, and open the next round."""
    _shrink_holds(work.tx, market, outcome.sold)
    if sizes["resting_bids"]:
        # Other resting bids for what was sold leave the book, and so do those whose task another pool sold meanwhile.
        given = {gift.task_id} if gift else set()
        competitors.rerank_tasks(work.tx, {one.bid.task for one in outcome.sold} | given | sifted.running)
    work.tx.post(
        "advance_pool",
        pool=market.pool,
        cleared_round_id=market.open_round_id,
        open_round_id=work.numbers("round_numbers", 1)[0],
        seed=work.make_up("seed", lambda: secrets.token_hex(16)),
        last_digest=digest,
    )


def _shrink_holds(tx: Transaction, market: OpenPool, sold: list[SoldSlot]) -> None:
    """Set aside what winners owe and no more: the premium, and what their other bids of this round held, are free."""
    owed: Counter[str] = Counter()
    for one in sold:
        owed[one.bid.bidder] += one.price
    accounts, holds = tx.gather(wallets.lock_calls(owed))
    locked = wallets.read(accounts, wallets.while_rounds_stay(tx, holds, locked_pools=[market.pool]))
    next_market = market.after_this_round()
    resters = [account_id for account_id, wallet in locked.items() if wallet.rests_in(market.pool)]
    bids = bid_holds.open_bids(tx, resters, {market.pool: next_market}) if resters else {}
    for account_id, wallet in locked.items():
        wallet.end_round(market.pool, owed[account_id])
        if account_id in resters:
            changed = bid_holds.cover(tx, wallet, next_market, bids.get((account_id, market.pool), []))
            competitors.rerank_tasks(tx, [bid["task_id"] for bid in changed])
    wallets.save(tx, locked.values())


# -- computing a round again -------------------------------------------------------------------------------------------

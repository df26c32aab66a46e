"""Clearing a round: what `clear_round` and `recompute` do inside their transaction."""

from __future__ import annotations

import hashlib
import json
import math
import secrets
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

from scidex.errors import JournalMismatch, UnknownPool, UnknownRound
from scidex.exchange import book, closing, floors, resting, wallets
from scidex.exchange.book import RESTING, Counted, Market
from scidex.exchange.floors import Floor, Gift
from scidex.exchange.records import Clear, Round
from scidex.mechanism.eligibility import TASK_RUNNING, Sifted, sift
from scidex.mechanism.registry import MECHANISMS
from scidex.mechanism.registry import clear as clear_by
from scidex.mechanism.tie_breaking import Standing, rank
from scidex.mechanism.values import Ask, Bid, Clearing
from scidex.settings import TREASURY
from scidex.store.database import Database, Row, Transaction
from scidex.store.db_writes import Work, as_json, effect

# Of more sales than this the first are sent before the others are put into columns.
_MANY = 1_000


class Offer(NamedTuple):
    """A slot in a round: what it may cost at least, and who is behind it."""

    slot_id: str
    provider_id: str
    owner_id: str
    kind: str
    reserve_price_tokens: int
    sequence: int


class Sale(NamedTuple):
    """A slot and the bid that won it."""

    slot: Offer
    bid: Standing
    price: int
    proceeds: int


class Outcome(NamedTuple):
    """What a round's bids and asks decide; the slots are sold in the order in which they were offered."""

    sales: list[Sale]
    price: int | None
    runner_up: Standing | None


@effect("clear_round")
def clear_round(work: Work, *, pool: str) -> Round:
    """Clear a pool's open round. Raises UnknownPool."""
    tx = work.tx
    book.lock_names(tx, [pool], to_clear=True)
    of_pool = {"pool": pool}
    pools, due, sleepers, entitled = tx.gather(
        [
            ("pools_named", {"pools": [pool]}),
            ("expired_bids", {**of_pool, "round_id": RESTING, "now": work.now}),
            ("accounts_with_suspended_bids", of_pool),
            ("entitled_quests", of_pool),
        ]
    )
    market = book.markets_by_name(pools).get(pool)
    if market is None:
        raise UnknownPool(field="pool", pool=pool)
    offers = list(map(Offer._make, tx.tuples("asks_on_offer", pool=pool, now=work.now)))
    if not offers:
        work.changed = tx.run("expire_asks", pool=pool, now=work.now) > 0
        return _no_round(market, work.now)
    tx.post("expire_asks", pool=pool, now=work.now)
    _bring_resting_bids_up_to_date(work, market, due, [row["account_id"] for row in sleepers])
    floor = floors.give(work, market, entitled, slots=len(offers), slot_id=_for_floor(offers)) if entitled else None
    if floor and floor.gift:
        offers = [offer for offer in offers if offer.slot_id != floor.gift.slot_id]
    return _record(work, market, offers, *_decide_for_certain(work, market, offers), floor)


def _for_floor(offers: list[Offer]) -> str | None:
    """Return the slot that a floor may give away: the dearest and latest of the treasury's, or None."""
    return next((offer.slot_id for offer in reversed(offers) if offer.provider_id == TREASURY), None)


def _decide_for_certain(work: Work, market: Market, offers: list[Offer]) -> tuple[Sifted, Outcome, Row]:
    """
    Decide a round, and lock the tasks that it depends on; decide again if another pool sold one meanwhile.

    Returns the sizes of the books, too, as they are under these locks.
    """
    owners = _provider_owners(offers)
    while True:
        sifted = book.best_bids(work.tx, market, slots=len(offers), now=work.now, provider_owners=owners)
        outcome = decide(market.mechanism, market.parameters, sifted.competing, offers)
        resting.lock_tasks(work.tx, (bid.task for bid in sifted.competing))
        # That a winner's task is not sold twice is for the database to say, once it is written.
        sold = {sale.bid.task for sale in outcome.sales}
        losers = [bid.task for bid in sifted.competing if bid.task not in sold]
        live, sizes = work.tx.gather(
            [
                ("live_tasks", {"task_ids": losers}),
                ("book_sizes", {"pool": market.pool, "round_id": market.open_round_id}),
            ]
        )
        if not live:
            return sifted, outcome, sizes[0]


def _no_round(market: Market, now: datetime) -> Round:
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


def _bring_resting_bids_up_to_date(work: Work, market: Market, due: list[dict[str, Any]], sleepers: list[str]) -> None:
    """End resting bids that have expired, once each, and wake suspended ones that are covered again."""
    if due:
        closing.expire(work.tx, due, {market.pool: market})
        sleepers = work.tx.values("accounts_with_suspended_bids", pool=market.pool)
    if sleepers:
        locked = wallets.lock(work.tx, sleepers)
        resting.resume(work.tx, locked.values())
        wallets.save(work.tx, locked.values())


def _provider_owners(offers: Iterable[Offer]) -> set[str]:
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
        sales=_sales(clearing, bids, slots),
        price=None if clearing.price is None else math.floor(clearing.price),
        runner_up=None if clearing.runner_up is None else bids[clearing.runner_up],
    )


def _sales(clearing: Clearing, bids: Mapping[Hashable, Standing], slots: Mapping[Hashable, Offer]) -> list[Sale]:
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
    return sorted(map(Sale._make, zip(*columns, strict=True)), key=attrgetter("slot.sequence"))


def _record(
    work: Work,
    market: Market,
    offers: list[Offer],
    sifted: Sifted,
    outcome: Outcome,
    sizes: Row,
    floor: Floor | None,
) -> Round:
    gift = floor.gift if floor else None
    if not work.dry_run:
        # First, so that PostgreSQL is at it while the rest is put together here.
        _sell(work, market, outcome)
    clears = _clears(market, outcome, work.now)
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
    remembered = as_json(_remembered(market, offers, sifted, outcome, gift))
    digest = _digest(facts, market.theta, remembered, clears)
    cleared = Round(**facts, digest=digest, clears=tuple(_with_gift(clears, gift, market, work.now)))
    if not work.dry_run:
        work.tx.post("insert_round", **facts, sold=cleared.sold, theta=market.theta, book=remembered, digest=digest)
        if floor:
            floors.note(work.tx, market.pool, floor, {clear.bidder_id for clear in clears})
        _move_on(work, market, sifted, outcome, sizes, digest, gift)
    return cleared


def _with_gift(clears: list[Clear], gift: Gift | None, market: Market, now: datetime) -> list[Clear]:
    """Return the sales of a round with the slot that the floor gave away, which has no bid, after them."""
    return [*clears, floors.clear_of(gift, pool=market.pool, round_id=market.open_round_id, at=now)] if gift else clears


def _clears(market: Market, outcome: Outcome, now: datetime) -> list[Clear]:
    pool, round_id = market.pool, market.open_round_id
    task, best_lost = _runner_up(outcome)
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
        for slot, bid, price, proceeds in outcome.sales
    ]


def _runner_up(outcome: Outcome) -> tuple[str | None, int | None]:
    runner_up = outcome.runner_up
    return (runner_up.task, runner_up.price) if runner_up else (None, None)


def _sell(work: Work, market: Market, outcome: Outcome) -> None:
    """Write down what was sold."""
    tx, sales, round_id = work.tx, outcome.sales, market.open_round_id
    # PostgreSQL is at the first eighth while the others are put into columns, which takes about as long.
    first = len(sales) // 8 if len(sales) > _MANY else 0
    _insert_clears(work, market, outcome, sales[:first])
    _insert_clears(work, market, outcome, sales[first:])
    tx.post("sell_asks", slot_ids=[sale.slot.slot_id for sale in sales])
    won_resting = [sale.bid for sale in sales if sale.bid.resting]
    tx.run_many("sell_resting_bids", [{"id": bid.id, "round_id": round_id} for bid in won_resting])
    book.uncount(tx, {market.pool: market}, (Counted(market.pool, bid.bidder, RESTING) for bid in won_resting))


def _insert_clears(work: Work, market: Market, outcome: Outcome, sales: list[Sale]) -> None:
    slots, bids = [sale.slot for sale in sales], [sale.bid for sale in sales]
    runner_up_task, runner_up_price = _runner_up(outcome)
    work.tx.run_columns(
        "insert_clears",
        slot_id=[slot.slot_id for slot in slots],
        clearing_price_tokens=[sale.price for sale in sales],
        winning_task_id=[bid.task for bid in bids],
        runner_up_task_id=runner_up_task,
        slot_started_at=work.now,
        pool=market.pool,
        round_id=market.open_round_id,
        bid_id=[bid.id for bid in bids],
        bidder_id=[bid.bidder for bid in bids],
        provider_id=[slot.provider_id for slot in slots],
        max_price_tokens=[bid.price for bid in bids],
        provider_proceeds_tokens=[sale.proceeds for sale in sales],
        runner_up_price_tokens=runner_up_price,
    )


def _move_on(
    work: Work, market: Market, sifted: Sifted, outcome: Outcome, sizes: Row, digest: str, gift: Gift | None
) -> None:
    """Set aside what winners owe, take what can no longer win out of the books, and open the next round."""
    _shrink_holds(work.tx, market, outcome.sales)
    if sizes["resting_bids"]:
        # Other resting bids for what was sold leave the book, and so do those whose task another pool sold meanwhile.
        given = {gift.task_id} if gift else set()
        resting.rerank_tasks(work.tx, {sale.bid.task for sale in outcome.sales} | given | sifted.running)
    work.tx.post(
        "advance_pool",
        pool=market.pool,
        cleared_round_id=market.open_round_id,
        open_round_id=work.numbers("round_numbers", 1)[0],
        seed=work.make_up("seed", lambda: secrets.token_hex(16)),
        last_digest=digest,
    )


def _shrink_holds(tx: Transaction, market: Market, sales: list[Sale]) -> None:
    """Set aside what winners owe and no more: the premium, and what their other bids of this round held, are free."""
    owed: Counter[str] = Counter()
    for sale in sales:
        owed[sale.bid.bidder] += sale.price
    accounts, holds = tx.gather(wallets.lock_calls(owed))
    locked = wallets.read(accounts, wallets.while_rounds_stay(tx, holds, locked_pools=[market.pool]))
    next_market = market.after_this_round()
    resters = [account_id for account_id, wallet in locked.items() if wallet.rests_in(market.pool)]
    bids = resting.open_bids(tx, resters, {market.pool: next_market}) if resters else {}
    for account_id, wallet in locked.items():
        wallet.end_round(market.pool, owed[account_id])
        if account_id in resters:
            changed = resting.cover(tx, wallet, next_market, bids.get((account_id, market.pool), []))
            resting.rerank_tasks(tx, [bid["task_id"] for bid in changed])
    wallets.save(tx, locked.values())


# -- computing a round again -------------------------------------------------------------------------------------------


def _remembered(
    market: Market, offers: list[Offer], sifted: Sifted, outcome: Outcome, gift: Gift | None
) -> dict[str, Any]:
    """
    Return what decided this round and could not be found again: resting bids that lost, slots that nobody bought.

    Round bids stay in the book as they were. Of a rule that looks at the margin alone the best losers suffice.
    """
    won = {sale.bid.id for sale in outcome.sales}
    sold = {sale.slot.slot_id for sale in outcome.sales}
    # Trade reduction sells one slot fewer than it finds; the margin is then the pair after the sold ones.
    margin = len(won) + 2
    whole = MECHANISMS[market.mechanism].reads_whole_book
    losers = [bid for bid in sifted.competing[: None if whole else margin] if bid.resting and bid.id not in won]
    unsold = [offer for offer in offers if offer.slot_id not in sold]
    return {
        "resting": losers,
        "unsold": unsold if whole else unsold[:2],
        "provider_owners": sorted(_provider_owners(offers)),
        "running": sorted(bid_id for bid_id, reason in sifted.passed_over.items() if reason == TASK_RUNNING),
        **({"floor": gift._asdict()} if gift else {}),
    }


def _digest(facts: Row, theta: str | None, remembered: str, clears: Iterable[Clear]) -> str:
    sales = [(c.slot_id, c.bid_id, c.clearing_price_tokens, c.provider_proceeds_tokens) for c in clears]
    return hashlib.sha256(as_json([facts, theta, remembered, sales]).encode()).hexdigest()


def recompute(db: Database, round_id: int) -> Round:
    """
    Decide a cleared round once more from what is stored of it, and return the outcome.

    Raises UnknownRound, and JournalMismatch where the outcome or the digest is not what was recorded.
    """
    with db.reading() as tx:
        row = tx.row("round", round_id=round_id)
        if row is None:
            raise UnknownRound(field="round_id", round_id=round_id)
        recorded = [Clear(**clear) for clear in tx.rows("clears_of_round", round_id=round_id)]
        remembered = json.loads(row["book"])
        gift = Gift(**remembered["floor"]) if "floor" in remembered else None
        sold = [Offer(**offer) for offer in tx.rows("asks_of_round", round_id=round_id)]
        market = Market(
            row["pool"], row["mechanism"], row["theta"], row["tie_rule"], round_id, row["seed"], "", row["cleared_at"]
        )
        offers = sorted(
            [*sold, *(Offer(*offer) for offer in remembered["unsold"])],
            key=lambda offer: (offer.reserve_price_tokens, offer.sequence),
        )
        competing = _book_of_cleared(tx, market, len(offers), remembered)
    outcome = decide(market.mechanism, market.parameters, competing, offers)
    clears = _clears(market, outcome, row["cleared_at"])
    facts = {name: row[name] for name in _FACTS}
    again = Round(**facts, digest=row["digest"], clears=tuple(_with_gift(clears, gift, market, row["cleared_at"])))
    _assert_same(row, recorded, outcome, again.clears)
    return again


_FACTS = (
    "round_id",
    "pool",
    "cleared_at",
    "slots",
    "bids",
    "clearing_price_tokens",
    "runner_up_bid_id",
    "mechanism",
    "tie_rule",
    "seed",
    "previous_digest",
)


def _book_of_cleared(tx: Transaction, market: Market, slots: int, remembered: Row) -> list[Standing]:
    losers = [Standing(*bid) for bid in remembered["resting"]]
    running = set(remembered["running"])
    whole = MECHANISMS[market.mechanism].reads_whole_book
    most = 2**62 if whole else slots + 65 + len(running)
    while True:
        rows = tx.tuples(
            "book_range_of_cleared",
            pool=market.pool,
            round_id=market.open_round_id,
            now=market.created_at,
            most=most,
        )
        bids = [Standing(*row) for row in rows if row[0] not in running]
        ranked = rank([*bids, *losers], tie_rule=market.tie_rule, seed=market.seed)
        competing = sift(ranked, provider_owners=remembered["provider_owners"], running=()).competing
        if whole or len(rows) < most or (len(competing) > slots and rows[-1][4] < competing[slots].price):
            return competing if whole else competing[: slots + 1]
        most *= 4


def _assert_same(row: Row, recorded: Iterable[Clear], outcome: Outcome, clears: Iterable[Clear]) -> None:
    def decided(sold: Iterable[Clear]) -> list[tuple[Any, ...]]:
        return [
            (
                c.slot_id,
                c.bid_id,
                c.winning_task_id,
                c.clearing_price_tokens,
                c.provider_proceeds_tokens,
                c.runner_up_task_id,
            )
            for c in sold
        ]

    facts = {name: row[name] for name in _FACTS}
    runner_up = outcome.runner_up.id if outcome.runner_up else None
    checks = {
        "clears": decided(recorded) == decided(clears),
        "clearing_price_tokens": row["clearing_price_tokens"] == outcome.price,
        "runner_up_bid_id": row["runner_up_bid_id"] == runner_up,
        "digest": row["digest"] == _digest(facts, row["theta"], row["book"], (c for c in clears if c.bid_id > 0)),
    }
    if wrong := [name for name, same in checks.items() if not same]:
        raise JournalMismatch(round_id=row["round_id"], fact=f"recomputed to other {', '.join(wrong)}")

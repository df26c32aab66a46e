"""Bidding for backlogs: what `submit_bids_for_tasks` does inside its transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from scidex.exchange.book import bids, competitors, holds
from scidex.exchange.book import pools as books
from scidex.exchange.book.pools import Market
from scidex.exchange.income import price_levels
from scidex.exchange.ledger import wallets
from scidex.exchange.ledger.wallets import Wallet
from scidex.exchange.quests.wishes import Pace, Plan, Planner, Wish
from scidex.mechanism.hold import most_owed
from scidex.records import Bid
from scidex.store.database import Row
from scidex.store.db_writes import Work, effect


@effect("submit_bids")
def submit_bids(
    work: Work,
    *,
    strategy: str | None,
    pool: str | None,
    tokens_per_usd: int,
    bid_hours: int,
    most_open_bids: int,
    cycle_seconds: float = 60.0,
) -> list[Bid]:
    """
    Bid for every quest's unblocked tasks in a pool, or in all of them, as much as the strategy says.

    Without a strategy each quest bids by its own or its market's, and what these adapt is kept.
    """
    tx = work.tx
    markets = books.lock_pools(tx, [pool] if pool else [row["pool"] for row in tx.rows("all_pools")])
    last_ttl_at = work.now + timedelta(hours=bid_hours)
    plan = Plan([], [], [], {})

    def decide() -> list[dict[str, Any]]:
        nonlocal plan
        tasks = tx.rows("tasks_to_bid_for", now=work.now)
        locked = wallets.lock(tx, {task["account_id"] for task in tasks})
        planner = Planner(
            tx,
            work.now,
            tasks=tasks,
            wallets=locked,
            markets=markets,
            strategy=strategy,
            tokens_per_usd=tokens_per_usd,
            cycle_seconds=cycle_seconds,
        )
        plan = planner.plan()
        wishes = [wish for wish in plan.wishes if wish.price > 0]
        return [_asked(wish, last_ttl_at) for wish in _affordable(work, wishes, locked, markets, most_open_bids)]

    # Tasks may change while this is decided, so that a replay could not decide it again; what was decided is kept.
    asked = work.make_up("bids", decide)
    adapted = strategy is None and any([_keep(work, plan), price_levels.note(work, markets, plan.values)])
    if not asked:
        work.changed = adapted
        return []
    requests = [_request(bid) for bid in asked]
    return bids.place_bids(work, bids=requests, bid_hours=bid_hours, most_open_bids=most_open_bids)


def _keep(work: Work, plan: Plan) -> bool:
    """Keep the shares that quests came to and what their claims were taken to be worth; return whether any did."""
    tx = work.tx
    paces = work.make_up("paces", lambda: [list(pace) for pace in plan.paces])
    calibrations = work.make_up("calibrations", lambda: _changed_calibrations(work, plan))
    at = {"updated_at": work.now}
    tx.run_many("save_pacing", [dict(zip(Pace._fields, pace, strict=True)) | at for pace in paces])
    fields = ("pool", "bidder_id", "slope", "intercept")
    tx.run_many("save_calibrations", [dict(zip(fields, one, strict=True)) | at for one in calibrations])
    return bool(paces or calibrations)


def _changed_calibrations(work: Work, plan: Plan) -> list[list[Any]]:
    """Return what claims were taken to be worth, once for each pool and bidder, where that is not what is stored."""
    pools = sorted({pool for pool, *_ in plan.calibrations})
    known = {tuple(row.values()) for row in work.tx.rows("calibrations_in", pools=pools)}
    return [list(one) for one in sorted(set(plan.calibrations) - known)]


def _affordable(
    work: Work, wishes: list[Wish], locked: Mapping[str, Wallet], markets: dict[str, Market], most_open_bids: int
) -> Iterable[Wish]:
    """Yield the best wishes of each wallet and pool that it covers, and that the number of its open bids allows."""
    standing = holds.open_bids(work.tx, locked, markets)
    by_pair: dict[tuple[str, str], list[Wish]] = defaultdict(list)
    for wish in wishes:
        by_pair[wish.account_id, wish.pool].append(wish)
    room = {account_id: wallet.available for account_id, wallet in locked.items()}
    for account_id, pool in by_pair:
        # What these bids hold already is there for them; other holds are not.
        hold = locked[account_id].holds.get(pool)
        room[account_id] += hold.tokens if hold else 0
    for (account_id, pool), wanted in sorted(by_pair.items()):
        mechanism = markets[pool].mechanism
        others = _others(standing[account_id, pool], wanted)
        wanted.sort(key=lambda wish: (-wish.price, wish.task_id))
        prices = [bid["max_price_tokens"] for bid in others]
        hold = locked[account_id].holds.get(pool)
        open_already = len(others) + (hold.suspended_bids if hold else 0)
        kept = _most_that_fit(wanted[: max(0, most_open_bids - open_already)], prices, mechanism, room[account_id])
        room[account_id] -= most_owed(mechanism, [*prices, *(wish.price for wish in kept)])
        yield from kept


def _others(standing: Iterable[Row], wanted: list[Wish]) -> list[Row]:
    amended = {wish.task_id for wish in wanted}
    return [bid for bid in standing if bid["task_id"] not in amended and bid["reason"] != competitors.SUSPENDED]


def _most_that_fit(wanted: list[Wish], others: list[int], mechanism: str, room: int) -> list[Wish]:
    fewest, most = 0, len(wanted)
    while fewest < most:
        middle = (fewest + most + 1) // 2
        owed = most_owed(mechanism, [*others, *(wish.price for wish in wanted[:middle])])
        fewest, most = (middle, most) if owed <= room else (fewest, middle - 1)
    return wanted[:fewest]


def _asked(wish: Wish, last_ttl_at: datetime) -> dict[str, Any]:
    ttl_at = last_ttl_at if wish.deadline_at is None else min(last_ttl_at, wish.deadline_at)
    return {
        "bidder_id": wish.account_id,
        "task_id": wish.task_id,
        "max_price_tokens": wish.price,
        "expected_value_usd": wish.expected_value_usd,
        "ttl_at": ttl_at.isoformat(),
        "pool": wish.pool,
    }


def _request(asked: Mapping[str, Any]) -> dict[str, Any]:
    ttl_at = datetime.fromisoformat(asked["ttl_at"])
    return {**asked, "ttl_at": ttl_at, "time_in_force": "round", "idempotency_key": None}

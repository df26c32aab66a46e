"""Bidding for backlogs: what `submit_bids_for_tasks` does inside its transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, NamedTuple

from scidex.bidding import Position, Strategy, strategy_named
from scidex.exchange import book, placing, resting, wallets
from scidex.exchange.book import Market
from scidex.exchange.records import Bid
from scidex.exchange.wallets import Wallet
from scidex.mechanism.hold import most_owed
from scidex.money.tokens import in_tokens
from scidex.profiles import PROFILES
from scidex.store.database import Row
from scidex.store.db_writes import Work, effect

_BRIEF = PROFILES["brief"]


class Wish(NamedTuple):
    """What a quest would bid for one of its tasks."""

    account_id: str
    task_id: str
    pool: str
    price: int
    expected_value_usd: float
    deadline_at: datetime | None


@effect("submit_bids")
def submit_bids(
    work: Work, *, strategy: str, pool: str | None, tokens_per_usd: int, bid_hours: int, most_open_bids: int
) -> list[Bid]:
    """Bid for every quest's unblocked tasks in a pool, or in all of them, as much as the strategy says."""
    tx = work.tx
    markets = book.lock_pools(tx, [pool] if pool else [row["pool"] for row in tx.rows("all_pools")])
    last_ttl_at = work.now + timedelta(hours=bid_hours)

    def decide() -> list[dict[str, Any]]:
        tasks = tx.rows("tasks_to_bid_for", now=work.now)
        locked = wallets.lock(tx, {task["account_id"] for task in tasks})
        wishes = [
            wish
            for wish in _wishes(work, tasks, locked, strategy_named(strategy), tokens_per_usd)
            if wish.price > 0 and wish.pool in markets
        ]
        return [_asked(wish, last_ttl_at) for wish in _affordable(work, wishes, locked, markets, most_open_bids)]

    # Tasks may change while this is decided, so that a replay could not decide it again; what was decided is kept.
    asked = work.make_up("bids", decide)
    if not asked:
        work.changed = False
        return []
    requests = [_request(bid) for bid in asked]
    return placing.place_bids(work, bids=requests, bid_hours=bid_hours, most_open_bids=most_open_bids)


def _wishes(
    work: Work, tasks: list[dict[str, Any]], locked: Mapping[str, Wallet], strategy: Strategy, tokens_per_usd: int
) -> Iterable[Wish]:
    held = {row["bidder_id"]: row["tokens"] for row in work.tx.rows("tokens_of_won_slots", account_ids=list(locked))}
    by_quest: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for task in tasks:
        by_quest[task["quest_id"]].append(task)
    for quest_tasks in by_quest.values():
        account_id = quest_tasks[0]["account_id"]
        values: list[Fraction] = [in_tokens(task["expected_value_usd"], tokens_per_usd) for task in quest_tasks]
        wallet = locked[account_id].balance - held.get(account_id, 0)
        prices = strategy(Position(wallet, values, len(values), _BRIEF.alpha_start), _BRIEF)
        for task, price in zip(quest_tasks, prices, strict=True):
            yield Wish(
                account_id, task["task_id"], task["pool"], price, task["expected_value_usd"], task["deadline_at"]
            )


def _affordable(
    work: Work, wishes: list[Wish], locked: Mapping[str, Wallet], markets: dict[str, Market], most_open_bids: int
) -> Iterable[Wish]:
    """Yield the best wishes of each wallet and pool that it covers, and that the number of its open bids allows."""
    standing = resting.open_bids(work.tx, locked, markets)
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
    return [bid for bid in standing if bid["task_id"] not in amended and bid["reason"] != resting.SUSPENDED]


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

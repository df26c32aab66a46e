"""What the open bids of a wallet set aside, and which open bids may compete as tasks and wallets change."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from scidex.exchange.book import RESTING, Market, lock_pools, read_pools
from scidex.exchange.wallets import BidHold, Wallet
from scidex.mechanism.eligibility import SUPERSEDED, TASK_RUNNING
from scidex.mechanism.hold import most_owed
from scidex.mechanism.lifecycle import TASK_STATES_THAT_BAR
from scidex.store.database import Row, Transaction

SUSPENDED = "suspended"


# Tasks share locks, so that no transaction takes more of them than the server's table of locks has room for.
_TASK_LOCKS = 1024


def lock_tasks(tx: Transaction, task_ids: Iterable[str], *, shared: bool = False) -> None:
    """
    Let nobody else change which bids for these tasks may compete, until the transaction ends.

    With `shared`, others may look at these tasks as well, and nobody may change them.
    """
    tx.lock(_lock_names(task_ids), shared=shared)


def lock_name(task_id: str) -> str:
    """Return the name of the lock of a task, which sorts behind those of the pools."""
    return _name_of(_number_of(task_id))


def _lock_names(task_ids: Iterable[str]) -> Iterator[str]:
    # Only when they are asked for, which SQLite does not; and each once, as a round may have very many tasks.
    yield from map(_name_of, set(map(_number_of, task_ids)))


def _number_of(task_id: str) -> int:
    return zlib.crc32(task_id.encode()) % _TASK_LOCKS


def _name_of(number: int) -> str:
    return f"tasks {number}"


def barred_tasks(tx: Transaction, task_ids: Iterable[str]) -> dict[str, str]:
    """Return those of the tasks whose bids may not compete, with the reason: blocked, done, failed or running."""
    states, live = tx.gather(bar_calls(task_ids))
    return read_bars(states, live)


def bar_calls(task_ids: Iterable[str]) -> list[tuple[str, Row]]:
    """Return the statements that tell which tasks are barred, for a caller that has more to ask in one round trip."""
    names = {"task_ids": list(set(task_ids))}
    return [("tasks_that_bar", names), ("live_tasks", names)]


def read_bars(states: Iterable[Row], live: Iterable[Row]) -> dict[str, str]:
    """Return the barred tasks with their reasons from the rows that `bar_calls` answered."""
    barred = {row["task_id"]: reason for row in states if (reason := bar_of(row["status"], live=False))}
    return barred | {row["winning_task_id"]: TASK_RUNNING for row in live}


def bar_of(status: str | None, *, live: bool) -> str:
    """Return why bids for a task may not compete, or nothing: its state in the backlog, and whether it holds a slot."""
    return TASK_RUNNING if live else TASK_STATES_THAT_BAR.get(status or "", "")


def lock_for_change_of(tx: Transaction, task_ids: Iterable[str], *, pools: Iterable[str] = ()) -> None:
    """Lock tasks, and before them the pools in which bids for them are open, so that all those bids may be moved."""
    names = list(set(task_ids))
    wanted = {*pools, *tx.values("pools_with_bids_for", task_ids=names)}
    while True:
        lock_pools(tx, wanted)
        lock_tasks(tx, names)
        # A bid may have come to another pool before the tasks were locked; now none can.
        more = set(tx.values("pools_with_bids_for", task_ids=names)) - wanted
        if not more:
            return
        wanted |= more


def rerank_tasks(tx: Transaction, task_ids: Iterable[str], *, round_bids_too: bool = False) -> None:
    """
    Set which open bids for these tasks may compete, after the tasks or their bids have changed.

    Of a task's resting bids in a pool the best one alone stands in the book that clears; the others follow it,
    unscanned, until it leaves. Bids for the open round are moved only by a caller that has locked their pools, so that
    the book of a cleared round stays as it was.
    """
    names = sorted(set(task_ids))
    if not names:
        return
    bids = tx.rows("open_bids_for_tasks", task_ids=names, round_bids_too=int(round_bids_too))
    if not bids:
        return
    barred = barred_tasks(tx, names)
    changes = []
    for (task_id, _), rows in groupby(bids, key=lambda bid: (bid["task_id"], bid["pool"])):
        led = False
        for bid in rows:
            reason = _reason_to_wait(bid, barred.get(task_id), led=led)
            led = led or (not reason and bid["round_id"] == RESTING)
            if (bid["competing"], bid["reason"]) != (int(not reason), reason):
                changes.append(_change(bid, reason))
    tx.run_many("set_competing", changes)


def _change(bid: Row, reason: str) -> Row:
    return {"id": bid["id"], "round_id": bid["round_id"], "competing": int(not reason), "reason": reason}


def _reason_to_wait(bid: Row, bar: str | None, *, led: bool) -> str:
    if bid["reason"] == SUSPENDED:
        return SUSPENDED
    if bar:
        return bar
    return SUPERSEDED if led and bid["round_id"] == RESTING else ""


@dataclass(slots=True)
class Prices:
    """Prices of a bidder's open bids in a pool: for its open round, and resting; and how many bids hold nothing."""

    for_round: list[int] = field(default_factory=list)
    resting: list[int] = field(default_factory=list)
    suspended: int = 0

    def of_round(self, round_id: int) -> list[int]:
        """Return the prices of the bids for a round."""
        return self.resting if round_id == RESTING else self.for_round

    def put(self, terms: Row, instead_of: Row | None) -> None:
        """Count a new bid, or one on new terms instead of the old ones."""
        if instead_of is not None and instead_of["reason"] == SUSPENDED:
            self.suspended -= 1
        elif instead_of is not None:
            self.of_round(instead_of["round_id"]).remove(instead_of["max_price_tokens"])
        self.of_round(terms["round_id"]).append(terms["max_price_tokens"])

    def __len__(self) -> int:
        return len(self.for_round) + len(self.resting) + self.suspended


def prices_of(bids: Iterable[Row]) -> Prices:
    """Return the prices of open bids."""
    prices = Prices()
    for bid in bids:
        if bid["reason"] == SUSPENDED:
            prices.suspended += 1
        else:
            prices.of_round(bid["round_id"]).append(bid["max_price_tokens"])
    return prices


def hold_of(market: Market, prices: Prices) -> BidHold:
    """
    Return what a bidder's open bids in a pool set aside: the most that it can come to owe in the next round.

    What its resting bids alone would set aside is kept apart, since that remains when the round has cleared.
    """
    return hold_in_round(market.mechanism, market.open_round_id, prices)


def hold_in_round(mechanism: str, round_id: int, prices: Prices) -> BidHold:
    """Return what these open bids set aside, of a pool with this mechanism and open round."""
    resting = most_owed(mechanism, prices.resting) if prices.resting else 0
    if not prices.for_round:
        return BidHold(RESTING, 0, resting, prices.suspended)
    everything = most_owed(mechanism, [*prices.for_round, *prices.resting])
    return BidHold(round_id, everything - resting, resting, prices.suspended)


def open_bids(
    tx: Transaction, bidder_ids: Iterable[str], markets: dict[str, Market]
) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return the open bids of bidders in pools, by (bidder, pool)."""
    rounds = [RESTING, *(market.open_round_id for market in markets.values())]
    rows = tx.rows("open_bids_of", bidder_ids=list(bidder_ids), pools=list(markets), round_ids=rounds)
    bids: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        bids[row["bidder_id"], row["pool"]].append(row)
    return bids


def rehold(
    tx: Transaction, wallets: dict[str, Wallet], pairs: Iterable[tuple[str, str]], markets: dict[str, Market]
) -> None:
    """Set aside anew, in locked wallets, for the open bids of (bidder, pool) pairs after some of them ended."""
    wanted = set(pairs)
    bids = open_bids(tx, sorted({bidder for bidder, _ in wanted}), markets)
    for bidder_id, pool in sorted(wanted):
        wallets[bidder_id].set_hold(pool, hold_of(markets[pool], prices_of(bids[bidder_id, pool])))


def cover(tx: Transaction, wallet: Wallet, market: Market, bids: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """
    Keep as many of a wallet's open bids in a pool standing as its tokens cover, best first; suspend the others.

    `bids` are all its open bids there. Suspended ones stand again as soon as they are covered. Returns the bids whose
    standing changed. The wallet's hold follows.
    """
    before = wallet.holds.get(market.pool)
    if before is not None:
        wallet.hold_more(-before.tokens)
    kept = [bid for bid in bids if bid["round_id"] != RESTING]
    changed = []
    for bid in sorted(bids, key=lambda bid: (-bid["max_price_tokens"], bid["sequence"])):
        if bid["round_id"] != RESTING:
            continue
        covered = hold_of(market, prices_of([*kept, {**bid, "reason": ""}])).tokens <= wallet.available
        if covered != (bid["reason"] != SUSPENDED):
            bid["reason"] = "" if covered else SUSPENDED
            changed.append(bid)
        if covered:
            kept.append(bid)
    hold = hold_of(market, prices_of(bids))
    hold.changed = True
    wallet.holds[market.pool] = hold
    wallet.hold_more(hold.tokens)
    # Not yet in the book: which of a task's bids stands there is for `rerank_tasks` to say.
    tx.run_many("set_competing", [{**_change(bid, bid["reason"]), "competing": 0} for bid in changed])
    return changed


def resume(tx: Transaction, wallets: Iterable[Wallet]) -> None:
    """Let suspended bids of locked wallets stand again where they are covered now."""
    for wallet in wallets:
        pools = sorted(pool for pool, hold in wallet.holds.items() if hold.suspended_bids)
        if not pools:
            continue
        markets = read_pools(tx, pools)
        bids = open_bids(tx, [wallet.account_id], markets)
        lock_tasks(tx, (bid["task_id"] for pool in pools for bid in bids[wallet.account_id, pool]))
        for pool in pools:
            changed = cover(tx, wallet, markets[pool], bids[wallet.account_id, pool])
            rerank_tasks(tx, [bid["task_id"] for bid in changed])

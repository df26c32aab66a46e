"""Bidding for backlogs: what `submit_bids_for_tasks` does inside its transaction."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import compress
from typing import Any, NamedTuple

from scidex.errors import BidsRefused
from scidex.exchange.book import bids, competitors, endings, holds
from scidex.exchange.book import pools as books
from scidex.exchange.book.endings import NOT_COVERED, NOT_WANTED
from scidex.exchange.book.pools import RESTING, OpenPool
from scidex.exchange.income import price_levels
from scidex.exchange.ledger import wallets
from scidex.exchange.ledger.wallets import Wallet
from scidex.exchange.quests.wishes import Pace, Plan, Planner, Wish
from scidex.mechanism.hold import covered, most_owed
from scidex.records import Bid
from scidex.store.database import Row, Transaction
from scidex.store.db_writes import Work, effect

_LOG = logging.getLogger(__name__)

Triple = tuple[str, str, str]


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
    cancels: bool = False,
) -> list[Bid]:
    """
    Bid for every quest's unblocked tasks in a pool, or in all of them, as much as the strategy says.

    Bids that stand for a backlog from before are amended, and with `cancels` cancelled where they are wanted no more or
    the wallet does not cover them. Without a strategy each quest bids by its own or its market's, and what these adapt
    is kept. Returns the bids that stand for backlogs then.
    """
    tx = work.tx
    markets = books.lock_pools(tx, [pool] if pool else [row["pool"] for row in tx.rows("all_pools")])
    plan = Plan.empty()
    changes = _Changes([], [], [])

    def decide() -> list[dict[str, Any]]:
        nonlocal plan, changes
        tasks = tx.rows("tasks_to_bid_for", now=work.now)
        rounds = [RESTING, *(market.open_round_id for market in markets.values())]
        bidders = tx.values("bidders_for_backlogs", pools=list(markets), round_ids=rounds)
        locked = wallets.lock(tx, {*bidders, *(task["account_id"] for task in tasks)})
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
        standing = _Standing(tx, locked, markets)
        changes = standing.changes_to(plan.wishes, most_open_bids, work.now, timedelta(hours=bid_hours))
        return changes.asked

    # Tasks may change while this is decided, so that a replay could not decide it again; what was decided is kept.
    asked = work.make_up("bids", decide)
    ended = work.make_up("cancelled", lambda: changes.cancelled) if cancels else []
    adapted = strategy is None and any([_keep(work, plan), price_levels.note(work, markets, plan.values)])
    _cancel(work, markets, ended)
    requests = [_request(bid, for_backlog=int(cancels)) for bid in asked]
    placed = _place(work, requests, bid_hours=bid_hours, most_open_bids=most_open_bids)
    work.changed = bool(placed or ended or adapted)
    unchanged = [Bid(**row) for row in tx.rows("bids_by_id", ids=changes.unchanged)]
    return sorted([*placed, *unchanged], key=lambda bid: (bid.bidder_id, bid.pool, -bid.max_price_tokens, bid.sequence))


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


class _Changes(NamedTuple):
    """The bids to place or amend, those to cancel as (id, reason), and those that stand as they are."""

    asked: list[dict[str, Any]]
    cancelled: list[list[Any]]
    unchanged: list[int]


class _Standing:
    """The open bids of the wallets at hand: those for backlogs, which follow the wishes, and all others, which stay."""

    def __init__(self, tx: Transaction, locked: Mapping[str, Wallet], markets: Mapping[str, OpenPool]) -> None:
        self._locked = locked
        self._markets = markets
        self._ours: dict[Triple, Row] = {}
        self._others: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for pair, of_pair in holds.open_bids(tx, locked, dict(markets)).items():
            for bid in of_pair:
                if bid["for_backlog"]:
                    self._ours[*pair, bid["task_id"]] = bid
                else:
                    self._others[pair].append(bid)

    def changes_to(self, wishes: list[Wish], most_open_bids: int, now: datetime, lasts: timedelta) -> _Changes:
        """Return what is to change so that for each backlog the wishes that its wallet covers stand."""
        by_hand = {(*pair, bid["task_id"]) for pair, of_pair in self._others.items() for bid in of_pair}
        # What somebody bids for a task by hand stands in the market's place.
        wanted = {_triple(wish): wish for wish in wishes if wish.price > 0 and _triple(wish) not in by_hand}
        kept = {_triple(wish): wish for wish in self._covered(wanted.values(), most_open_bids)}
        changed = [wish for triple, wish in kept.items() if _differs(self._ours.get(triple), wish, now, lasts)]
        cancelled = [
            [bid["id"], NOT_COVERED if triple in wanted else NOT_WANTED]
            for triple, bid in sorted(self._ours.items())
            if triple not in kept
        ]
        amended = {_triple(wish) for wish in changed}
        unchanged = [self._ours[triple]["id"] for triple in kept if triple not in amended]
        return _Changes([_asked(wish, now + lasts) for wish in changed], cancelled, unchanged)

    def _covered(self, wanted: Iterable[Wish], most_open_bids: int) -> Iterable[Wish]:
        """Yield the best wishes of each wallet and pool that it covers, and that the number of its open bids allows."""
        by_pair: dict[tuple[str, str], list[Wish]] = defaultdict(list)
        for wish in wanted:
            by_pair[wish.account_id, wish.pool].append(wish)
        room = {account_id: self._room(wallet) for account_id, wallet in self._locked.items()}
        for (account_id, pool), wishes in sorted(by_pair.items()):
            mechanism = self._markets[pool].mechanism
            others = self._others[account_id, pool]
            prices = _prices(others)
            # What the bids that stay hold is there for them.
            room[account_id] += most_owed(mechanism, prices)
            wishes.sort(key=lambda wish: (-wish.price, wish.task_id))
            fitting = wishes[: max(0, most_open_bids - len(others))]
            flags = covered(mechanism, [wish.price for wish in fitting], room[account_id], beside=prices)
            kept = list(compress(fitting, flags))
            room[account_id] -= most_owed(mechanism, [*prices, *(wish.price for wish in kept)])
            yield from kept

    def _room(self, wallet: Wallet) -> int:
        """Return what a wallet has for its backlogs: all that is available once their bids are out of these books."""
        held = sum(hold.tokens for pool, hold in wallet.holds.items() if pool in self._markets)
        others = sum(
            most_owed(market.mechanism, _prices(self._others[wallet.account_id, pool]))
            for pool, market in self._markets.items()
        )
        return wallet.available + held - others


def _triple(wish: Wish) -> Triple:
    return wish.account_id, wish.pool, wish.task_id


def _prices(others: Iterable[Row]) -> list[int]:
    return [bid["max_price_tokens"] for bid in others if bid["reason"] != competitors.SUSPENDED]


def _differs(stands: Row | None, wish: Wish, now: datetime, lasts: timedelta) -> bool:
    """Whether a bid is to be placed or amended for a wish: also one that stands alike, before its time is over."""
    return (
        stands is None
        or stands["reason"] == competitors.SUSPENDED
        or (stands["max_price_tokens"], stands["expected_value_usd"]) != (wish.price, wish.expected_value_usd)
        or not min(now + lasts / 2, _ends_at(wish, now + lasts)) <= stands["ttl_at"] <= _ends_at(wish, now + lasts)
    )


def _ends_at(wish: Wish, last_ttl_at: datetime) -> datetime:
    return last_ttl_at if wish.deadline_at is None else min(last_ttl_at, wish.deadline_at)


def _asked(wish: Wish, last_ttl_at: datetime) -> dict[str, Any]:
    return {
        "bidder_id": wish.account_id,
        "task_id": wish.task_id,
        "max_price_tokens": wish.price,
        "expected_value_usd": wish.expected_value_usd,
        "ttl_at": _ends_at(wish, last_ttl_at).isoformat(),
        "pool": wish.pool,
    }


def _request(asked: Mapping[str, Any], *, for_backlog: int) -> dict[str, Any]:
    given = {"ttl_at": datetime.fromisoformat(asked["ttl_at"]), "for_backlog": for_backlog}
    return {**asked, **given, "time_in_force": "round", "idempotency_key": None}


def _cancel(work: Work, markets: dict[str, OpenPool], ended: Iterable[tuple[int, str]]) -> None:
    """Cancel bids for backlogs, whose pools are locked; what they set aside is free at once."""
    reasons = dict(ended)
    if not reasons:
        return
    tx = work.tx
    rows = tx.rows("bids_by_id", ids=sorted(reasons))
    competitors.lock_tasks(tx, (row["task_id"] for row in rows if row["round_id"] == RESTING))
    locked = wallets.lock(tx, (row["bidder_id"] for row in rows))
    for reason in sorted(set(reasons.values())):
        of_reason = [row for row in rows if reasons[row["id"]] == reason]
        endings.close(tx, of_reason, locked, markets, status="cancelled", reason=reason)
    wallets.save(tx, locked.values())


def _place(work: Work, requests: list[dict[str, Any]], **limits: int) -> list[Bid]:
    """Place bids; where some are refused, those of the other bidders."""
    while requests:
        try:
            return bids.place_bids(work, bids=requests, **limits)
        except BidsRefused as refused:
            # Nothing was written. One quest's trouble is its own.
            named = {requests[index]["bidder_id"] for index in refused.errors}
            _LOG.warning("the bids of %s were refused: %s", ", ".join(sorted(named)), refused)
            requests = [request for request in requests if request["bidder_id"] not in named]
    return []

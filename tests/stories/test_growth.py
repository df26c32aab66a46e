"""What a market does again and again costs the same however long it has been at work."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from scidex.exchange import (
    backlog,
    compute_auction,
    cycle,
    ev_scorer,
    leases,
    sealing,
    services,
    sweeper,
    token_ledger,
    workers,
)
from scidex.senate.market_health import MarketHealth
from scidex.store import Database, sqlite
from tests.market import NOON, fund

YOUNG, OLD = 20, 200
POOL = "scidex-agent"


class Steps:
    """Counts what SQLite's virtual machine does, in tens of its instructions."""

    def __init__(self) -> None:
        self.count = 0

    def step(self) -> None:
        self.count += 1


@pytest.fixture
def steps(monkeypatch) -> Steps:
    """The steps of each connection that is opened from now on."""
    steps = Steps()
    connect = sqlite3.connect

    def connect_and_count(*arguments: Any, **named: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **named)
        connection.set_progress_handler(steps.step, 10)
        return connection

    monkeypatch.setattr(sqlite.sqlite3, "connect", connect_and_count)
    return steps


@pytest.fixture
def market(steps, tmp_path, sqlite_template) -> Iterator[Database]:
    path = tmp_path / "market.db"
    path.write_bytes(sqlite_template.read_bytes())
    with sqlite.SqliteDatabase(f"sqlite:///{path}", deadline_seconds=30) as db:
        fund(db, 10**9, "ada", "bob", "worker:1")
        backlog.add_quest("q", now=NOON, db=db)
        token_ledger.mint("quest:q", 10**9, now=NOON, db=db)
        yield db


def live_through(db: Database, first: int, last: int) -> datetime:
    """Let rounds pass in which slots are offered, bid for by hand and for a backlog, run and settled; say when."""
    moment = NOON
    for number in range(first, last):
        moment = NOON + timedelta(minutes=10 * number)
        worker = f"w{number // 10}"
        workers.register_worker(worker, "worker:1", now=moment, db=db)
        backlog.add_task(f"t{number}", "q", expected_value_usd=3, now=moment, db=db)
        workers.keep_offers(worker, 2, now=moment, db=db)
        for price, who in ((40, "ada"), (30, "bob"), (20, "ada")):
            compute_auction.place_bid(who, f"{who}-{number}-{price}", price, now=moment, db=db)
        cycle.run_cycle(now=moment, db=db)
        for _ in range(2):
            leased = leases.lease_next(worker, now=moment, db=db)
            assert leased is not None
            leases.heartbeat(leased.fence, now=moment, db=db)
            services.finish(leased.assignment, succeeded=True, fence=leased.fence, now=moment, db=db)
        if number % 10 == 9:
            workers.stop_worker(worker, now=moment, db=db)
            sweeper.sweep(moment + timedelta(minutes=5), db=db)
        sealing.seal_journal(now=moment, db=db)
    return moment + timedelta(days=2)


def what_is_done_again_and_again(db: Database, at: datetime) -> dict[str, Callable[[], object]]:
    health = MarketHealth(db)
    list(health.gauges(at))
    return {
        "metrics": lambda: list(health.gauges(at)),
        "sweep": partial(sweeper.sweep, at, db=db),
        "refund": partial(compute_auction.refund_unfilled, at, db=db),
        "seal": partial(sealing.seal_journal, now=at, db=db),
        "book": partial(compute_auction.get_order_book, now=at, db=db),
        "stats": partial(compute_auction.get_recent_stats, now=at, db=db),
        "bidders": partial(compute_auction.get_bidder_stats, now=at, db=db),
        "leases": partial(leases.list_leases, db=db),
        "held by": partial(leases.held_by, "w0", db=db),
        "workers": partial(workers.list_workers, db=db),
        "open tasks": partial(backlog.list_tasks, status="open", db=db),
        "ranking": partial(ev_scorer.score_all, now=at, db=db),
        "split": partial(ev_scorer.get_quest_budget_allocation, now=at, db=db),
        "won slots": partial(compute_auction.list_won_slots, "ada", db=db),
        "open bids": partial(compute_auction.list_open_bids, "ada", now=at, db=db),
        "transfers": partial(token_ledger.list_transfers, limit=20, db=db),
        "wallet": partial(token_ledger.get_balance, "ada", db=db),
        "status": partial(cycle.cycle_status, now=at, db=db),
        "mode": partial(cycle.current_mode, now=at, db=db),
        "bid": partial(compute_auction.place_bid, "bob", "later", 10, now=at, db=db),
        "cycle": partial(cycle.run_cycle, now=at, db=db),
    }


def costs(db: Database, steps: Steps, at: datetime) -> dict[str, int]:
    """Return how many steps each of these takes at a moment."""
    found = {}
    for name, act in what_is_done_again_and_again(db, at).items():
        before = steps.count
        act()
        found[name] = steps.count - before
    return found


def test_what_a_market_does_again_and_again_costs_the_same_when_it_is_old(market, steps):
    young = costs(market, steps, live_through(market, 0, YOUNG))
    old = costs(market, steps, live_through(market, YOUNG, OLD))

    # Ten times the history: what goes through it takes ten times the steps, and a deeper tree a few more.
    grown = {name: (young[name], old[name]) for name in young if old[name] > 1.25 * young[name] + 5}
    assert grown == {}

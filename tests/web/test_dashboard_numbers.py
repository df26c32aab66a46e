"""The dashboard's numbers are those of the whole market, and not of the page that a table shows."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.exchange import backlog, compute_auction, cycle, services, token_ledger, workers
from scidex.senate import market_health
from scidex.web.dashboard import views
from tests.backlogs import quest, run, task
from tests.market import NOON, bid, fund

POOL = "scidex-agent"


@given(st.lists(st.none() | st.integers(0, 10**6), max_size=400), st.integers(4, 60))
def test_a_chart_of_few_points_keeps_the_lowest_the_highest_and_the_last_price(tokens, most):
    prices = [
        {"cleared_at": NOON + timedelta(minutes=place), "clearing_price_tokens": price}
        for place, price in enumerate(tokens)
    ]
    shown = list(views._extremes(prices, most))
    known = [price for price in tokens if price is not None]
    told = [point["clearing_price_tokens"] for point in shown if point["clearing_price_tokens"] is not None]

    assert len(shown) <= most + 3
    assert [point["cleared_at"] for point in shown] == sorted(point["cleared_at"] for point in shown)
    assert shown[-1:] == prices[-1:]
    if known:
        assert (min(told), max(told)) == (min(known), max(known))


def test_a_peak_between_thousands_of_rounds_is_drawn():
    prices = [{"cleared_at": NOON + timedelta(seconds=n), "clearing_price_tokens": 5} for n in range(5_000)]
    prices[2_345]["clearing_price_tokens"] = 36_560

    assert 36_560 in json.loads(views._chart(prices))[1]


@pytest.fixture
def market(db):
    fund(db, 10, "agent:a", "agent:b")
    fund(db, 5_000, "agent:z")
    return db


def test_the_richest_wallet_is_on_the_page_and_the_sums_are_of_all(market, monkeypatch):
    monkeypatch.setattr(views, "_MOST_WALLETS", 1)
    shown = views.wallets(market)

    assert [one.account_id for one in shown["wallets"]] == ["agent:z"]
    assert (shown["count"], shown["in_circulation"], shown["most"]) == (3, 5_020, 5_000)
    token_ledger.burn("agent:z", 1_000, reason="too many", now=NOON, db=market)
    assert views.wallets(market)["in_circulation"] == 4_020


def test_the_fleet_is_counted_whole(market, monkeypatch):
    monkeypatch.setattr(views, "_MOST_WORKERS", 2)
    for number in range(5):
        workers.register_worker(f"w{number}", "agent:a", seats=3, lease_seconds=60, now=NOON, db=market)
    shown = views.fleet(market)

    assert (len(shown["workers"]), shown["totals"].workers) == (2, 5)
    assert (shown["totals"].alive, shown["totals"].seats) == (5, 15)


def test_the_book_is_counted_whole(market, monkeypatch):
    monkeypatch.setattr(views, "_BOOK_PAGE", 2)
    for number in range(4):
        bid(market, "agent:z", f"t{number}", 10 + number)

    assert views.auction(market, POOL, NOON)["book_size"]["bids"] == 4


def test_failures_are_counted_and_a_failed_win_is_not_shown_as_settled(market):
    quest(market, "q1", tokens=1_000)
    for number, succeeded in enumerate([True, False, False]):
        task(market, f"t{number}")
        bid(market, "quest:q1", f"t{number}", 10)
        compute_auction.offer_slots(1, provider_id="agent:a", now=NOON, db=market)
        compute_auction.clear_round(NOON, db=market)
        run(market, services.won_slots("agent:a", db=market)[0], succeeded=succeeded)
    backlog.set_task_status("t1", "held", now=NOON, db=market)
    shown = views.status(market, POOL, NOON + timedelta(minutes=1))["endings"]

    assert (shown.succeeded, shown.failed, shown.held_tasks) == (1, 2, 1)
    assert shown.failure_rate == pytest.approx(2 / 3)
    wins = views.auction(market, POOL, NOON + timedelta(minutes=1))["wins"]
    assert sorted(win["status"] for win in wins) == ["failed", "failed", "succeeded"]


def test_the_budget_shows_what_was_paid(market):
    compute_auction.configure_pool(POOL, "recommended", now=NOON, db=market)
    quest(market, "q1")
    task(market, "t1")
    cycle.run_cycle(POOL, NOON, db=market)
    shown = views.budget(market, POOL, NOON)

    paid = token_ledger.get_balance("quest:q1", db=market).balance
    assert paid > 0
    assert shown["days"][0].paid_tokens == shown["paid_of"]["q1"] == paid
    assert [(one["name"], one["share"]) for one in shown["paid"]] == [("q1", 1.0)]
    assert market_health.income_by_day("no-such-pool", days=7, db=market) == ([], {})

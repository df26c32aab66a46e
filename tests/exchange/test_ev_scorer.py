"""Tasks are ranked without a trace, and quests bid for them what the strategy says and their wallets cover."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scidex.errors import UnknownPool, UnknownStrategy
from scidex.exchange import backlog, compute_auction, ev_scorer
from scidex.records import Allocation
from tests.backlogs import quest, task
from tests.market import NOON, after, bid, clear, fund, offer, wallet
from tests.raw_sql import contents


def submit(db, at=NOON, **terms):
    return ev_scorer.submit_bids_for_tasks(at, **terms, db=db)


def bids_by_task(bids):
    return {one.task_id: one.max_price_tokens for one in bids}


def test_tasks_are_ranked_by_expected_value(db):
    quest(db, "q1")
    quest(db, "q2")
    task(db, "low", 1.0)
    task(db, "high", 50.0, "q2", title="High", estimated_cost_tokens=7)
    task(db, "even-b", 9.0)
    task(db, "even-a", 9.0)

    ranked = ev_scorer.score_all(NOON, db=db)
    assert [(one.rank, one.task_id) for one in ranked] == [(1, "high"), (2, "even-a"), (3, "even-b"), (4, "low")]
    assert ranked[0][2:] == ("q2", "High", "scidex-agent", 50.0, 7, None)


def test_what_may_not_run_now_is_not_ranked(db):
    quest(db, "q1")
    quest(db, "resting")
    task(db, "first")
    task(db, "waits", depends_on=["first"])
    task(db, "late", deadline_at=after(5))
    task(db, "paused", quest_id="resting")
    task(db, "over")
    backlog.set_quest("resting", status="paused", db=db)
    backlog.set_task_status("over", "done", db=db)

    assert {one.task_id for one in ev_scorer.score_all(after(4), db=db)} == {"first", "late"}
    assert {one.task_id for one in ev_scorer.score_all(after(5), db=db)} == {"first"}


def test_ranking_writes_nothing(db):
    quest(db, tokens=100)
    task(db, "a")
    before = contents(db)

    ev_scorer.score_all(NOON, db=db)
    ev_scorer.get_quest_budget_allocation(NOON, db=db)
    assert contents(db) == before


def test_a_quest_bids_six_tenths_of_the_value_for_each_task(db):
    quest(db, tokens=1_000_000)
    task(db, "a", 12.0)
    task(db, "b", 0.5)

    bids = submit(db)
    assert bids_by_task(bids) == {"a": 7_200, "b": 300}
    assert {(one.bidder_id, one.time_in_force, one.ttl_at) for one in bids} == {
        ("quest:q1", "round", NOON + timedelta(days=1))
    }
    assert {one.task_id: one.expected_value_usd for one in bids} == {"a": 12.0, "b": 0.5}


def test_no_bid_exceeds_the_wallet_by_the_number_of_open_tasks(db):
    quest(db, tokens=1_000)
    task(db, "first", 100.0)
    task(db, "second", 0.1)
    task(db, "third", 100.0)
    task(db, "waits", 100.0, depends_on=["first"])

    assert bids_by_task(submit(db)) == {"first": 333, "second": 60, "third": 333}


def test_a_bid_of_nothing_is_not_placed(db):
    quest(db, "poor")
    quest(db, "rich", 100)
    task(db, "a", 10.0, "poor")
    task(db, "b", 0.0, "rich")

    before = contents(db)
    assert submit(db) == []
    assert contents(db) == before


def test_what_won_slots_hold_is_not_bid_again(db):
    quest(db, tokens=1_000)
    fund(db, 10_000, "agent:ada")
    task(db, "a", 1.0)
    offer(db)
    submit(db)
    bid(db, "agent:ada", "other", 599)
    assert clear(db).clears[0].clearing_price_tokens == 599
    task(db, "b", 100.0)

    # 1,000 less the 599 that the slot holds, for the one task that has no slot.
    assert bids_by_task(submit(db, after(1))) == {"b": 401}
    assert wallet(db, "quest:q1") == (1_000, 1_000)


def test_bids_that_stand_are_amended_and_not_doubled(db):
    quest(db, tokens=1_000)
    task(db, "a", 1.0)
    first = submit(db)
    task(db, "b", 1.0)

    again = submit(db, after(1))
    assert bids_by_task(again) == {"a": 500, "b": 500}
    assert first[0].id == next(one.id for one in again if one.task_id == "a")
    assert len(compute_auction.get_order_book(now=after(1), db=db)["bids"]) == 2


def test_a_quest_whose_other_bids_take_its_tokens_bids_with_what_is_left(db):
    quest(db, tokens=1_000)
    bid(db, "quest:q1", "by-hand", 700)
    task(db, "a", 100.0)
    task(db, "b", 0.1)

    # Of two bids of 500 and 60, beside one of 700: both could come to cost 1,000 and 180.
    assert bids_by_task(submit(db)) == {"a": 500, "b": 60}
    compute_auction.cancel_bid(bid(db, "quest:q1", "by-hand", 1_000 - 1).id, now=NOON, db=db)
    bid(db, "quest:q1", "by-hand", 600)
    task(db, "c", 100.0)
    # Bids of 333, 333 and 60 beside one of 600 could cost 999 together.
    assert bids_by_task(submit(db)) == {"a": 333, "b": 60, "c": 333}


def test_a_quest_never_bids_what_its_resting_bids_already_hold(db):
    quest(db, tokens=1_000)
    bid(db, "quest:q1", "by-hand", 990, time_in_force="gtt")
    task(db, "a", 100.0)
    task(db, "b", 100.0)

    # A bid of 500 more could bring the debt to 2 · 500; three bids to 3 · 500.
    assert bids_by_task(submit(db)) == {"a": 500}
    assert wallet(db, "quest:q1") == (1_000, 1_000)


def test_each_pool_has_its_bids_from_one_wallet(db):
    compute_auction.create_pool("gpu", now=NOON, db=db)
    quest(db, tokens=1_000)
    task(db, "a", 100.0)
    task(db, "g", 100.0, pool="gpu")

    assert [(one.pool, one.task_id, one.max_price_tokens) for one in submit(db, pool="gpu")] == [("gpu", "g", 500)]
    assert bids_by_task(submit(db)) == {"a": 500, "g": 500}
    assert wallet(db, "quest:q1") == (1_000, 1_000)


def test_a_wallet_that_another_pool_holds_does_not_refuse_the_rest(db):
    compute_auction.create_pool("gpu", now=NOON, db=db)
    quest(db, tokens=1_000)
    task(db, "g", 100.0, pool="gpu")
    submit(db, pool="gpu")
    for name in "abcd":
        task(db, name, 100.0)

    # The bid of 1,000 in the other pool stands, so that nothing is left for this one until it is amended too.
    assert submit(db, pool="scidex-agent") == []
    assert bids_by_task(submit(db)) == dict.fromkeys("abcdg", 200)


def test_no_bid_outlives_its_tasks_deadline(db):
    quest(db, tokens=1_000)
    task(db, "a", deadline_at=after(30))

    assert submit(db)[0].ttl_at == after(30)


def test_a_quest_bids_for_as_many_tasks_as_it_may_have_bids(db, monkeypatch):
    monkeypatch.setenv("SCIDEX_MOST_OPEN_BIDS", "2")
    quest(db, tokens=1_000_000)
    for number in range(4):
        task(db, f"t{number}", 1.0 + number)

    assert bids_by_task(submit(db)) == {"t3": 2_400, "t2": 1_800}


def test_what_a_dollar_is_in_tokens_is_a_setting(db, monkeypatch):
    monkeypatch.setenv("SCIDEX_TOKENS_PER_USD", "10")
    quest(db, tokens=1_000_000)
    task(db, "a", 12.0)

    assert bids_by_task(submit(db)) == {"a": 72}


def test_names_that_nobody_knows_are_refused(db):
    with pytest.raises(UnknownStrategy):
        submit(db, strategy="snipe")
    with pytest.raises(UnknownPool):
        submit(db, pool="gpu")


# --- the proportional split


def test_the_bucket_is_split_by_priority_over_quests_with_open_tasks(db, monkeypatch):
    monkeypatch.setenv("SCIDEX_DAILY_BUCKET_TOKENS", "1001")
    for name, priority in (("a", 3), ("b", 1), ("idle", 5), ("paused", 5)):
        quest(db, name, priority=priority)
    for name in ("a", "b", "paused"):
        task(db, f"t-{name}", quest_id=name)
    backlog.set_quest("paused", status="paused", db=db)

    assert ev_scorer.get_quest_budget_allocation(NOON, db=db) == [
        Allocation("a", 3, 751, 0),
        Allocation("b", 1, 250, 0),
    ]

"""Bids for backlogs follow the tasks and the wallet, quest by quest: what is not covered is cut or cancelled."""

from __future__ import annotations

import logging

import pytest

from scidex.bidding import registry
from scidex.errors import BidsRefused, InsufficientTokens
from scidex.exchange import backlog, compute_auction, cycle, ev_scorer, token_ledger
from scidex.exchange.book import bids as book_bids
from scidex.exchange.compute_auction import configure_pool
from tests.backlogs import quest, task
from tests.market import NOON, after, bid, offer, status, wallet
from tests.raw_sql import query


def submit(db, minute=0.0, **terms):
    return ev_scorer.submit_bids_for_tasks(after(minute), **{"strategy": None, **terms}, db=db)


def standing(db, quest_id="q1", minute=0.0):
    """What a quest's wallet bids now, by task."""
    bids = compute_auction.list_open_bids(f"quest:{quest_id}", now=after(minute), db=db)
    return {one.task_id: one.max_price_tokens for one in bids}


@pytest.fixture
def uncalibrated(db):
    """A market that takes claims at their word and pays nothing, so that tokens stay as they were granted."""
    configure_pool(calibrate=False, income="fixed", daily_bucket_tokens=0, db=db)


def test_one_poor_quest_stops_no_round(db, uncalibrated):
    quest(db, "poor", 3)
    quest(db, "rich", 50_000)
    for number in range(3):
        task(db, f"old-{number}", 5.0, "poor")
        task(db, f"rich-{number}", 5.0, "rich")
    assert cycle.run_cycle(now=NOON, db=db).error is None
    for number in range(2):
        task(db, f"new-{number}", 50.0, "poor")

    assert cycle.run_cycle(now=after(1), db=db).error is None
    # Three tokens bid 3, half and a third of them for the best three tasks.
    assert standing(db, "poor") == {"new-0": 3, "new-1": 1, "old-0": 1}
    offer(db, now=after(2))
    [sold] = cycle.run_cycle(now=after(2), db=db).round.clears
    assert sold.bidder_id == "quest:rich"


def test_what_the_wallet_no_longer_covers_is_cut(db, uncalibrated):
    account = quest(db, tokens=1_000)
    for name, usd in (("a", 1.0), ("b", 0.8)):
        task(db, name, usd)
    submit(db)
    token_ledger.transfer(account, "system:treasury", 40, now=NOON, db=db)
    submit(db, 1)

    assert standing(db) == {"a": 600, "b": 480}
    assert wallet(db, account) == (960, 960)
    configure_pool(calibrate=False, income="fixed", daily_bucket_tokens=0, alpha_start=0.1, db=db)
    task(db, "c", 500.0)
    # 960 for the best task, and a half and a third of it for the others.
    submit(db, 2)
    assert standing(db) == {"c": 960, "a": 480, "b": 320}


def test_what_the_wallet_no_longer_covers_is_cancelled_and_says_so(db, uncalibrated):
    configure_pool(calibrate=False, rank_cap=False, income="fixed", daily_bucket_tokens=0, db=db)
    quest(db, tokens=1_000)
    task(db, "a", 1.0)
    [old] = submit(db)
    task(db, "b", 1.5)

    assert [one.task_id for one in submit(db, 1)] == ["b"]
    ended = compute_auction.get_bid(old.id, db=db)
    assert (ended.status, ended.reason) == ("cancelled", "not_covered")
    assert "its wallet does not cover it" in compute_auction.explain(old.id, now=after(1), db=db).sentence


@pytest.mark.parametrize("end", ["done", "worthless", "paused", "elsewhere"])
def test_a_bid_for_what_is_wanted_no_more_is_cancelled(db, uncalibrated, end):
    compute_auction.create_pool("gpu", db=db)
    account = quest(db, tokens=1_000)
    task(db, "a", 1.0)
    [old] = submit(db)
    if end == "done":
        backlog.set_task_status("a", "done", now=NOON, db=db)
    elif end == "paused":
        backlog.set_quest("q1", status="paused", now=NOON, db=db)
    else:
        change = {"expected_value_usd": 0.0} if end == "worthless" else {"pool": "gpu"}
        backlog.put_tasks([{"task_id": "a", "quest_id": "q1", **change}], now=NOON, db=db)

    assert submit(db, 1, pool="scidex-agent") == []
    ended = compute_auction.get_bid(old.id, db=db)
    assert (ended.status, ended.reason) == ("cancelled", "not_wanted")
    assert wallet(db, account) == (1_000, 0)


def test_what_was_bid_by_hand_stands(db, uncalibrated):
    quest(db, tokens=1_000)
    task(db, "a", 1.0)
    task(db, "b", 0.5)
    by_hand = bid(db, "quest:q1", "a", 900)
    amended = submit(db)

    assert [(one.task_id, one.max_price_tokens) for one in amended] == [("b", 300)]
    by_hand = bid(db, "quest:q1", "b", 200, now=after(1))
    assert by_hand.id == amended[0].id
    assert submit(db, 2) == []
    assert standing(db) == {"a": 900, "b": 200}


def test_a_bid_that_has_not_changed_is_not_written_again(db, uncalibrated):
    quest(db, tokens=1_000, strategy="fixed")
    task(db, "a", 1.0)
    task(db, "b", 0.5)
    first = submit(db)
    backlog.put_tasks([{"task_id": "b", "quest_id": "q1", "expected_value_usd": 0.4}], now=NOON, db=db)

    again = submit(db, 1)
    assert [(one.task_id, one.max_price_tokens, one.placed_at) for one in again] == [
        ("a", 600, NOON),
        ("b", 240, after(1)),
    ]
    assert again[0] == first[0]
    entries = len(query(db, "SELECT * FROM journal"))
    assert submit(db, 2) == again
    assert len(query(db, "SELECT * FROM journal")) == entries


def test_a_bid_that_stands_is_renewed_before_its_time_is_over(db, uncalibrated):
    quest(db, tokens=1_000, strategy="fixed")
    task(db, "a", 1.0)
    submit(db)

    [renewed] = submit(db, 13 * 60)
    assert (renewed.placed_at, renewed.ttl_at) == (after(13 * 60), after((13 + 24) * 60))


def test_a_bid_follows_its_tasks_deadline(db, uncalibrated):
    quest(db, tokens=1_000, strategy="fixed")
    task(db, "a", 1.0)
    submit(db)
    backlog.put_tasks([{"task_id": "a", "quest_id": "q1", "deadline_at": after(90)}], now=NOON, db=db)

    assert submit(db, 1)[0].ttl_at == after(90)


@pytest.mark.tampers  # a replay is refused nothing
def test_what_is_refused_to_one_quest_is_placed_for_the_others(db, uncalibrated, monkeypatch, caplog):
    for name in ("q1", "q2"):
        quest(db, name, 1_000)
        task(db, f"of {name}", 1.0, name)
    place = book_bids.place_bids

    def refusing(work, *, bids, **limits):
        refused = {n: InsufficientTokens(field="x") for n, one in enumerate(bids) if one["bidder_id"] == "quest:q1"}
        if refused:
            raise BidsRefused(errors=refused)
        return place(work, bids=bids, **limits)

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(book_bids, "place_bids", refusing)
        assert [one.task_id for one in submit(db)] == ["of q2"]
    assert "quest:q1" in caplog.text
    assert standing(db, "q1") == {}
    assert [one.task_id for one in submit(db, 1)] == ["of q1", "of q2"]


def test_what_cannot_be_planned_for_one_quest_is_planned_for_the_others(db, uncalibrated, monkeypatch):
    for name, strategy in (("q1", "fixed"), ("q2", "market")):
        quest(db, name, 1_000, strategy=strategy)
        task(db, f"of {name}", 1.0, name)

    def broken(position, profile):
        raise OverflowError("too large")

    monkeypatch.setitem(registry.STRATEGIES, "fixed", broken)
    assert [one.task_id for one in submit(db)] == ["of q2"]


def test_quests_with_one_wallet_share_it(db, uncalibrated):
    account = quest(db, "q1", 1_000)
    quest(db, "q2", account_id=account)
    task(db, "a", 1.0, "q1")
    task(db, "b", 1.5, "q2")

    # Bids of 900 and 600 could come to cost 1,200.
    [best] = submit(db)
    assert (best.task_id, best.max_price_tokens) == ("b", 900)
    assert status(db, best) == "open"

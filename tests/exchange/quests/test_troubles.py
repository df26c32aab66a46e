"""A quest that has work and cannot bid says why, and what to do."""

from __future__ import annotations

import pytest

from scidex.bidding import registry
from scidex.cli.checks import FAULT, OK, WARNING, check_quests, check_rounds
from scidex.errors import InsufficientTokens
from scidex.exchange import backlog, cycle, ev_scorer
from scidex.exchange.compute_auction import configure_pool
from scidex.exchange.quests import submission
from tests.backlogs import quest, task
from tests.market import NOON, after, bid, clear, fund, offer


@pytest.fixture(autouse=True)
def no_income(db):
    configure_pool(calibrate=False, income="fixed", daily_bucket_tokens=0, now=NOON, db=db)


def reasons(db, minute=0.0):
    return {one.quest_id: one.reason for one in ev_scorer.list_quest_troubles(after(minute), db=db)}


def fact(db):
    [trouble] = ev_scorer.list_quest_troubles(NOON, db=db)
    assert trouble.remedy
    return trouble.fact


def test_quests_that_bid_or_will_are_in_no_trouble(db):
    quest(db, "bids", 100)
    quest(db, "will", 100)
    quest(db, "idle", 0)
    task(db, "a", 1.0, "bids")
    ev_scorer.submit_bids_for_tasks(NOON, None, db=db)
    task(db, "b", 1.0, "will")

    assert reasons(db) == {}


def test_an_empty_wallet(db):
    quest(db)
    task(db, "a", 1.0)

    assert reasons(db) == {"q1": "empty_wallet"}
    assert fact(db) == "its wallet quest:q1 is empty"


def test_tokens_that_are_all_set_aside(db):
    quest(db, tokens=100)
    bid(db, "quest:q1", "elsewhere", 100)
    task(db, "a", 1.0)

    assert reasons(db) == {"q1": "tokens_set_aside"}
    assert "all 100 tokens" in fact(db)


def test_tokens_that_a_won_slot_holds(db):
    quest(db, tokens=100)
    fund(db, 1_000, "agent:ada")
    bid(db, "quest:q1", "a", 100, time_in_force="gtt")
    bid(db, "agent:ada", "other", 100)
    offer(db)
    assert clear(db).clears[0].bidder_id == "quest:q1"
    task(db, "b", 1.0)

    assert reasons(db) == {"q1": "tokens_set_aside"}


def test_tasks_that_are_worth_nothing(db):
    quest(db, tokens=100)
    task(db, "a", 0.0)

    assert reasons(db) == {"q1": "no_value"}


def test_tasks_that_all_wait(db):
    quest(db, tokens=100)
    quest(db, "other", 100)
    task(db, "first", 1.0, "other")
    task(db, "a", 1.0, depends_on=["first"])

    assert reasons(db) == {"q1": "no_open_task"}
    backlog.set_task_status("first", "done", now=NOON, db=db)
    assert reasons(db) == {}


def test_bids_of_less_than_a_token(db):
    quest(db, tokens=3, strategy="clamp")
    for number in range(4):
        task(db, f"t{number}", 1.0)

    assert reasons(db) == {"q1": "less_than_a_token"}


def test_bids_that_cannot_be_planned(db, monkeypatch):
    quest(db, tokens=100, strategy="fixed")
    task(db, "a", 1.0)

    def broken(position, profile):
        raise OverflowError("too large")

    monkeypatch.setitem(registry.STRATEGIES, "fixed", broken)
    assert reasons(db) == {"q1": "cannot_be_planned"}
    assert "OverflowError: too large" in fact(db)


def test_a_paused_quest_is_left_alone(db):
    quest(db)
    task(db, "a", 1.0)
    backlog.set_quest("q1", status="paused", now=NOON, db=db)

    assert reasons(db) == {}


def test_the_doctor_names_the_quest_and_the_remedy(db):
    quest(db, "q1")
    [well] = check_quests(db, NOON)
    assert well.state == OK
    task(db, "a", 1.0)

    [found] = check_quests(db, NOON)
    assert (found.check, found.state) == ("quest q1", WARNING)
    assert found.found == "cannot bid: its wallet quest:q1 is empty"
    assert "grant it tokens" in found.remedy


def test_a_cycle_that_fails_all_the_same_names_the_quest(db, monkeypatch):
    quest(db, "q1", 100)

    def refuses(*_, **__):
        raise InsufficientTokens(field="max_price_tokens", account_id="quest:q1", needed=3, available=0)

    with monkeypatch.context() as patch:
        patch.setattr(submission._Standing, "changes_to", refuses)
        report = cycle.run_cycle(now=NOON, db=db)
    assert report.error.startswith("quest q1: InsufficientTokens")
    [found] = check_rounds(db, NOON)
    assert (found.state, found.remedy) == (
        FAULT,
        "let the others go on without it: scidex quest set q1 --status paused",
    )
    assert cycle.run_cycle(now=after(1), db=db).mode == "auction"

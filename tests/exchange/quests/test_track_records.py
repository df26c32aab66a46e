"""A bidder's record rests on judged runs alone, once others of their age had the time to be judged."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scidex.errors import InvalidArgument, UnknownAccount
from scidex.exchange import compute_auction, runs, token_ledger
from scidex.exchange.quests import track_records
from scidex.profiles import profile_named
from tests.backlogs import JUDGE, quest
from tests.market import NOON, bid, clear, offer, prove, settle

SLOW = "evaluator:slow"


def at(hours: float):
    return NOON + timedelta(hours=hours)


@pytest.fixture
def market(db):
    """A market whose runs may be judged for 24 hours, and a quest in it."""
    compute_auction.configure_pool("scidex-agent", "recommended", attest_within_hours=24.0, now=NOON, db=db)
    quest(db, tokens=10_000)
    for name in (JUDGE, SLOW):
        token_ledger.create_account(name, kind="evaluator", now=NOON, db=db)
    yield db
    prove(db)


def run(db, claim, impact=None, *, hours=0.0, by=None):
    """Sell a slot to a task that claims so much, and settle it; return its id."""
    offer(db, 1, now=at(hours))
    bid(db, "quest:q1", f"task-{claim}-{hours}", 10, expected_value_usd=claim, now=at(hours))
    [sold] = clear(db, at(hours)).clears
    settle(db, sold.slot_id, 5, impact, attested_by=by, now=at(hours))
    return sold.slot_id


def record(db, hours):
    with db.reading() as tx:
        return track_records.read(tx, profile_named("recommended"), at(hours)).pairs["quest:q1"]


def test_a_run_that_nobody_judges_says_nothing_failed_or_not(market):
    run(market, 5.0)
    run(market, 6.0, 0.0)
    run(market, 7.0, 3.0)

    assert [record(market, hours) for hours in (0, 23, 25, 1_000)] == [[]] * 4


def test_a_bidder_whose_runs_are_all_judged_at_once_never_waits(market):
    run(market, 5.0, 4.0, by=JUDGE)
    run(market, 6.0, 0.0, hours=1, by=JUDGE)

    assert record(market, 1) == [(5.0, 4.0), (6.0, 0.0)]


def test_a_failure_waits_until_runs_of_its_age_could_be_judged(market):
    open_run = run(market, 5.0)
    run(market, 6.0, 0.0, hours=1, by=JUDGE)

    assert record(market, 10) == []
    compute_auction.attest(open_run, 9.0, JUDGE, now=at(12), db=market)
    assert record(market, 12.5) == [(5.0, 9.0)]
    assert record(market, 13.5) == [(5.0, 9.0), (6.0, 0.0)]


def test_a_run_that_is_never_judged_is_waited_for_as_long_as_its_horizon(market):
    run(market, 5.0)
    run(market, 6.0, 0.0, hours=1, by=JUDGE)

    assert record(market, 23.9) == []
    assert record(market, 24.1) == [(6.0, 0.0)]


def test_a_verdict_that_comes_after_its_horizon_counts_from_then_on(market):
    late = run(market, 5.0)
    compute_auction.attest(late, 9.0, JUDGE, now=at(100), db=market)

    assert (record(market, 99), record(market, 100)) == ([], [(5.0, 9.0)])


def test_an_evaluator_may_take_its_own_time(market):
    assert runs.set_evaluator(SLOW, 100.0, now=NOON, db=market).attest_within_hours == 100.0
    waits = run(market, 5.0, by=SLOW)
    run(market, 6.0, 0.0, hours=1, by=JUDGE)

    [sold] = [one for one in compute_auction.list_clears(db=market) if one.slot_id == waits]
    assert (sold.is_judged, sold.judged_at, sold.attest_ends_at) == (False, None, at(100))
    assert record(market, 24.5) == []
    assert record(market, 25.5) == [(6.0, 0.0)]
    assert [one.evaluator_id for one in runs.list_evaluators(db=market)] == [SLOW]


def test_a_clear_says_by_whom_and_when_it_was_judged_first(market):
    slot_id = run(market, 5.0)
    compute_auction.attest(slot_id, 9.0, JUDGE, now=at(3), db=market)
    compute_auction.attest(slot_id, 4.0, SLOW, now=at(5), db=market)

    [sold] = compute_auction.list_clears(db=market)
    assert (sold.is_judged, sold.attested_by, sold.judged_at, sold.attest_ends_at) == (True, SLOW, at(3), at(24))
    assert record(market, 24) == [(5.0, 4.0)]


@pytest.mark.parametrize(
    ("evaluator_id", "hours", "refusal"),
    [("quest:q1", 1.0, UnknownAccount), ("nobody", 1.0, UnknownAccount), (JUDGE, 8_785.0, InvalidArgument)],
)
def test_only_evaluators_have_a_time_to_judge_and_none_takes_years(market, evaluator_id, hours, refusal):
    with pytest.raises(refusal):
        runs.set_evaluator(evaluator_id, hours, now=NOON, db=market)

"""Which runs a record rests on: judged ones alone, and none before the others of its age could be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from scidex.bidding.judgement import SettledRun, judged

START = datetime(2026, 1, 1, tzinfo=UTC)
HORIZON = 120


def at(hours):
    return START + timedelta(hours=hours)


def run(settled, took=None, *, claimed=10.0, realised=5.0, horizon=HORIZON):
    """A run by the hours at which it was settled, and which its verdict took; None is never."""
    if took is None:
        return SettledRun(claimed, at(settled), at(settled + horizon))
    return SettledRun(claimed, at(settled), at(settled + horizon), at(settled + took), realised)


def failed(settled, took=0.0):
    return run(settled, took, realised=0.0)


def worths(runs, hours):
    return [realised for _, realised in judged(runs, at(hours))]


hours = st.integers(0, 400)
delays = st.one_of(st.none(), st.integers(0, 200))


@st.composite
def histories(draw):
    """Runs of one bidder, all of one horizon; each is worth another number, so that scores tell them apart."""
    horizon = draw(st.integers(0, 150))
    pairs = draw(st.lists(st.tuples(hours, delays), max_size=12))
    return [run(settled, took, realised=float(place), horizon=horizon) for place, (settled, took) in enumerate(pairs)]


# --- what counts


def test_judged_runs_count_failures_included():
    runs = [run(0, 0, claimed=9.0, realised=4.0), failed(1)]

    assert judged(runs, at(2)) == [(9.0, 4.0), (10.0, 0.0)]


def test_a_run_that_nobody_judged_says_nothing():
    assert worths([run(0), failed(1)], HORIZON + 2) == [0.0]
    assert worths([run(0)], HORIZON + 2) == []


def test_a_bidder_whose_runs_are_judged_at_once_never_waits():
    runs = [run(hour, 0) for hour in range(10)]

    assert len(judged(runs, at(9))) == 10


def test_a_run_that_will_not_be_judged_holds_nothing_back():
    assert worths([run(0, horizon=0), failed(1)], 1) == [0.0]


# --- what waits


def test_a_failure_waits_for_the_runs_before_it_that_may_still_be_judged():
    runs = [run(0, 50), failed(10)]

    assert worths(runs, 49) == []
    assert worths(runs, 50) == [5.0]


def test_a_failure_waits_as_long_as_the_slowest_verdict_took():
    runs = [run(0, 50), failed(100)]

    assert worths(runs, 149) == [5.0]
    assert worths(runs, 150) == [5.0, 0.0]


def test_nothing_waits_beyond_its_horizon():
    runs = [run(0), failed(10)]

    assert worths(runs, HORIZON - 1) == []
    assert worths(runs, HORIZON) == [0.0]
    assert worths([run(0, 1_000), failed(2_000)], 2_000 + HORIZON) == [5.0, 0.0]


def test_a_verdict_after_its_horizon_counts_from_then_on():
    late = [run(0, 200)]

    assert worths(late, 199) == []
    assert worths(late, 200) == [5.0]


def test_a_verdict_or_a_run_to_come_is_not_known_yet():
    assert worths([run(0, 0), run(5, 0, realised=7.0)], 4) == [5.0]
    assert worths([run(0, 1)], 0.5) == []


# --- what holds of any history


@given(histories(), hours)
def test_no_verdict_counts_while_an_older_run_is_open(runs, now):
    counted = worths(runs, now)
    for one in runs:
        is_open = one.settled_at <= at(now) < one.attest_until and (one.judged_at is None or one.judged_at > at(now))
        if is_open:
            assert not [later for later in runs if later.settled_at > one.settled_at and later.realised in counted]


@given(histories(), hours, hours)
def test_what_has_counted_counts_ever_after(runs, now, more):
    assert set(worths(runs, now)) <= set(worths(runs, now + more))


@given(histories(), hours)
def test_runs_that_were_never_judged_might_as_well_not_have_been(runs, now):
    """Once their horizon has passed: until then they are waited for."""
    passed = [one for one in runs if one.judged_at is not None or at(now) < one.attest_until]

    assert judged(runs, at(now)) == judged(passed, at(now))


@given(histories())
def test_in_the_end_it_does_not_matter_when_the_verdicts_came(runs):
    at_once = [one._replace(judged_at=one.settled_at) for one in runs if one.judged_at is not None]

    assert judged(runs, at(1_000)) == judged(at_once, at(1_000))


@given(histories(), hours, st.randoms())
def test_the_order_in_which_runs_are_listed_does_not_matter(runs, now, chance):
    distinct = list({one.settled_at: one for one in runs}.values())

    assert judged(chance.sample(distinct, len(distinct)), at(now)) == judged(distinct, at(now))


@given(histories(), hours)
def test_what_a_run_was_worth_does_not_decide_whether_it_counts(runs, now):
    turned = [one if one.realised is None else one._replace(realised=-one.realised) for one in runs]

    assert [-worth for worth in worths(turned, now)] == worths(runs, now)

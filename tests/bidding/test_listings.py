"""Which claims an order rests on: the newest, of a rush of them the best."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from scidex.bidding.listings import counted, most_counted, period_of, window
from scidex.bidding.order import score
from scidex.profiles import profile_named

START = datetime(2026, 1, 1, tzinfo=UTC)
PROFILE = profile_named("recommended", order_claims=30, listing_least=4, listing_growth=1.25, listing_days=5.0)

claims = st.floats(0.01, 1e6)
periods = st.lists(st.lists(claims, max_size=12), max_size=9)


def test_periods_are_counted_from_the_first_claim():
    def period(days):
        return period_of(START + timedelta(days=days), first_at=START, profile=PROFILE)

    assert [period(days) for days in (0, 4.9, 5, 12)] == [0, 0, 1, 2]


def test_the_first_period_has_no_limit():
    assert most_counted([], PROFILE) is None
    assert window([[1.0] * 25], PROFILE) == [1.0] * 25


def test_later_ones_take_a_quarter_more_than_usual_and_a_few_at_least():
    assert most_counted([8], PROFILE) == 10
    assert most_counted([8, 16], PROFILE) == 15
    assert most_counted([1], PROFILE) == 4


def test_what_is_usual_is_known_by_the_last_six_periods():
    assert most_counted([1_000, *[8] * 6], PROFILE) == 10


def test_of_a_rush_the_best_count_in_the_order_of_listing():
    assert counted([3.0, 1.0, 9.0, 2.0, 5.0], 3) == [3.0, 9.0, 5.0]
    assert counted([3.0, 1.0], 3) == [3.0, 1.0]


def test_a_window_is_made_of_the_newest_claims_that_count():
    old, new = [float(n) for n in range(100, 120)], [float(n) for n in range(20)]

    assert window([old, new], PROFILE) == sorted([*old[-10:], *new])


def test_junk_hardly_lifts_the_rest():
    """Four junk tasks beside each real one: were all counted, each real task would look five times as rare."""
    usual = [float(n) for n in range(10, 18)]
    honest = window([usual] * 3, PROFILE)
    junk = window([usual, usual, usual + [0.1] * 32], PROFILE)
    counting_all = window([usual, usual, usual + [0.1] * 32], profile_named("recommended", order_claims=30))

    assert score(17.0, honest) <= score(17.0, junk) < score(17.0, counting_all)
    assert junk.count(0.1) == 2


@given(periods)
def test_a_window_holds_no_more_than_it_may_and_nothing_that_was_not_listed(listed):
    kept = window(listed, PROFILE)

    assert len(kept) <= PROFILE.order_claims
    assert kept == sorted(kept)
    assert set(kept) <= {claim for period in listed for claim in period}


@given(periods, st.floats(0.1, 10), st.floats(0.2, 5))
def test_a_lie_that_keeps_the_order_keeps_the_window(listed, factor, power):
    def told(number):
        return factor * number**power

    everything = {claim for period in listed for claim in period}
    if len({told(one) for one in everything}) == len(everything):
        assert window([[told(one) for one in period] for period in listed], PROFILE) == [
            told(one) for one in window(listed, PROFILE)
        ]


@given(periods, st.lists(st.just(0.001), max_size=20))
def test_junk_never_drives_out_a_better_claim_of_its_period(listed, junk):
    most = most_counted([len(period) for period in listed], PROFILE)
    real = [7.0, 8.0, 9.0]

    assert counted(junk + real, most)[-3:] == real

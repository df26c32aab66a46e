"""Claims as an order: nothing but the order counts, and the record says what a place in it is worth."""

from __future__ import annotations

from itertools import pairwise
from math import exp, inf, log, sqrt
from random import Random
from statistics import linear_regression

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.bidding.order import (
    SLOPE_LEAST,
    SLOPE_MOST,
    OrderLine,
    OrderRecord,
    Worth,
    fit,
    place,
    pooled,
    record_of,
    score,
)
from scidex.profiles import PROFILES, profile_named

RECOMMENDED = PROFILES["recommended"]

claims = st.floats(0.01, 1e6)
windows = st.lists(claims, min_size=1, max_size=30).map(sorted)
values = st.one_of(st.just(0.0), st.floats(0.01, 10_000))
pairs = st.lists(st.tuples(st.floats(0, 3.5), values), max_size=40)
pools = st.builds(
    OrderLine,
    slope=st.floats(SLOPE_LEAST, SLOPE_MOST),
    level=st.floats(-3, 3),
    centre=st.floats(0, 3),
    success=st.floats(0.05, 1),
    spread=st.floats(0.1, 2),
)


def settled(count, *, seed=1, slope=1.2, noise=0.3, shift=0.0, lift=0.0):
    """Tasks of some score that realised what the line says, with noise; scores may be shifted, values lifted."""
    chance = Random(seed)
    scores = [sqrt(-2 * log(chance.uniform(0.003, 0.3))) for _ in range(count)]
    return [(one + shift, exp(slope * one + lift + chance.gauss(0, noise))) for one in scores]


def many(**told):
    """The line of a dozen quests with long records."""
    return pooled([record_of(settled(200, seed=seed, **told), RECOMMENDED) for seed in range(10, 22)], RECOMMENDED)


def worth_of(scores, pool=None, profile=RECOMMENDED):
    return fit(record_of(scores, profile), pool or OrderLine(), profile)


# --- scores


def test_the_best_of_a_hundred_stands_three_high_and_the_least_at_nothing():
    window = [float(number) for number in range(1, 101)]

    assert score(100.0, window) == pytest.approx(sqrt(2 * log(100)))
    assert score(1.0, window) == 0.0


def test_equal_claims_share_their_places():
    assert place(5.0, [1.0, 5.0, 5.0, 9.0]) == (2.5, 4)
    assert score(5.0, [1.0, 5.0, 5.0, 9.0]) == pytest.approx(sqrt(-2 * log(2.5 / 4)))


def test_a_claim_that_left_the_window_is_compared_with_it_all_the_same():
    window = [1.0, 2.0, 3.0]

    assert score(10.0, window) > score(3.0, window)
    assert score(0.5, window) == 0.0


def test_without_a_window_every_claim_stands_at_nothing():
    assert score(5.0, []) == 0.0


@given(windows, claims, st.floats(0.1, 10), st.floats(0.2, 5))
def test_no_lie_that_keeps_the_order_changes_a_score(window, claim, factor, power):
    def told(number):
        return factor * number**power

    # Two claims may come to one number of the machine's: then the lie did not keep the order.
    if len({told(one) for one in [*window, claim]}) == len({*window, claim}):
        assert score(told(claim), [told(one) for one in window]) == score(claim, window)


@given(windows, claims, claims)
def test_a_higher_claim_never_stands_lower(window, claim, more):
    assert score(claim + more, window) >= score(claim, window)


# --- what a place is worth


def test_a_market_without_a_record_takes_a_score_for_a_logarithm_of_dollars():
    assert pooled([], RECOMMENDED) == OrderLine()
    assert worth_of([], profile=profile_named("recommended", newcomer_log_discount=0.0)) == Worth(1.0, 0.0)


@given(pools, st.floats(0, 3.5))
def test_a_newcomer_stands_below_the_pool_by_its_discount(pool, score):
    newcomer = fit(OrderRecord(), pool, RECOMMENDED)
    fair = pool.level + log(pool.success) + newcomer.slope * (score - pool.centre)

    assert newcomer.value(score) == pytest.approx(exp(fair - 1.2), rel=1e-6)


@given(pairs, pools, st.floats(0, 3.5), st.floats(0, 3.5))
def test_a_higher_score_is_never_worth_less(scores, pool, score, more):
    worth = worth_of(scores, pool)

    assert worth.value(score + more) >= worth.value(score)


def test_a_long_record_is_believed():
    worth = worth_of(settled(400, noise=0.1), many())

    assert worth.slope == pytest.approx(1.2, abs=0.1)
    assert worth.value(2.0) == pytest.approx(exp(2.4), rel=0.15)


def test_who_delivers_more_at_the_same_places_is_worth_more():
    worths = [worth_of(settled(100, lift=lift)).value(2.0) for lift in (-1, 0, 1)]

    assert all(lower < higher for lower, higher in pairwise(worths))


@given(st.integers(1, 60), st.integers(0, 1_000), st.floats(0.1, 2))
def test_who_wins_by_higher_places_and_delivers_the_same_is_worth_less(count, seed, shift):
    """Creeping claims, or junk below them, lift the scores of what wins: the record takes it back."""
    fair, lifted = (worth_of(settled(count, seed=seed, shift=one)) for one in (0.0, shift))

    assert lifted.value(2.0) < fair.value(2.0)


def test_a_change_of_habit_does_not_flatten_the_line():
    steady, moved = settled(60, noise=0.0), settled(60, seed=2, noise=0.0, shift=1.0)

    through_all = linear_regression([s for s, _ in [*steady, *moved]], [log(y) for _, y in [*steady, *moved]]).slope
    own = worth_of([*steady, *moved], many()).slope

    assert through_all < 0.8
    assert own > through_all + 0.15


def test_a_bidder_with_scores_closer_together_is_drawn_to_a_steeper_line():
    pool = OrderLine(slope=1.0, spread=0.4)
    close = [(1.0 + score / 10, realised) for score, realised in settled(30)]

    assert _start(close, pool) > _start(settled(30), pool)


def _start(scores, pool):
    """The slope of a record that says nothing of it: with an endless weight of the pool's."""
    return worth_of(scores, pool, profile_named("recommended", slope_prior_tasks=20.0)).slope


@given(st.lists(pairs, max_size=4))
def test_slopes_are_bounded(records):
    pool = pooled([record_of(one, RECOMMENDED) for one in records], RECOMMENDED)

    assert SLOPE_LEAST <= pool.slope <= SLOPE_MOST
    assert pool.spread > 0
    for one in records:
        assert SLOPE_LEAST <= worth_of(one, pool).slope <= SLOPE_MOST


@given(st.lists(pairs, max_size=5), st.randoms())
def test_the_pools_line_is_the_same_in_any_order(records, chance):
    known = [record_of(one, RECOMMENDED) for one in records]

    assert pooled(chance.sample(known, len(known)), RECOMMENDED) == pooled(known, RECOMMENDED)


def test_the_lower_of_a_fast_and_a_slow_level_counts():
    fair, fallen = settled(200, noise=0.0), settled(12, seed=2, noise=0.0, lift=-1.0)
    risen = settled(12, seed=2, noise=0.0, lift=1.0)

    before = worth_of(fair).value(2.0)
    down, up = (before / worth_of([*fair, *late]).value(2.0) for late in (fallen, risen))

    assert down > 1.5
    assert 1 / down < up < 1


def test_tasks_of_which_nothing_comes_count_by_their_share():
    fair = settled(200, noise=0.0)
    half = [(score, 0.0 if number % 2 else realised) for number, (score, realised) in enumerate(fair)]

    assert worth_of(half).value(2.0) / worth_of(fair).value(2.0) == pytest.approx(0.5, abs=0.08)


@given(pairs)
def test_worths_are_numbers(scores):
    assert 0 < worth_of(scores).value(3.0) < inf

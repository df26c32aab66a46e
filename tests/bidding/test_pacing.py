"""Pacing: the share that is bid falls when spending is ahead of its target, and rises when it lags behind."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import exp, log
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scidex.bidding.pacing import ALPHA_LEAST, next_alpha, rounds_left, target
from scidex.profiles import PROFILES, profile_named

RECOMMENDED = PROFILES["recommended"]

alphas = st.floats(ALPHA_LEAST, 0.6)
amounts = st.floats(0, 10**9)


def after(alpha: float, spent: float, target: float, **settings: float) -> float:
    return next_alpha(alpha, spent=spent, target=target, profile=profile_named("recommended", **settings))


def test_on_target_the_share_stays():
    assert after(0.3, 100, 100) == 0.3


def test_a_round_in_which_nothing_was_spent_raises_the_share_by_six_percent():
    assert after(0.3, 0, 100) == pytest.approx(0.3 * exp(0.06))


def test_spending_twice_the_target_lowers_it_by_six_percent():
    assert after(0.3, 200, 100) == pytest.approx(0.3 * exp(-0.06))


def test_it_never_falls_by_more_than_a_quarter_in_the_logarithm():
    assert after(0.3, 10**6, 100) == pytest.approx(0.3 * exp(-0.25))


def test_it_never_exceeds_the_most():
    assert after(0.59, 0, 100) == 0.6
    assert after(0.59, 0, 100, alpha_most=0.8) == pytest.approx(0.59 * exp(0.06))


def test_it_never_falls_so_low_that_it_could_not_come_back():
    assert after(ALPHA_LEAST, 10**6, 1) == ALPHA_LEAST


def test_without_anything_to_spend_it_stays():
    assert after(0.3, 0, 0) == after(0.3, 50, 0) == 0.3


def test_the_gain_is_how_strongly_it_answers():
    assert after(0.3, 200, 100, pacing_gain=0.2) == pytest.approx(0.3 * exp(-0.2))
    assert after(0.3, 200, 100, pacing_gain=0.0) == 0.3


def test_the_steps_down_and_up_are_bounded_apart():
    assert after(0.3, 10**6, 1, pacing_down_most=0.1) == pytest.approx(0.3 * exp(-0.1))
    assert after(0.3, 0, 1, pacing_up_most=0.01) == pytest.approx(0.3 * exp(0.01))


@given(alphas, amounts, amounts, st.floats(0, 10**9))
def test_whoever_spent_more_bids_no_more_afterwards(alpha, spent, more, goal):
    assert after(alpha, spent + more, goal) <= after(alpha, spent, goal)


@given(alphas, amounts, amounts)
def test_the_share_stays_within_its_bounds(alpha, spent, goal):
    assert ALPHA_LEAST <= after(alpha, spent, goal) <= 0.6


# --- the target


def test_the_target_lets_the_wallet_last():
    assert target(4_800, rounds_left=48) == 100


def test_income_that_is_sure_to_come_may_be_spent_too():
    assert target(4_800, rounds_left=48, income_expected=2_400) == 150


def test_the_last_round_may_spend_everything_and_no_more():
    assert target(500, rounds_left=0.2) == 500


def test_a_wallet_is_to_last_for_the_rest_of_the_day_and_a_day():
    evening = datetime(2026, 5, 1, 18, tzinfo=UTC)

    assert rounds_left(evening, interval_seconds=3_600, profile=RECOMMENDED) == 6 + 24
    assert rounds_left(evening, interval_seconds=60, profile=RECOMMENDED) == 60 * (6 + 24)


def test_the_horizon_is_a_setting():
    evening = datetime(2026, 5, 1, 18, tzinfo=UTC)

    assert rounds_left(evening, interval_seconds=3_600, profile=profile_named("brief", pacing_horizon_days=3)) == 78


@given(st.integers(0, 86_398), st.floats(0.05, 10**6))
def test_the_horizon_only_ever_comes_closer_within_a_day(second, interval):
    start = datetime(2026, 5, 1, tzinfo=UTC)
    now, later = start + timedelta(seconds=second), start + timedelta(seconds=second + 1)

    assert (
        rounds_left(now, interval_seconds=interval, profile=RECOMMENDED)
        >= rounds_left(later, interval_seconds=interval, profile=RECOMMENDED)
        >= 1
    )


# --- over a day


@given(st.lists(st.floats(0, 5), min_size=1, max_size=48))
def test_what_is_spent_of_each_target_averages_to_one_while_the_share_is_free(parts):
    """Below its most, and with no round above five targets, the share's own way tells what was spent."""
    shares = [0.01]
    for part in parts:
        shares.append(after(shares[-1], 100 * part, 100))

    assume(max(shares) < 0.6 and min(shares) > ALPHA_LEAST)
    assert sum(1 - part for part in parts) == pytest.approx(log(shares[-1] / shares[0]) / 0.06, abs=1e-3)


class Day(NamedTuple):
    spent: float
    targets: float
    shares: list[float]


def days_of(seed: int, *, income: int, rivals_price: float, count: int = 3) -> Iterator[Day]:
    """Days of 96 rounds of a quest with many tasks and an income at midnight, among prices that go up and down."""
    chance = Random(seed)
    alpha, wallet = 0.3, 2 * income
    for _ in range(count):
        spent_of_day, targets = 0.0, 0.0
        shares: list[float] = []
        for round_ in range(96):
            goal = target(wallet, rounds_left=192 - round_)
            price = rivals_price * exp(chance.gauss(0, 0.2))
            bids = sorted((alpha * 1_000 * exp(chance.gauss(0, 1)) for _ in range(20)), reverse=True)
            won = sum(1 for rank, bid in enumerate(bids, start=1) if min(bid, wallet / rank) >= price)
            spent = won * price
            wallet -= int(spent)
            alpha = next_alpha(alpha, spent=spent, target=goal, profile=RECOMMENDED)
            spent_of_day, targets, shares = spent_of_day + spent, targets + goal, [*shares, alpha]
        yield Day(spent_of_day, targets, shares)
        wallet += income


@given(st.integers(0, 10**6), st.integers(40_000, 100_000), st.floats(200, 400))
@settings(max_examples=20)
def test_over_a_day_with_a_share_below_its_most_spending_is_within_ten_percent_of_the_targets(seed, income, price):
    # The first day finds its share.
    for day in list(days_of(seed, income=income, rivals_price=price))[1:]:
        if max(day.shares) < RECOMMENDED.alpha_most:
            assert abs(day.spent - day.targets) <= 0.1 * day.targets


def test_such_days_are_common():
    days = [day for seed in range(5) for day in days_of(seed, income=60_000, rivals_price=300.0)][1:]

    assert sum(max(day.shares) < RECOMMENDED.alpha_most for day in days) >= 12


def test_a_quest_that_is_ahead_of_its_target_bids_less_from_round_to_round():
    alpha, shares = 0.6, []
    for _ in range(5):
        alpha = after(alpha, 300, 100)
        shares.append(alpha)

    assert all(later < earlier for earlier, later in pairwise(shares))

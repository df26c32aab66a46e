"""What claims are worth: own record against the pool's, dues of newcomers, and the fast eye for exaggeration."""

from __future__ import annotations

from itertools import pairwise
from math import exp, log
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scidex.bidding.calibration import (
    FACTOR_LEAST,
    FACTOR_MOST,
    SLOPE_LEAST,
    SLOPE_MOST,
    Calibration,
    Line,
    Record,
    fit,
    pooled,
    record_of,
)
from scidex.profiles import PROFILES, Profile, profile_named

RECOMMENDED = PROFILES["recommended"]
HONEST_POOL = Line()

values = st.floats(0.01, 10_000)
scores = st.lists(st.tuples(values, st.one_of(st.just(0.0), values)), max_size=40)
pools = st.builds(
    Line,
    slope=st.floats(SLOPE_LEAST, SLOPE_MOST),
    level=st.floats(-3, 3),
    centre=st.floats(-3, 3),
    success=st.floats(0.05, 1),
    spread=st.floats(0.1, 5),
)


def calibrated(
    pairs: list[tuple[float, float]], pool: Line = HONEST_POOL, profile: Profile = RECOMMENDED
) -> Calibration:
    return fit(record_of(pairs, profile), pool, profile)


def claims(count: int, *, seed: int = 1, times: float = 1.0, noise: float = 0.3) -> list[tuple[float, float]]:
    """Tasks of heavy-tailed worth, claimed with some noise, and exaggerated so many times."""
    chance = Random(seed)
    worths = [exp(chance.gauss(2, 1.2)) for _ in range(count)]
    return [(times * worth * exp(chance.gauss(0, noise)), worth) for worth in worths]


# --- newcomers


def test_a_newcomers_claim_is_worth_three_tenths():
    assert calibrated([]).factor(10.0) == pytest.approx(exp(-1.2))


def test_the_newcomers_discount_is_a_setting():
    assert calibrated([], profile=profile_named("recommended", newcomer_log_discount=0.0)).factor(10.0) == 1.0


def test_a_fair_record_works_off_the_dues():
    factors = [calibrated(claims(count, noise=0.0)).factor(7.4) for count in (0, 1, 5, 20, 100)]

    assert all(earlier < later for earlier, later in pairwise(factors))
    assert factors[-1] > 0.9


@given(pools, values)
def test_a_new_identitys_factor_is_at_most_the_pools(pool, claim):
    assert fit(Record(), pool, RECOMMENDED).factor(claim) <= pool.calibration().factor(claim)


@given(pools, values)
def test_a_fresh_name_stands_below_the_pool_by_the_newcomers_discount(pool, claim):
    fresh, fair = fit(Record(), pool, RECOMMENDED), pool.calibration()

    # Where neither meets a bound.
    assume(10 * FACTOR_LEAST < fair.factor(claim) < 0.99 * FACTOR_MOST)
    assert fresh.factor(claim) == pytest.approx(fair.factor(claim) * exp(-1.2), rel=1e-6)


# --- a record of one's own


def test_whoever_claims_three_times_what_comes_true_is_believed_a_third():
    assert calibrated(claims(200, times=3.0, noise=0.0)).factor(20.0) == pytest.approx(1 / 3, rel=0.15)


def test_whoever_exaggerates_more_is_believed_less():
    factors = [calibrated(claims(60, times=times)).factor(20.0) for times in (1, 2, 3, 10)]

    assert all(earlier > later for earlier, later in pairwise(factors))


@given(scores, pools, values, st.floats(1.01, 100))
def test_the_factor_falls_strictly_with_over_claiming(pairs, pool, claim, times):
    """Claim more for each of the same tasks and any claim is worth less, down to the bound; unless none came true."""
    assume(any(realised > 0 for _, realised in pairs))
    honest = calibrated(pairs, pool)
    inflated = calibrated([(times * claimed, realised) for claimed, realised in pairs], pool)

    assert (
        inflated.value(claim) < honest.value(claim)
        or inflated.factor(claim) <= FACTOR_LEAST * 1.000001
        or (honest.factor(claim) >= FACTOR_MOST * 0.999999)
    )


@given(scores, pools, values)
def test_the_factor_is_bounded(pairs, pool, claim):
    factor = calibrated(pairs, pool).factor(claim)

    assert FACTOR_LEAST * 0.999999 <= factor <= FACTOR_MOST * 1.000001


@given(scores, pools, values, values)
def test_a_higher_claim_is_never_worth_less(pairs, pool, claim, more):
    calibration = calibrated(pairs, pool)

    assert calibration.value(claim + more) >= calibration.value(claim)


def test_a_claim_of_nothing_is_worth_nothing():
    assert calibrated(claims(10)).value(0.0) == 0.0


def test_a_claim_of_nothing_says_nothing_of_claims():
    assert record_of([(0.0, 5.0)], RECOMMENDED) == Record()


def test_tasks_of_which_nothing_comes_lower_the_factor_by_their_share():
    fair = claims(200, noise=0.0)
    half = [(claimed, 0.0 if number % 2 else realised) for number, (claimed, realised) in enumerate(fair)]

    assert calibrated(half).factor(7.4) / calibrated(fair).factor(7.4) == pytest.approx(0.5, abs=0.06)


def test_the_level_prior_is_how_long_it_takes_to_be_believed():
    few, many = (
        calibrated(claims(10, noise=0.0), profile=profile_named("recommended", level_prior_tasks=weight)).factor(7.4)
        for weight in (1.0, 20.0)
    )

    assert few > many > exp(-1.2)


def test_the_slope_prior_is_how_much_it_takes_to_tell_high_claims_from_low_ones():
    """Of a bidder whose claims above 10 come to 10, its own record says the most about a claim of 100."""
    pairs = [(claimed, min(10.0, claimed)) for claimed, _ in claims(60, noise=0.0)]
    own, shared = (
        calibrated(pairs, profile=profile_named("recommended", slope_prior_tasks=weight)).factor(100.0)
        for weight in (1.0, 1_000.0)
    )

    assert own < shared


# --- fast and slow


def test_a_sudden_inflator_pays_at_once():
    honest = claims(200, noise=0.0)
    turned = [*honest, *claims(12, seed=2, times=3.0, noise=0.0)]
    patient = profile_named("recommended", fast_tasks=60.0)

    before, soon, without = (
        calibrated(honest).factor(7.4),
        calibrated(turned).factor(7.4),
        calibrated(turned, profile=patient).factor(7.4),
    )

    assert soon < 0.7 * before
    assert soon < without < before


def test_trust_comes_back_slower_than_it_went():
    honest, inflated = claims(200, noise=0.0), claims(12, seed=2, times=3.0, noise=0.0)
    back = [*honest, *inflated, *claims(12, seed=3, noise=0.0)]

    lost = calibrated(honest).factor(7.4) - calibrated([*honest, *inflated]).factor(7.4)
    regained = calibrated(back).factor(7.4) - calibrated([*honest, *inflated]).factor(7.4)

    assert 0 < regained < lost


def test_the_slow_average_is_how_long_an_exaggeration_is_remembered():
    pairs = [*claims(60, times=3.0, noise=0.0), *claims(60, seed=2, noise=0.0)]
    forgets, remembers = (
        calibrated(pairs, profile=profile_named("recommended", slow_tasks=tasks)).factor(7.4) for tasks in (20.0, 200.0)
    )

    assert remembers < forgets


# --- the pool


def test_a_pool_without_a_record_takes_claims_at_their_word():
    assert pooled([], RECOMMENDED) == Line()
    assert Line().calibration().factor(123.0) == 1.0


def test_the_pools_line_is_that_of_its_bidders():
    pool = pooled([record_of(claims(100, seed=seed, times=2.0), RECOMMENDED) for seed in range(5)], RECOMMENDED)

    assert pool.calibration().factor(exp(pool.centre)) == pytest.approx(0.5, rel=0.15)


def test_one_who_exaggerates_does_not_tilt_the_others_line():
    """Between bidders, high claims that do not come true would look like a flat line; within each it is straight."""
    fair = [record_of(claims(100, seed=seed, noise=0.0), RECOMMENDED) for seed in range(4)]
    loud = record_of(claims(100, seed=9, times=30.0, noise=0.0), RECOMMENDED)

    assert pooled([*fair, loud], RECOMMENDED).slope == pytest.approx(1.0, abs=0.02)


@given(st.lists(scores, max_size=5), st.randoms())
def test_the_pools_line_is_the_same_in_any_order(records, chance):
    known = [record_of(pairs, RECOMMENDED) for pairs in records]
    shuffled = chance.sample(known, len(known))

    assert pooled(shuffled, RECOMMENDED) == pooled(known, RECOMMENDED)


@given(st.lists(scores, max_size=5))
def test_the_pools_line_is_bounded(records):
    pool = pooled([record_of(pairs, RECOMMENDED) for pairs in records], RECOMMENDED)

    assert SLOPE_LEAST <= pool.slope <= SLOPE_MOST
    assert 0 < pool.success <= 1
    assert pool.spread > 0


def test_noise_in_claims_is_no_exaggeration_of_high_ones_alone():
    """The winner's curse: of noisy honest claims the highest come true least, and the line through them says so."""
    noisy = calibrated(claims(400, noise=0.8))

    assert noisy.factor(60.0) < noisy.factor(2.0)
    assert noisy.slope < 0.9
    assert log(noisy.factor(60.0) / noisy.factor(2.0)) < -0.2

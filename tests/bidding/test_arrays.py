"""What holds of strategies on arrays: they bid as the strategies of one quest do, to the last token."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scidex.bidding import STRATEGIES, Position, arrays, haste, order
from scidex.bidding.calibration import Calibration
from scidex.bidding.order import Worth
from scidex.bidding.rank_cap import rank_cap
from scidex.errors import UnknownStrategy
from scidex.mechanism import arrays as mechanism_arrays
from scidex.mechanism.hold import covered
from scidex.money.tokens import in_tokens
from scidex.profiles import PROFILES, profile_named

QUESTS = 3
RECOMMENDED = PROFILES["recommended"]

dollars = st.one_of(st.integers(0, 50).map(float), st.floats(0, 1e6), st.integers(0, 10**9).map(lambda n: n / 1e4))
shares = st.one_of(st.sampled_from([0.6, 0.1, 0.5, 0.3]), st.integers(100_000, 10**9).map(lambda n: n / 1e9))
tasks = st.lists(st.tuples(st.integers(0, QUESTS - 1), dollars), max_size=12)
wallets = st.lists(st.integers(0, 10**7), min_size=QUESTS, max_size=QUESTS)
prices = st.lists(st.tuples(st.integers(0, QUESTS - 1), st.integers(0, 40)), max_size=12)


def positions_of(tasks, wallets, alphas, tokens_per_usd=1_000):
    quest = np.array([quest for quest, _ in tasks], dtype=np.int64)
    return arrays.Positions(
        quest=quest,
        values=np.array([value for _, value in tasks], dtype=np.float64),
        tokens_per_usd=tokens_per_usd,
        wallet_tokens=np.array(wallets, dtype=np.int64),
        open_tasks=np.bincount(quest, minlength=QUESTS),
        alpha=np.array(alphas),
    )


def of_each_quest(tasks, answer):
    """Answer for each quest's tasks alone, and put the answers back into the order of all tasks."""
    found = [0] * len(tasks)
    for quest in range(QUESTS):
        places = [place for place, (owner, _) in enumerate(tasks) if owner == quest]
        for place, price in zip(places, answer(quest, [tasks[place][1] for place in places]), strict=True):
            found[place] = price
    return found


@pytest.mark.parametrize("name", sorted(STRATEGIES))
@settings(deadline=None)
@given(tasks=tasks, wallets=wallets, alphas=st.lists(shares, min_size=QUESTS, max_size=QUESTS))
def test_arrays_bid_as_each_quest_would(name, tasks, wallets, alphas):
    positions = positions_of(tasks, wallets, alphas)

    def alone(quest, values):
        values_in_tokens: list[Fraction] = [in_tokens(value, 1_000) for value in values]
        return STRATEGIES[name](Position(wallets[quest], values_in_tokens, len(values), alphas[quest]), RECOMMENDED)

    assert arrays.bids(name, positions, RECOMMENDED).tolist() == of_each_quest(tasks, alone)


@settings(deadline=None)
@given(prices=prices, wallets=st.lists(st.integers(0, 60), min_size=QUESTS, max_size=QUESTS))
def test_arrays_cap_ranks_as_each_quest_would(prices, wallets):
    quest, bids = (np.array(one, dtype=np.int64) for one in ([q for q, _ in prices], [p for _, p in prices]))

    capped = arrays.rank_cap(bids, quest, np.array(wallets))

    assert capped.tolist() == of_each_quest(prices, lambda quest, mine: rank_cap(mine, wallets[quest]))


@settings(deadline=None)
@given(prices=prices, wallets=st.lists(st.integers(0, 60), min_size=QUESTS, max_size=QUESTS))
def test_each_quests_wallet_covers_the_bids_that_it_covers_alone(prices, wallets):
    quest, bids = (np.array(one, dtype=np.int64) for one in ([q for q, _ in prices], [p for _, p in prices]))

    def alone(quest, mine):
        return [price * flag for price, flag in zip(mine, covered("uniform_price", mine, wallets[quest]), strict=True)]

    assert mechanism_arrays.covered(bids, quest, np.array(wallets)).tolist() == of_each_quest(prices, alone)


@settings(deadline=None)
@given(
    claims=st.lists(st.one_of(st.just(0.0), st.floats(1e-6, 1e6)), max_size=10),
    slope=st.floats(0.1, 1.0),
    intercept=st.floats(-4, 2),
)
def test_arrays_calibrate_to_the_same_nine_digits(claims, slope, intercept):
    calibrations = [Calibration(slope, intercept), Calibration(1.0, 0.0)]
    bidder = np.arange(len(claims)) % 2

    values = arrays.calibrated(np.array(claims, dtype=np.float64), bidder, calibrations)

    assert values.tolist() == [calibrations[place % 2].value(claim) for place, claim in enumerate(claims)]


@settings(deadline=None)
@given(
    claims=st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.5, 1.0, 2.0, 3.0, 7.5])), max_size=10),
    windows=st.lists(st.lists(st.sampled_from([0.25, 1.0, 2.0, 3.0, 10.0]), max_size=9), min_size=3, max_size=3),
    slope=st.floats(0.1, 2.0),
    level=st.floats(-4, 4),
)
def test_arrays_read_an_order_to_the_same_nine_digits(claims, windows, slope, level):
    ordered = [np.array(sorted(window)) for window in windows]
    bidder = np.array([bidder for bidder, _ in claims], dtype=np.int64)
    places = [Worth(slope, level), Worth(1.0, 0.0), Worth(2.0, -1.5)]

    scores = arrays.scored(np.array([claim for _, claim in claims]), bidder, ordered)
    values = arrays.worths(scores, bidder, places)

    assert scores.tolist() == [order.score(claim, sorted(windows[bidder])) for bidder, claim in claims]
    assert values.tolist() == [
        places[bidder].value(score) for (bidder, _), score in zip(claims, scores.tolist(), strict=True)
    ]


@settings(deadline=None)
@given(st.lists(st.tuples(dollars, st.floats(0, 50)), max_size=10))
def test_arrays_hurry_to_the_same_nine_digits(tasks):
    profile = profile_named("recommended", haste=0.3)
    values, left = (np.array(one, dtype=np.float64) for one in ([v for v, _ in tasks], [h for _, h in tasks]))

    hastes = arrays.hastes(left, profile)
    raised = arrays.hurried(values, hastes)

    assert hastes.tolist() == [haste.haste(hours, profile) for _, hours in tasks]
    assert raised.tolist() == [haste.hurried(value, haste.haste(hours, profile)) for value, hours in tasks]


def test_a_strategy_that_there_is_not_is_refused():
    with pytest.raises(UnknownStrategy):
        arrays.bids("lucky", positions_of([(0, 1.0)], [1] * QUESTS, [0.6] * QUESTS), RECOMMENDED)

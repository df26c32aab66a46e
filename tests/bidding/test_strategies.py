"""What `paced`, `truthful` and `fixed` bid, and the cap by rank on what a quest bids for all its tasks."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.bidding import STRATEGIES, rank_cap, strategy_named
from scidex.errors import UnknownStrategy
from scidex.mechanism.hold import most_owed
from scidex.profiles import PROFILES, profile_named
from tests.bidding.positions import position

RECOMMENDED = PROFILES["recommended"]
NAMES = ["clamp", "paced", "truthful", "fixed"]

worths = st.lists(st.fractions(min_value=0, max_value=10**9), max_size=12)
prices = st.lists(st.integers(0, 10**6), max_size=12)
wallets = st.integers(0, 10**6)
alphas = st.integers(0, 1_000).map(lambda thousandths: thousandths / 1_000)


def test_there_are_four_strategies():
    assert list(STRATEGIES) == NAMES


def test_strategies_are_known_by_name():
    assert strategy_named("paced") is STRATEGIES["paced"]
    with pytest.raises(UnknownStrategy, match="snipe"):
        strategy_named("snipe")


def test_every_strategy_is_one_that_a_profile_may_choose():
    assert [profile_named("brief", strategy=name).strategy for name in STRATEGIES] == NAMES


def test_paced_bids_the_share_that_pacing_has_come_to():
    assert STRATEGIES["paced"](position([10_000, 500], alpha=0.25), RECOMMENDED) == [2_500, 125]


def test_paced_never_bids_more_than_the_most_that_is_allowed():
    assert STRATEGIES["paced"](position([10_000], alpha=0.9), RECOMMENDED) == [6_000]
    assert STRATEGIES["paced"](position([10_000], alpha=0.9), profile_named("recommended", alpha_most=0.8)) == [8_000]


def test_fixed_bids_the_first_share_for_ever():
    assert STRATEGIES["fixed"](position([10_000], alpha=0.1), RECOMMENDED) == [6_000]
    assert STRATEGIES["fixed"](position([10_000]), profile_named("recommended", alpha_start=0.5)) == [5_000]


def test_truthful_bids_what_a_task_is_worth():
    assert STRATEGIES["truthful"](position([Fraction(21, 2), 7], wallet=0), RECOMMENDED) == [10, 7]


@pytest.mark.parametrize("name", NAMES)
@given(worths, wallets, alphas)
def test_every_strategy_bids_for_each_task_and_never_more_than_it_is_worth(name, worth, wallet, alpha):
    bids = STRATEGIES[name](position(worth, wallet, alpha=alpha), RECOMMENDED)

    assert len(bids) == len(worth)
    assert all(0 <= bid <= value for bid, value in zip(bids, worth, strict=True))


# --- the rank cap


def test_the_second_best_bid_is_at_most_half_the_wallet_and_the_third_a_third():
    assert rank_cap([900, 900, 900, 100], 900) == [900, 450, 300, 100]


def test_the_order_of_the_tasks_is_kept():
    assert rank_cap([10, 900, 500], 600) == [10, 600, 300]


def test_an_empty_wallet_caps_everything_at_nothing():
    assert rank_cap([5, 3], 0) == [0, 0]
    assert rank_cap([5, 3], -7) == [0, 0]


@given(prices, wallets)
def test_a_quest_never_owes_more_than_its_wallet(bids, wallet):
    assert most_owed("uniform_price", [bid for bid in rank_cap(bids, wallet) if bid]) <= wallet


@given(prices, wallets, st.lists(st.integers(0, 10**6), max_size=12), st.integers(0, 12))
def test_whatever_others_bid_what_is_won_costs_no_more_than_the_wallet(bids, wallet, others, slots):
    mine = [(bid, True) for bid in rank_cap(bids, wallet)]
    ranked = sorted([*mine, *((bid, False) for bid in others)], reverse=True)
    price = ranked[slots][0] if len(ranked) > slots else 0

    assert price * sum(is_mine for _, is_mine in ranked[:slots]) <= wallet


@given(prices, wallets)
def test_the_cap_only_ever_lowers_and_the_best_bid_stays_the_best(bids, wallet):
    capped = rank_cap(bids, wallet)

    assert all(after <= before for after, before in zip(capped, bids, strict=True))
    assert not bids or capped[bids.index(max(bids))] == max(capped)


@pytest.mark.parametrize("name", NAMES)
@given(worths.filter(bool), wallets, alphas, st.fractions(min_value=0, max_value=10**9), st.data())
def test_a_higher_claim_for_one_task_lowers_no_rank_of_ones_bids(name, worth, wallet, alpha, more, data):
    chosen = data.draw(st.integers(0, len(worth) - 1))
    raised = [*worth[:chosen], worth[chosen] + more, *worth[chosen + 1 :]]

    before, after = (
        rank_cap(STRATEGIES[name](position(values, wallet, alpha=alpha), RECOMMENDED), wallet)
        for values in (worth, raised)
    )

    # The r-th best bid never falls, so whatever others bid, no slot of that round is lost by it.
    assert all(high >= low for high, low in zip(sorted(after), sorted(before), strict=True))
    assert after[chosen] >= before[chosen]

"""The strategy `clamp` is the rule as it is written, to the token."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from scidex import bidding
from scidex.profiles import PROFILES, Profile, profile_named
from tests.bidding.positions import position

BRIEF = PROFILES["brief"]

values = st.lists(st.fractions(min_value=0, max_value=10**9), max_size=12)
wallets = st.integers(0, 10**9)


def clamp(worth: list[Fraction], wallet: int, profile: Profile = BRIEF, open_tasks: int | None = None) -> list[int]:
    return bidding.clamp(position(worth, wallet, open_tasks=open_tasks), profile)


def test_a_bid_is_six_tenths_of_what_the_task_is_worth():
    assert clamp([Fraction(12_000)], 1_000_000) == [7_200]


def test_the_share_that_is_bid_is_a_setting():
    assert clamp([Fraction(12_000)], 1_000_000, profile_named("brief", share_bid=0.9)) == [10_800]


def test_a_wallet_is_shared_evenly_by_its_open_tasks():
    assert clamp([Fraction(12_000), Fraction(500), Fraction(12_000)], 9_000) == [3_000, 300, 3_000]


def test_tasks_in_other_pools_have_their_share_of_the_wallet():
    assert clamp([Fraction(12_000)], 9_000, open_tasks=3) == [3_000]


def test_parts_of_a_token_are_not_bid():
    assert clamp([Fraction(3)], 100) == [1]
    assert clamp([Fraction(10)] * 3, 10) == [3, 3, 3]


def test_an_empty_wallet_bids_nothing():
    assert clamp([Fraction(12_000)], 0) == [0]
    assert clamp([Fraction(12_000)], -5) == [0]


def test_no_task_gets_no_bid():
    assert clamp([], 100) == []


def test_a_longer_backlog_lowers_the_bid_for_each_task():
    assert clamp([Fraction(10_000)] * 10, 1_000)[0] < clamp([Fraction(10_000)] * 2, 1_000)[0]


@given(values, wallets)
def test_the_bids_together_never_exceed_the_wallet(worth, wallet):
    assert sum(clamp(worth, wallet)) <= wallet


@given(values, wallets)
def test_no_bid_exceeds_six_tenths_of_the_value_nor_falls_below_nothing(worth, wallet):
    bids = clamp(worth, wallet)

    assert len(bids) == len(worth)
    assert all(0 <= bid <= Fraction(3, 5) * value for bid, value in zip(bids, worth, strict=True))


@given(values.filter(bool), wallets, st.fractions(min_value=0, max_value=10**6))
def test_a_task_that_is_worth_more_never_bids_less(worth, wallet, more):
    assert clamp([worth[0] + more, *worth[1:]], wallet)[0] >= clamp(worth, wallet)[0]

"""What would have won a round did win when it is tried, and a quote wins as often as it says."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scidex.mechanism import Ask, Bid
from scidex.mechanism.registry import MECHANISMS, clear
from scidex.mechanism.winning import price_to_beat, price_to_win, quoted

MOST = 10**6
SELLS_ALL = ["uniform_price", "pay_as_bid", "vickrey"]
GIVES_UP = ["mcafee", "trade_reduction"]

prices = st.lists(st.integers(1, 40), max_size=7)
reserves = st.lists(st.integers(0, 40), min_size=1, max_size=5)


def winners(mechanism: str, bids: list[int], asks: list[int]) -> set[int]:
    """The places of the bids that win; each has an owner of its own, and the earlier of equal ones stands first."""
    book = [Bid(place, place, bid, place) for place, bid in enumerate(bids)]
    offers = [Ask(place, f"provider {place}", reserve) for place, reserve in enumerate(asks)]
    return {int(str(trade.bid_id)) for trade in clear(mechanism, book, offers).trades}


def told(mechanism: str, bids: list[int], asks: list[int]) -> int | None:
    """What a round says afterwards that it took to win, by its winners and the cheapest slot left over."""
    won = sorted(bids[place] for place in winners(mechanism, bids, asks))
    left = sorted(asks)[len(won) :]
    lowest, second = (won[place] if place < len(won) else None for place in (0, 1))
    return price_to_win(mechanism, lowest, second, left[0] if left else None)


@pytest.mark.parametrize("mechanism", [*SELLS_ALL, *GIVES_UP])
@given(prices, reserves)
def test_a_bid_of_what_a_round_took_would_have_won_it(mechanism, bids, asks):
    price = told(mechanism, bids, asks)

    if price is not None:
        assert len(bids) in winners(mechanism, [*bids, max(1, price)], asks)


@pytest.mark.parametrize("mechanism", SELLS_ALL)
@given(prices, reserves)
def test_a_token_less_would_not_have_won_where_all_trades_are_made(mechanism, bids, asks):
    price = told(mechanism, bids, asks)

    assert price is not None
    if price > 1:
        lost = [*bids, price - 1]
        # At the price of the lowest winner it comes second; below it, it loses.
        assert len(bids) not in winners(mechanism, lost, asks)


def test_trade_reduction_gives_up_the_marginal_trade_so_less_does_not_win():
    assert winners("trade_reduction", [50, 40, 30], [0, 5, 10]) == {0, 1}
    assert told("trade_reduction", [50, 40, 30], [0, 5, 10]) == 41
    assert 3 not in winners("trade_reduction", [50, 40, 30, 30], [0, 5, 10])


def test_a_single_trade_under_trade_reduction_is_never_made():
    assert told("trade_reduction", [50], [0]) is None
    assert price_to_beat("trade_reduction", [50], [0], most=MOST) is None


def test_mcafees_price_must_meet_the_newcomer():
    # (20 + 30) / 2 = 25 suits the marginal pair of 40 and 10, so both trade, and 30 is left over.
    assert winners("mcafee", [50, 40, 20], [0, 10, 30]) == {0, 1}
    assert told("mcafee", [50, 40, 20], [0, 10, 30]) == 41
    # Where the price between the newcomer's pair would lie above it, it takes more than one token over the lowest.
    assert winners("mcafee", [50, 20, 19], [0, 10, 21]) == {0, 1}
    assert told("mcafee", [50, 20, 19], [0, 10, 21]) == 21
    assert price_to_beat("mcafee", [50, 20, 19], [0, 10, 61], most=MOST) == 41


@pytest.mark.parametrize("mechanism", [*SELLS_ALL, *GIVES_UP])
@given(prices, reserves)
@settings(max_examples=60)
def test_the_least_bid_that_beats_a_book_wins_and_a_token_less_does_not(mechanism, bids, asks):
    bids, asks = sorted(bids, reverse=True), sorted(asks)
    price = price_to_beat(mechanism, bids, asks, most=MOST)

    if price is None:
        assert len(bids) not in winners(mechanism, [*bids, MOST], asks)
        return
    assert len(bids) in winners(mechanism, [*bids, max(1, price)], asks)
    assert price <= 1 or len(bids) not in winners(mechanism, [*bids, price - 1], asks)


def test_without_a_slot_nothing_wins():
    assert price_to_beat("uniform_price", [10], [], most=MOST) is None
    assert price_to_beat("mcafee", [10], [], most=MOST) is None


def test_every_rule_of_a_pool_is_told_how_it_is_won():
    assert {name for name, rule in MECHANISMS.items() if not rule.sells_all} == set(GIVES_UP)


# --- quotes


def test_a_quote_of_nothing_is_nothing():
    assert quoted([], 0.9) is None


def test_a_quote_is_none_where_too_many_rounds_could_not_be_won():
    assert quoted([10, 20, None, 30, None], 0.9) is None
    assert quoted([10, 20, None, 30, 40, 50, 60, 70], 0.3) == 30


def test_few_rounds_are_quoted_with_caution():
    assert quoted([10, 50], 0.7) == 50


def calm(chance: Random, count: int) -> list[int]:
    return [math.ceil(1_000 * math.exp(chance.gauss(0, 0.5))) for _ in range(count)]


def sticky(chance: Random, count: int) -> list[int]:
    level, found = 0.0, []
    for _ in range(count):
        level = 0.99 * level + 0.07 * chance.gauss(0, 1)
        found.append(math.ceil(1_000 * math.exp(level)))
    return found


def by_the_hour(chance: Random, count: int) -> list[int]:
    return [
        math.ceil(1_000 * math.exp(0.5 * math.sin(math.tau * number / 288) + chance.gauss(0, 0.3)))
        for number in range(count)
    ]


def rising(chance: Random, count: int) -> list[int]:
    return [math.ceil(1_000 * math.exp(0.001 * number + chance.gauss(0, 0.3))) for number in range(count)]


WORLDS = [calm, sticky, by_the_hour, rising]


@pytest.mark.parametrize("probability", [0.5, 0.9])
@pytest.mark.parametrize("world", WORLDS)
def test_a_quote_wins_as_often_as_it_says_over_two_thousand_rounds(
    world: Callable[[Random, int], list[int]], probability: float
):
    took = world(Random(7), 2_000)
    # A quote looks at the last 400 rounds; every fourth one is asked for, to be quick.
    asked = range(100, 2_000, 4)
    won = sum((quoted(took[max(0, now - 400) : now], probability) or 0) >= took[now] for now in asked)

    assert probability - 0.05 <= won / len(asked) <= probability + 0.05


def test_a_higher_chance_costs_no_less():
    took = calm(Random(3), 200)
    quotes = [quoted(took, chance / 10) or 0 for chance in range(1, 10)]

    assert quotes == sorted(quotes)

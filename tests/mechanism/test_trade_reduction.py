import itertools

import pytest
from hypothesis import given

from scidex.mechanism import clear
from scidex.mechanism.trade_reduction import trade_reduction
from scidex.mechanism.uniform_price import uniform_price
from tests.mechanism.books import asks, asks_at, bids, bids_at, some, surplus, winners


def test_the_last_pair_stands_back_and_sets_the_prices():
    clearing = trade_reduction(bids_at(100, 90, 80), asks_at(80, 85, 95))

    assert clearing.trades == ((0, 0, 90, 85),)
    assert clearing.price == 90
    assert clearing.runner_up == 1


def test_a_single_pair_makes_no_trade():
    assert trade_reduction(bids_at(9), asks_at(4)) == ((), None, 0)


def test_nothing_to_reduce_is_no_trade():
    assert trade_reduction([], []) == ((), None, None)


@some
@given(bids(), asks)
def test_one_trade_is_given_up(bids, asks):
    assert winners(trade_reduction(bids, asks)) == winners(uniform_price(bids, asks))[:-1]


def provider_gain(name, bids, reserves, cost):
    """What the provider of the last ask gains."""
    trades = clear(name, bids, asks_at(*reserves)).trades
    return sum(trade.provider_gets - cost for trade in trades if trade.ask_id == len(reserves) - 1)


BOOKS = list(itertools.product(range(0, 7, 2), repeat=4))


@pytest.mark.parametrize("name", ["trade_reduction", "mcafee", "vcg_double"])
def test_truth_is_a_best_reply_for_a_buyer_of_one_slot(name):
    for first, second, reserve, value in BOOKS:
        asks = asks_at(reserve, 1, 5)

        def gain(bid, rivals=(first, second), asks=asks, value=value):
            return surplus(name, bids_at(*rivals, bid), asks, 2, [value])

        assert gain(value) == max(map(gain, range(8)))


@pytest.mark.parametrize("name", ["trade_reduction", "mcafee", "vcg_double"])
def test_truth_is_a_best_reply_for_a_provider_of_one_slot(name):
    for first, second, reserve, cost in BOOKS:
        bids = bids_at(first, second, 3)

        def gain(ask, bids=bids, reserve=reserve, cost=cost):
            return provider_gain(name, bids, (reserve, 1, ask), cost)

        assert gain(cost) == max(map(gain, range(8)))

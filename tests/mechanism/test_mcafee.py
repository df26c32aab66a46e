from fractions import Fraction

import pytest
from hypothesis import given

from scidex.mechanism.mcafee import mcafee
from scidex.mechanism.trade_reduction import trade_reduction
from scidex.mechanism.uniform_price import uniform_price
from tests.mechanism.books import asks, asks_at, bids, bids_at, some, winners


def test_all_trade_at_the_middle_of_the_first_pair_that_does_not():
    clearing = mcafee(bids_at(17, 14, 13, 9, 6), asks_at(1, 4, 5, 8, 11))

    assert clearing.price == Fraction(17, 2)
    assert winners(clearing) == [0, 1, 2, 3]
    assert {trade.provider_gets for trade in clearing.trades} == {Fraction(17, 2)}


@pytest.mark.parametrize(
    ("bid_prices", "reserves"),
    [((9, 8, 2), (1, 7, 8)), ((9, 8, 7), (1, 4, 20))],
    ids=["below the last ask", "above the last bid"],
)
def test_a_middle_that_does_not_suit_the_marginal_pair_costs_a_trade(bid_prices, reserves):
    clearing = mcafee(bids_at(*bid_prices), asks_at(*reserves))

    assert clearing.trades == ((0, 0, 8, reserves[1]),)
    assert clearing.price == 8
    assert clearing.runner_up == 1


@pytest.mark.parametrize(
    ("bid_prices", "reserves"),
    [((9, 8, 4), (1, 7, 10)), ((9, 8, 4), (1, 7, 12))],
    ids=["at the last ask", "at the last bid"],
)
def test_a_middle_at_an_end_of_the_marginal_pair_suits_it(bid_prices, reserves):
    assert len(mcafee(bids_at(*bid_prices), asks_at(*reserves)).trades) == 2


def test_without_a_next_bid_or_ask_a_trade_is_given_up():
    assert mcafee(bids_at(9, 8), asks_at(4)) == ((), None, 0)
    assert mcafee(bids_at(9), asks_at(4, 5)) == ((), None, 0)
    assert mcafee(bids_at(9, 8), asks_at(4, 5)).trades == ((0, 0, 8, 5),)


@some
@given(bids(), asks)
def test_it_sells_all_at_one_price_or_reduces_trade(bids, asks):
    clearing = mcafee(bids, asks)

    if winners(clearing) == winners(uniform_price(bids, asks)):
        assert {(trade.buyer_pays, trade.provider_gets) for trade in clearing.trades} <= {(clearing.price,) * 2}
    else:
        assert clearing == trade_reduction(bids, asks)

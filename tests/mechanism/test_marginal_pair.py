from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from scidex.mechanism.marginal_pair import marginal_pair
from tests.mechanism.books import asks, asks_at, bids, bids_at, some, winners


def test_the_price_divides_the_marginal_pair():
    bids, asks = bids_at(6, 9, 7), asks_at(3, 5)

    assert marginal_pair(bids, asks, theta=0).price == 5
    assert marginal_pair(bids, asks).price == 6
    assert marginal_pair(bids, asks, theta=1).price == 7
    assert marginal_pair(bids, asks, theta=Fraction(1, 4)).price == Fraction(11, 2)


def test_the_price_can_leave_a_losing_bid_willing():
    clearing = marginal_pair(bids_at(9, 7, 6), asks_at(3, 5), theta=0)

    assert clearing.price == 5
    assert clearing.runner_up == 2


def test_without_a_trade_there_is_no_price():
    assert marginal_pair(bids_at(4, 3), asks_at(6, 7), theta=0) == ((), None, 0)


@some
@given(bids(), asks, st.fractions(0, 1))
def test_the_price_lies_between_the_last_bid_and_the_last_ask_that_trade(bids, asks, theta):
    clearing = marginal_pair(bids, asks, theta=theta)
    assume(clearing.trades)
    sold = {trade.ask_id for trade in clearing.trades}
    bid = min(bid.price for bid in bids if bid.id in winners(clearing))
    ask = max(ask.reserve for ask in asks if ask.id in sold)

    assert clearing.price == theta * bid + (1 - theta) * ask

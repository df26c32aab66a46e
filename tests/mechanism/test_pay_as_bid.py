from hypothesis import given

from scidex.mechanism.pay_as_bid import pay_as_bid
from scidex.mechanism.uniform_price import uniform_price
from tests.mechanism.books import asks, asks_at, bids, bids_at, some, winners


def test_every_winner_pays_its_own_bid():
    clearing = pay_as_bid(bids_at(5, 9, 7), asks_at(1, 2))

    assert clearing.trades == ((1, 0, 9, 9), (2, 1, 7, 7))
    assert clearing.price is None
    assert clearing.runner_up == 0


def test_without_a_trade_every_bid_loses():
    assert pay_as_bid(bids_at(1), asks_at(2)) == ((), None, 0)


@some
@given(bids(), asks)
def test_the_winners_are_those_of_the_uniform_price(bids, asks):
    own, uniform = pay_as_bid(bids, asks), uniform_price(bids, asks)

    assert winners(own) == winners(uniform)
    assert own.runner_up == uniform.runner_up
    assert {trade.bid_id: trade.buyer_pays for trade in own.trades} == {
        bid.id: bid.price for bid in bids if bid.id in winners(uniform)
    }

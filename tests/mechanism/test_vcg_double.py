from hypothesis import assume, given

from scidex.mechanism.uniform_price import uniform_price
from scidex.mechanism.vcg_double import vcg_double
from tests.mechanism.books import asks, asks_at, bids_at, single_bids, some, winners


def test_each_side_is_paid_its_critical_value():
    clearing = vcg_double(bids_at(100, 90, 80), asks_at(80, 85, 95))

    assert clearing.trades == ((0, 0, 85, 90), (1, 1, 85, 90))
    assert clearing.price == 85
    assert clearing.runner_up == 2


def test_losers_set_the_prices_where_they_come_close():
    assert vcg_double(bids_at(10, 6), asks_at(2, 8)).trades == ((0, 0, 6, 8),)


def test_without_a_trade_there_is_no_price():
    assert vcg_double(bids_at(4), asks_at(6)) == ((), None, 0)


def welfare(bids, asks):
    pairs = zip(sorted((bid.price for bid in bids), reverse=True), sorted(ask.reserve for ask in asks), strict=False)
    return sum(max(0, price - reserve) for price, reserve in pairs)


@some
@given(single_bids, asks)
def test_everyone_gains_what_its_presence_adds(bids, asks):
    clearing = vcg_double(bids, asks)
    assume(clearing.trades)
    total = welfare(bids, asks)

    for trade in clearing.trades:
        bid = next(bid for bid in bids if bid.id == trade.bid_id)
        ask = next(ask for ask in asks if ask.id == trade.ask_id)
        assert bid.price - trade.buyer_pays == total - welfare([each for each in bids if each != bid], asks)
        assert trade.provider_gets - ask.reserve == total - welfare(bids, [each for each in asks if each != ask])


@some
@given(single_bids, asks)
def test_every_efficient_trade_is_made(bids, asks):
    assert winners(vcg_double(bids, asks)) == winners(uniform_price(bids, asks))

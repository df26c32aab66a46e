from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from scidex.mechanism.k_double_auction import k_double_auction
from scidex.mechanism.uniform_price import uniform_price
from tests.mechanism.books import asks, asks_at, bids, bids_at, some

thetas = st.fractions(0, 1)


def test_the_price_divides_the_interval_of_clearing_prices():
    bids, asks = bids_at(100, 90, 80), asks_at(80, 85, 95)

    assert k_double_auction(bids, asks, theta=0).price == 85
    assert k_double_auction(bids, asks, theta=1).price == 90
    assert k_double_auction(bids, asks, theta=Fraction(1, 5)).price == 86


def test_the_default_is_the_middle_and_exact():
    assert k_double_auction(bids_at(100, 90, 80), asks_at(80, 85, 95)).price == Fraction(175, 2)


def test_a_losing_bid_and_a_spare_slot_narrow_the_interval():
    bids, asks = bids_at(10, 6), asks_at(2, 8)

    assert k_double_auction(bids, asks, theta=0).price == 6
    assert k_double_auction(bids, asks, theta=1).price == 8


def test_without_a_trade_there_is_no_price():
    assert k_double_auction(bids_at(1), asks_at(2)) == ((), None, 0)


def willing(bids, asks, price):
    """Who must trade at a price that clears, and who may."""
    return (
        (sum(bid.price > price for bid in bids), sum(bid.price >= price for bid in bids)),
        (sum(ask.reserve < price for ask in asks), sum(ask.reserve <= price for ask in asks)),
    )


@some
@given(bids(), asks, thetas)
def test_supply_meets_demand_at_every_theta(bids, asks, theta):
    clearing = k_double_auction(bids, asks, theta=theta)
    assume(clearing.trades)
    (least_demand, most_demand), (least_supply, most_supply) = willing(bids, asks, clearing.price)

    assert least_demand <= len(clearing.trades) <= most_demand
    assert least_supply <= len(clearing.trades) <= most_supply


@some
@given(bids(), asks, st.integers(0, 14))
def test_no_clearing_price_lies_outside_the_interval(bids, asks, doubled):
    price = Fraction(doubled, 2)
    low = k_double_auction(bids, asks, theta=0)
    assume(low.trades)
    high = k_double_auction(bids, asks, theta=1)
    demand, supply = willing(bids, asks, price)
    clears = max(demand[0], supply[0]) <= len(low.trades) <= min(demand[1], supply[1])

    assert clears == (low.price <= price <= high.price)


@some
@given(bids(), asks)
def test_at_theta_zero_it_is_the_uniform_price(bids, asks):
    assert k_double_auction(bids, asks, theta=0) == uniform_price(bids, asks)


@some
@given(bids(), asks, thetas, thetas)
def test_the_price_rises_with_theta(bids, asks, one, other):
    lower, higher = sorted((one, other))
    prices = [k_double_auction(bids, asks, theta=theta).price or 0 for theta in (lower, higher)]

    assert prices == sorted(prices)

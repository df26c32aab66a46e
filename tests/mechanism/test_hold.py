import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.errors import InvalidArgument, UnknownMechanism
from scidex.mechanism import MECHANISMS, Ask, Bid, clear, most_owed
from tests.mechanism.books import asks, bids, payments, some

names = st.sampled_from(sorted(MECHANISMS))
own_prices = st.lists(st.integers(0, 9), max_size=6)


def test_one_bid_owes_its_price():
    assert {most_owed(name, [7]) for name in MECHANISMS} == {7}


def test_several_bids_owe_the_largest_multiple_of_the_last_that_wins():
    assert most_owed("uniform_price", [4, 10, 6]) == 12
    assert most_owed("vickrey", [10, 1]) == 10


def test_pay_as_bid_owes_the_sum():
    assert most_owed("pay_as_bid", [4, 10, 6]) == 20


def test_no_bid_owes_nothing():
    assert {most_owed(name, []) for name in MECHANISMS} == {0}


def test_what_is_no_mechanism_or_no_price_is_refused():
    with pytest.raises(UnknownMechanism):
        most_owed("sbba", [1])
    with pytest.raises(InvalidArgument):
        most_owed("uniform_price", [3, -1])
    with pytest.raises(InvalidArgument):
        most_owed("pay_as_bid", [True])


@some
@given(names, bids(), asks)
def test_nobody_ever_owes_more(name, bids, asks):
    paid = payments(clear(name, bids, asks), bids)

    for owner in (1, 2, 3):
        assert paid[owner] <= most_owed(name, [bid.price for bid in bids if bid.owner == owner])


@some
@given(names, own_prices)
def test_somebody_can_come_to_owe_as_much(name, prices):
    """Rivals and slots exist at whose common price the owner pays its m-th best bid for each of m slots."""
    levels, slots = {0, *prices}, range(len(prices) + 2)

    assert most_owed(name, prices) == max(owed(name, prices, level, n) for level in levels for n in slots)


def owed(name, prices, level, slots):
    """What the owner pays if slots and as many rivals' bids all come at one price."""
    own = [Bid(place, "own", price, place) for place, price in enumerate(prices)]
    rivals = [Bid(f"rival {place}", f"rival {place}", level, 100 + place) for place in range(slots)]
    clearing = clear(name, own + rivals, [Ask(place, "provider", level) for place in range(slots)])
    return payments(clearing, own + rivals)["own"]

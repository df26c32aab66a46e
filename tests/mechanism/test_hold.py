import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.errors import InvalidArgument, UnknownMechanism
from scidex.mechanism import MECHANISMS, Ask, Bid, clear, covered, most_owed
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


# --- which bids are covered


def test_the_best_bids_are_covered_that_can_be_paid_for_together():
    assert covered("uniform_price", [4, 10, 6], 12) == [True, True, True]
    assert covered("uniform_price", [4, 10, 6], 11) == [True, True, False]
    assert covered("pay_as_bid", [4, 10, 6], 16) == [False, True, True]


def test_a_bid_that_is_too_high_keeps_out_no_lower_one():
    assert covered("uniform_price", [9, 8, 1, 20], 10) == [True, False, True, False]


def test_of_equal_bids_the_first_is_covered():
    assert covered("uniform_price", [6, 6], 11) == [True, False]


def test_a_bid_that_moves_another_down_is_covered_only_if_that_still_is():
    # Beside 6 and 5, whose second can cost 10, a bid of 7 makes them the second and the third.
    assert covered("uniform_price", [7], 14, beside=[6, 5]) == [False]
    assert covered("uniform_price", [7], 15, beside=[6, 5]) == [True]


def test_beside_bids_that_are_not_covered_none_is():
    assert covered("uniform_price", [1], 9, beside=[10]) == [False]
    assert covered("uniform_price", [0], -1) == [False]


def slowly(name, prices, tokens, beside):
    """The definition: one bid after another, all that stand looked at again."""
    flags, kept = [False] * len(prices), list(beside)
    for place in sorted(range(len(prices)), key=lambda place: -prices[place]):
        if most_owed(name, [*kept, prices[place]]) <= tokens:
            kept.append(prices[place])
            flags[place] = True
    return flags


@some
@given(names, st.lists(st.integers(0, 12), max_size=9), st.integers(-1, 60), st.lists(st.integers(0, 12), max_size=6))
def test_what_is_covered_is_what_one_bid_after_another_is(name, prices, tokens, beside):
    assert covered(name, prices, tokens, beside=beside) == slowly(name, prices, tokens, beside)

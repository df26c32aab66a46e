import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.errors import InvalidArgument
from scidex.mechanism import arrays, clear
from tests.mechanism.books import ONE_PRICE, asks_at, bids_at, some

numbers = st.lists(st.one_of(st.integers(0, 7), st.integers(0, 2**63 - 1)), max_size=8)


def test_the_winners_are_indices_and_the_price_is_exact():
    clearing = arrays.uniform_price(np.array([9, 5, 7, 4]), np.array([1, 1]))

    assert clearing.price == 5
    assert clearing.winners.tolist() == [0, 2]
    assert clearing.sellers.tolist() == [0, 1]


@pytest.mark.parametrize("name", ONE_PRICE)
@some
@given(prices=numbers, reserves=numbers)
def test_arrays_clear_as_bids_and_asks_do(name, prices, reserves):
    clearing = clear(name, bids_at(*prices), asks_at(*reserves))
    array = getattr(arrays, name)(prices, reserves)

    assert array.price == clearing.price
    assert {array.provider_price} == ({trade.provider_gets for trade in clearing.trades} or {None})
    assert array.winners.tolist() == [trade.bid_id for trade in clearing.trades]
    assert array.sellers.tolist() == [trade.ask_id for trade in clearing.trades]


@pytest.mark.parametrize("name", ["k_double_auction", "marginal_pair"])
def test_theta_reaches_the_rule(name):
    prices, reserves = [9, 8], [2, 3]

    assert getattr(arrays, name)(prices, reserves, theta=1).price == 8
    assert getattr(arrays, name)(prices, reserves, theta=0).price == 3


BAD = [
    [0.5],
    [-1],
    [True],
    ["5"],
    [[1]],
    [2**63],
    np.array([2**63], dtype=np.uint64),
    [float("nan")],
    5,
    [None],
]


@pytest.mark.parametrize("values", BAD, ids=repr)
def test_only_64_bit_integers_from_zero_up_will_do(values):
    with pytest.raises(InvalidArgument):
        arrays.uniform_price(values, [0])
    with pytest.raises(InvalidArgument):
        arrays.uniform_price([0], values)

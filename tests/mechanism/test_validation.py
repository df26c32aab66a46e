from decimal import Decimal
from fractions import Fraction

import pytest

from scidex.errors import InvalidArgument
from scidex.mechanism import MECHANISMS, Ask, Bid, clear
from tests.mechanism.books import asks_at, bids_at

NO_PRICES = [
    -1,
    True,
    None,
    "5",
    float("nan"),
    float("inf"),
    Decimal("NaN"),
    Decimal("sNaN"),
    1 + 0j,
    Fraction(-1, 2),
]


def refusal(bids, asks, name="uniform_price", **parameters):
    with pytest.raises(InvalidArgument) as refused:
        clear(name, bids, asks, **parameters)
    return refused.value


@pytest.mark.parametrize("price", NO_PRICES, ids=repr)
def test_a_price_is_a_finite_number_from_zero_up(price):
    assert refusal([Bid(1, "x", price, 1)], []).field == "bid.price"
    assert refusal([], [Ask(1, "x", price)]).field == "ask.reserve"


@pytest.mark.parametrize("name", MECHANISMS)
def test_every_mechanism_refuses_a_negative_price(name):
    error = refusal(bids_at(3, -2), [], name)

    assert (error.field, error.value, error.fact) == ("bid.price", -2, "must not be negative")


@pytest.mark.parametrize("prices", [(1, Decimal("NaN")), (Decimal("NaN"), 1), (float("nan"), 1), (1, float("nan"))])
def test_no_number_hides_among_numbers(prices):
    assert refusal(bids_at(*prices), asks_at(0)).fact == "must be finite"


@pytest.mark.parametrize("price", [0, 7, Fraction(1, 3), 0.5, Decimal("0.1"), 10**30], ids=repr)
def test_any_other_number_will_do(price):
    assert clear("uniform_price", bids_at(price, price), asks_at(0)).price == price


def test_prices_of_one_round_are_one_kind_of_number():
    assert refusal(bids_at(Fraction(1, 2), 0.5), []).value == ["Fraction", "float"]
    assert refusal(bids_at(Fraction(1, 2)), asks_at(Decimal(1))).value == ["Fraction", "Decimal"]


def test_an_id_occurs_once():
    twice = refusal([Bid(7, "x", 1, 1), Bid(8, "x", 1, 2), Bid(8, "y", 2, 3)], [])
    assert (twice.field, twice.value) == ("bid.id", 8)

    twice = refusal([], [Ask("s", "x", 1), Ask("s", "x", 1)])
    assert (twice.field, twice.value) == ("ask.id", "s")


def test_ids_and_owners_are_hashable():
    assert refusal([Bid([], "x", 1, 1)], []).field == "bid.id"
    assert refusal([], [Ask({}, "x", 1)]).field == "ask.id"
    assert refusal([Bid(1, [], 1, 1)], [], "vickrey").field == "bid.owner"


@pytest.mark.parametrize("sequence", [None, "1", 1.0, True])
def test_a_sequence_is_an_integer(sequence):
    assert refusal([Bid(1, "x", 1, sequence)], []).field == "bid.sequence"


def test_bids_are_bids_and_asks_are_asks():
    assert refusal([(1, "x", 1, 1)], []).field == "bids"
    assert refusal([], bids_at(1)).field == "asks"


@pytest.mark.parametrize("name", ["k_double_auction", "marginal_pair"])
@pytest.mark.parametrize("theta", [-0.1, 1.1, 10**400, Fraction(3, 2), float("nan"), Decimal("NaN"), True, None, "0.5"])
def test_theta_lies_between_zero_and_one(name, theta):
    error = refusal([], [], name, theta=theta)

    assert error.field == "theta"
    assert error.value is theta


@pytest.mark.parametrize("amount", NO_PRICES, ids=repr)
def test_a_budget_is_a_finite_number_from_zero_up(amount):
    assert refusal(bids_at(1), asks_at(0), "clinching", budgets={0: amount}).field == "budgets"


def test_budgets_are_a_mapping():
    assert refusal([], [], "clinching", budgets=5).field == "budgets"

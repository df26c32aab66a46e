from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.mechanism.prices import HALF, blend, theta_as_fraction
from tests.mechanism.books import some


def test_a_whole_price_is_an_integer():
    assert blend(5, 7, HALF) == 6
    assert type(blend(5, 7, HALF)) is int


def test_a_price_between_integers_is_exact():
    assert blend(5, 8, HALF) == Fraction(13, 2)


@pytest.mark.parametrize("kind", [float, Decimal])
def test_other_numbers_keep_their_kind(kind):
    assert blend(kind("0.5"), 1, HALF) == kind("0.75")
    assert type(blend(1, kind("2.5"), HALF)) is kind


@pytest.mark.parametrize("theta", [0, 1, 0.5, Decimal("0.25"), Fraction(1, 3)])
def test_theta_is_taken_exactly(theta):
    assert theta_as_fraction(theta) == Fraction(theta)


@some
@given(st.floats(0, 1e300), st.floats(0, 1e300), st.fractions(0, 1))
def test_rounding_never_leaves_the_interval(one, other, weight):
    lower, upper = sorted((one, other))

    assert lower <= blend(lower, upper, weight) <= upper

"""Arithmetic on prices that rounds nothing which can be kept exact."""

import math
from decimal import Decimal
from fractions import Fraction

from scidex.errors import InvalidArgument
from scidex.mechanism.values import Price

HALF = Fraction(1, 2)


def blend(lower: Price, upper: Price, weight: Fraction) -> Price:
    """Return the point that divides [lower, upper] by `weight`: 0 gives the lower end, 1 the upper."""
    return in_kind((1 - weight) * Fraction(lower) + weight * Fraction(upper), lower, upper)


def in_kind(exact: Fraction, *originals: Price) -> Price:
    """Return `exact` as the kind of number it was made of: a Decimal, a float, else an int if whole."""
    if any(isinstance(original, Decimal) for original in originals):
        return Decimal(exact.numerator) / Decimal(exact.denominator)
    if any(isinstance(original, float) for original in originals):
        return float(exact)
    return exact.numerator if exact.denominator == 1 else exact


def is_finite(value: Price) -> bool:
    """Tell whether a number is neither infinite nor NaN."""
    if isinstance(value, Decimal):
        return value.is_finite()
    return not isinstance(value, float) or math.isfinite(value)


def theta_as_fraction(theta: Price) -> Fraction:
    """
    Return θ exactly.

    Raises InvalidArgument unless θ is a number in [0, 1].
    """
    is_number = isinstance(theta, int | Fraction | float | Decimal) and not isinstance(theta, bool)
    if not is_number or not is_finite(theta) or not 0 <= theta <= 1:
        raise InvalidArgument(field="theta", value=theta, fact="must lie in [0, 1]")
    return Fraction(theta)

"""What a strategy sees of a quest, and numbers as they are written."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple


class Position(NamedTuple):
    """What a strategy may see of a quest in one pool."""

    wallet_tokens: int
    values: Sequence[Fraction]
    """What each of its tasks in the pool is worth to it, in tokens; bids are answered in this order."""
    open_tasks: int
    """Its tasks that may be bid for, in all pools."""
    alpha: float
    """The share of value that pacing has come to."""


def exact(number: float) -> Fraction:
    """Return a number as it is written: 0.6 is 3/5, not the nearest binary number."""
    return Fraction(str(number))

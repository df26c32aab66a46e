"""Clawback: what an impact share that was paid gives back when a later word on the impact is lower."""

from __future__ import annotations

from fractions import Fraction
from math import ceil


def taken_back(earned_tokens: int, *, counted_impact: Fraction, attested_impact: Fraction) -> int:
    """
    Return the tokens to take back of those earned for `counted_impact`, now that it is attested lower, rounded up.

    Impact below zero counts as none, and a higher word takes nothing: what it adds is counted on the next day of
    income.
    """
    if attested_impact >= counted_impact:
        return 0
    return ceil(earned_tokens * (1 - max(Fraction(0), attested_impact) / counted_impact))

"""What an amount of US dollars is in tokens, exactly."""

from __future__ import annotations

from fractions import Fraction


def in_tokens(usd: float, tokens_per_usd: int) -> Fraction:
    """Return `usd` in tokens, as a fraction of what is written: 12.1 is 121/10, not the nearest binary number."""
    return Fraction(str(usd)) * tokens_per_usd

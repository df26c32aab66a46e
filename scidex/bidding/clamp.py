"""The strategy `clamp`: a share of what a task is worth, and never more than the wallet's even share for each task."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import floor

SHARE_BID = Fraction(6, 10)


def clamp(expected_values: Sequence[Fraction], wallet_tokens: int) -> list[int]:
    """
    Return clamp(0.6 × expected value, 0, wallet / number of tasks) for each task, in whole tokens, rounded down.

    `expected_values` are in tokens. Together the bids never exceed the wallet. The number of tasks lowers every bid, so
    a quest that shows a long backlog bids less for each of its tasks.
    """
    if not expected_values:
        return []
    most = max(0, wallet_tokens) // len(expected_values)
    return [max(0, min(floor(SHARE_BID * value), most)) for value in expected_values]

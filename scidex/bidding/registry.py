"""The bidding strategies by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction

from scidex.bidding.clamp import clamp
from scidex.errors import UnknownStrategy

# Takes the expected values of a quest's tasks in tokens, and its wallet; returns a bid for each, 0 where it bids none.
Strategy = Callable[[Sequence[Fraction], int], list[int]]

STRATEGIES: Mapping[str, Strategy] = {"clamp": clamp}


def strategy_named(name: str) -> Strategy:
    """Return a strategy. Raises UnknownStrategy."""
    if name not in STRATEGIES:
        raise UnknownStrategy(field="strategy", strategy=name, known=sorted(STRATEGIES))
    return STRATEGIES[name]

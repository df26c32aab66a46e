"""The bidding strategies by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from scidex.bidding.clamp import clamp
from scidex.bidding.fixed import fixed
from scidex.bidding.paced import paced
from scidex.bidding.truthful import truthful
from scidex.bidding.values import Position
from scidex.errors import UnknownStrategy
from scidex.profiles import Profile

# Returns a bid for each value of the position, in its order: 0 where it bids none.
Strategy = Callable[[Position, Profile], list[int]]

STRATEGIES: Mapping[str, Strategy] = {"clamp": clamp, "paced": paced, "truthful": truthful, "fixed": fixed}


def strategy_named(name: str) -> Strategy:
    """Return a strategy. Raises UnknownStrategy."""
    if name not in STRATEGIES:
        raise UnknownStrategy(field="strategy", strategy=name, known=sorted(STRATEGIES))
    return STRATEGIES[name]

"""The strategy `fixed`: the same share of every task's value in every round, to compare others with."""

from __future__ import annotations

from math import floor

from scidex.bidding.values import Position, exact
from scidex.profiles import Profile


def fixed(position: Position, profile: Profile) -> list[int]:
    """Return `alpha_start` × value for each task, in whole tokens, rounded down, however the wallet fares."""
    share = exact(profile.alpha_start)
    return [max(0, floor(share * value)) for value in position.values]

"""The strategy `truthful`: what a task is worth, to compare others with."""

from __future__ import annotations

from math import floor

from scidex.bidding.values import Position
from scidex.profiles import Profile


def truthful(position: Position, profile: Profile) -> list[int]:
    """
    Return each task's value in whole tokens, rounded down.

    The best reply in one round to whoever can win one slot (Vickrey 1961), where tokens have no other use.
    """
    return [max(0, floor(value)) for value in position.values]

"""The strategy `paced`: a share of what a task is worth, adapted from round to round so that the wallet lasts."""

from __future__ import annotations

from math import floor

from scidex.bidding.values import Position, exact
from scidex.profiles import Profile


def paced(position: Position, profile: Profile) -> list[int]:
    """
    Return α × value for each task, in whole tokens, rounded down; α is the position's, at most `alpha_most`.

    Value for money is then the same for every task, which is what a budget is best spent by (Balseiro, Gur 2019); the
    wallet bounds the bids by the rank cap alone.
    """
    alpha = min(exact(position.alpha), exact(profile.alpha_most))
    return [max(0, floor(alpha * value)) for value in position.values]

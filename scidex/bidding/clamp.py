"""The strategy `clamp`: a share of what a task is worth, and never more than the wallet's even share for each task."""

from __future__ import annotations

from math import floor

from scidex.bidding.values import Position, exact
from scidex.profiles import Profile


def clamp(position: Position, profile: Profile) -> list[int]:
    """
    Return clamp(0.6 × value, 0, wallet / open tasks) for each task, in whole tokens, rounded down.

    0.6 is the profile's `share_bid`. Together the bids never exceed the wallet. The number of open tasks lowers every
    bid, so a quest that shows a long backlog bids less for each of its tasks, and one that hides tasks bids more.
    """
    if not position.values:
        return []
    share = exact(profile.share_bid)
    most = max(0, position.wallet_tokens) // position.open_tasks
    return [max(0, min(floor(share * value), most)) for value in position.values]

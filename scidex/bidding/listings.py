"""The claims that a bidder's order rests on: its newest ones, of a rush of them the best."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from heapq import nlargest

from scidex.profiles import Profile

PERIODS = 6
"""The number of earlier periods by which a bidder's usual number of claims is known."""


def period_of(listed_at: datetime, *, first_at: datetime, profile: Profile) -> int:
    """Return the period in which a claim is listed; a bidder's first begins with its first claim."""
    return (listed_at - first_at) // timedelta(days=profile.listing_days)


def most_counted(earlier: Sequence[int], profile: Profile) -> int | None:
    """
    Return how many claims of a period count, by the numbers listed in the periods before it; None is no limit.

    Without it junk at the end of its order would make a bidder's other tasks look rare.
    """
    if not earlier:
        return None
    usual = sum(earlier[-PERIODS:]) / len(earlier[-PERIODS:])
    return max(profile.listing_least, int(profile.listing_growth * usual))


def counted(claims: Sequence[float], most: int | None) -> list[float]:
    """Return the claims of a period that count, in the order of listing: the best ones, of equal ones the earlier."""
    if most is None or len(claims) <= most:
        return list(claims)
    best = nlargest(most, range(len(claims)), key=lambda place: (claims[place], -place))
    return [claims[place] for place in sorted(best)]


def window(periods: Sequence[Sequence[float]], profile: Profile) -> list[float]:
    """
    Return the claims that an order rests on, in rising order: the newest of those that count.

    `periods` are all claims of a bidder by period, in the order of listing, the first period first.
    """
    numbers = [len(claims) for claims in periods]
    kept: list[float] = []
    for place in reversed(range(len(periods))):
        if len(kept) >= profile.order_claims:
            break
        kept = counted(periods[place], most_counted(numbers[:place], profile)) + kept
    return sorted(kept[-profile.order_claims :])

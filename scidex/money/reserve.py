"""The treasury's reserve price by utilisation: full pools ask more, and idle ones less."""

from __future__ import annotations

from fractions import Fraction
from math import exp, floor

from scidex.profiles import Profile


def reserve_price(profile: Profile, *, slots: int, sold: int) -> int:
    """
    Return the reserve of a slot in tokens, by how many of the pool's recent slots were sold; 0 where this is off.

    The base reserve is weighted by e^(steepness × (utilisation − neutral)): above it where more than the neutral part
    was sold, below it where less was (Stokely, Winget, Keyes, Grimes, Yolken 2009, who weight an operator's reserve
    prices by an increasing function of utilisation). Without recent slots it is the base reserve.
    """
    if not profile.reserve_by_utilisation:
        return 0
    neutral = Fraction(profile.reserve_neutral_percent, 100)
    utilisation = Fraction(sold, slots) if slots else neutral
    weight = exp(profile.reserve_steepness * float(utilisation - neutral))
    return floor(profile.reserve_base_tokens * weight)

"""The floor: a quest that has waited long gets a slot at price 0, and the market never loses more than a part to it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import ceil

from scidex.profiles import Profile

WHOLE_SLOT = 100
"""Credit is counted in hundredths of a slot, so that a percentage of whole slots is a whole number."""


def next_credit(credit: int, *, slots: int, recent_slots: int, profile: Profile) -> int:
    """
    Return what the floor may give away, in hundredths of a slot, once a round with `slots` slots has begun.

    Each round adds its part of the slots. What is saved up is at most the part of the last rounds' slots
    (`recent_slots`, this round's among them), so that a long time without need is not followed by a long run of free
    slots; it is always enough for one.
    """
    if profile.floor_most_percent == 0:
        return 0
    most = max(WHOLE_SLOT, profile.floor_most_percent * recent_slots)
    return min(credit + profile.floor_most_percent * slots, most)


def next_served(waits: Mapping[str, int], *, credit: int, profile: Profile) -> str | None:
    """
    Return the quest that the floor serves in a round, or None: at most one, and only while there is credit for it.

    `waits` are the rounds with slots since each entitled quest with an open task last had a slot, this round among
    them. Who has waited longest comes first, then by name.
    """
    due = [quest for quest, wait in waits.items() if wait >= profile.floor_rounds]
    if not due or credit < WHOLE_SLOT:
        return None
    return min(due, key=lambda quest: (-waits[quest], quest))


def longest_wait_bound(*, entitled: int, slots: int, profile: Profile) -> int | None:
    """
    Return the most rounds that an entitled quest with open tasks waits, with so many slots in every round.

    It is max(rounds, entitled / (part of the slots)) + entitled, rounded up: with 24 rounds and 10 %, max(24,
    10 · entitled / slots) + entitled. None where the floor gives nothing, so that nothing bounds a wait.
    """
    if not profile.floor or profile.floor_most_percent * slots == 0:
        return None
    queue = ceil(Fraction(100 * entitled, profile.floor_most_percent * slots))
    return max(profile.floor_rounds, queue) + entitled

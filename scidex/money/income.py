"""Income: how large a day's bucket is, how prices index it, and who gets how much of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from math import floor
from typing import NamedTuple

from scidex.money.split import proportional_split
from scidex.profiles import Profile

_DAY = timedelta(days=1)
# Rounds held for less than this say too little of how many slots are sold in a day.
_SHORTEST_SPAN = timedelta(hours=1)

PriorityOf = Mapping[str, Mapping[str, int]]
"""The priority of each account that earns base income, by its owner."""


class Share(NamedTuple):
    """An account's part of a day's bucket: by priority, and by attested impact."""

    base_tokens: int
    impact_tokens: int

    @property
    def tokens(self) -> int:
        """All that the account gets that day."""
        return self.base_tokens + self.impact_tokens


def bucket(profile: Profile, *, slots_of_day: int, price_level: float) -> int:
    """
    Return the tokens of a day's bucket, rounded down.

    `fixed` income is what the profile says; `indexed` income buys so many parts of the day's slots at the price level.
    """
    if profile.income == "fixed":
        return profile.daily_bucket_tokens
    return floor(Fraction(str(profile.income_index)) * slots_of_day * Fraction(price_level))


def slots_expected(on_offer: int) -> int:
    """Return how many slots a day a market is taken to sell before it has sold any: each on offer once an hour."""
    return max(1, on_offer) * (_DAY // _SHORTEST_SPAN)


def grown_bucket(profile: Profile, bucket_tokens: int, *, slots_of_day: int, price_level: float) -> int | None:
    """
    Return the bucket of a market's first day by what it has sold since, where that is half as large again, or None.

    It only grows: what was paid is not taken back.
    """
    if profile.income != "indexed":
        return None
    due = bucket(profile, slots_of_day=slots_of_day, price_level=price_level)
    return due if 2 * due >= 3 * bucket_tokens and due > bucket_tokens else None


def slots_of_day(sold: int, *, first_at: datetime, last_at: datetime) -> int:
    """
    Return how many slots a market sells in a day, by what it `sold` in the day up to its last round, rounded down.

    A market that has held rounds for less than a day is taken to go on as it began; less than an hour counts as one.
    """
    span = min(_DAY, max(_SHORTEST_SPAN, last_at - first_at))
    return sold * (_DAY // timedelta(microseconds=1)) // (span // timedelta(microseconds=1))


def unconstrained_price(values: Sequence[Fraction], *, slots: int, profile: Profile) -> int | None:
    """
    Return what a slot would cost if no wallet limited any bid: the best losing one of these tasks at the full share.

    `values` are calibrated expected values in tokens. None where there are no more tasks than slots: then the price
    says nothing of what slots are worth.
    """
    if len(values) <= slots:
        return None
    return floor(Fraction(str(profile.share_bid)) * sorted(values, reverse=True)[slots])


def next_price_level(level: float, *, price: int, bids: int, slots: int, profile: Profile) -> float:
    """
    Return the moving average of prices after a round at `price`, what it would have been without limits of wallets.

    A round with no more bids than slots does not move it: its price says nothing of what slots are worth, and a few
    idle nights would leave everyone poor in the morning.
    """
    if bids <= slots:
        return level
    return level + profile.price_level_weight * (price - level)


def shares(
    bucket_tokens: int,
    *,
    priorities_by_owner: PriorityOf,
    attested_impact_by_account: Mapping[str, Fraction],
    profile: Profile,
) -> dict[str, Share]:
    """
    Split a day's bucket: the base share by priority, the impact share by attested impact, to the last token.

    An owner counts once, with the highest priority among its accounts, which share that among themselves by theirs: to
    run one project under many names earns no more. Impact that is not above zero earns nothing; on a day without any,
    the impact share goes by priority too. Nobody gets more than the bucket holds.
    """
    impact = {name: value for name, value in attested_impact_by_account.items() if value > 0}
    # The base share is rounded down, so that the two together are the bucket.
    base_tokens = bucket_tokens * profile.base_percent // 100 if impact else bucket_tokens
    base = by_priority(base_tokens, priorities_by_owner)
    earned = proportional_split(bucket_tokens - base_tokens, impact)
    return {name: Share(base.get(name, 0), earned.get(name, 0)) for name in sorted({*base, *earned})}


def by_priority(tokens: int, priorities_by_owner: PriorityOf) -> dict[str, int]:
    """Split tokens over owners by their highest priority, and each one's part over its accounts by theirs."""
    owners = {owner: max(accounts.values(), default=0) for owner, accounts in priorities_by_owner.items()}
    split: dict[str, int] = {}
    for owner, part in proportional_split(tokens, owners).items():
        split |= proportional_split(part, priorities_by_owner[owner])
    return split


def rest_of_day(now: datetime) -> Fraction:
    """Return how much of the UTC day is left."""
    left = _DAY - (now - now.replace(hour=0, minute=0, second=0, microsecond=0))
    return Fraction(left // timedelta(microseconds=1), _DAY // timedelta(microseconds=1))


def joined(
    base_tokens: int, *, priorities_by_owner: PriorityOf, paid: Collection[str], rest: Fraction
) -> dict[str, int]:
    """
    Return what accounts that join during a day are paid at once: their part of the rest of the day's base share.

    An owner that was paid already has had its part: its other accounts join with nothing.
    """
    split = by_priority(floor(base_tokens * rest), priorities_by_owner)
    return {
        name: 0 if accounts.keys() & set(paid) else split[name]
        for accounts in priorities_by_owner.values()
        for name in accounts
        if name not in paid
    }


class PartOfDay(NamedTuple):
    """What an account was paid of a day's base share: its owner, by which priority, and for how much of the day."""

    owner: str
    priority: int
    rest: Fraction
    tokens: int


def corrections(base_tokens: int, parts: Mapping[str, PartOfDay], priorities: Mapping[str, int]) -> dict[str, int]:
    """
    Return what each account is to get more, or to give back if negative, so that it was paid by these priorities.

    Nobody gives back more than it was paid.
    """
    before = by_priority(base_tokens, _by_owner(parts, {}))
    due = by_priority(base_tokens, _by_owner(parts, priorities))
    changes = {name: floor((due[name] - before[name]) * part.rest) for name, part in parts.items()}
    return {name: max(change, -parts[name].tokens) for name, change in changes.items() if change}


def _by_owner(parts: Mapping[str, PartOfDay], priorities: Mapping[str, int]) -> PriorityOf:
    owners: dict[str, dict[str, int]] = {}
    for name, part in parts.items():
        owners.setdefault(part.owner, {})[name] = priorities.get(name, part.priority)
    return owners

"""The cap of a wallet: tokens are for spending, and what is hoarded past it is burnt."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import NamedTuple

from scidex.profiles import Profile


class Purse(NamedTuple):
    """What an account has, and what of it may be spent."""

    balance: int
    available: int


def most_kept(profile: Profile, *, fair_share_per_day: int) -> int | None:
    """Return what a wallet keeps at most, in tokens, rounded down; None where there is no cap."""
    if profile.wallet_cap_days == 0:
        return None
    return floor(Fraction(str(profile.wallet_cap_days)) * fair_share_per_day)


def excess(wallet: Purse, *, fair_share_per_day: int, profile: Profile) -> int:
    """
    Return the tokens of a wallet that are burnt: those past its cap, of what is available and never of what is held.

    `fair_share_per_day` is what the owner would get if a day's whole bucket went by priority.
    """
    most = most_kept(profile, fair_share_per_day=fair_share_per_day)
    return 0 if most is None else max(0, min(wallet.balance - most, wallet.available))


def burnt_of(purses: dict[str, Purse], *, fair_share_per_day: int, profile: Profile) -> dict[str, int]:
    """
    Return what is burnt of each of one owner's accounts, which are capped together, in the order given.

    So tokens that an owner moves from one of its accounts to another before its income stay within one cap.
    """
    whole = Purse(sum(one.balance for one in purses.values()), sum(one.available for one in purses.values()))
    left = excess(whole, fair_share_per_day=fair_share_per_day, profile=profile)
    burnt: dict[str, int] = {}
    for account_id, purse in purses.items():
        burnt[account_id] = min(left, purse.available)
        left -= burnt[account_id]
    return burnt

"""Runs that used more than their slot allows: what they are charged, and when they are stopped."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

from scidex.profiles import Profile


class Charge(NamedTuple):
    """Tokens that are debited now, and those that are owed because the wallet has no more available."""

    debited_tokens: int
    owed_tokens: int


def charge(*, actual_cost_tokens: int, token_allowance: int | None, available: int, profile: Profile) -> Charge:
    """
    Return what a run past its slot's allowance is charged beside the price, by the profile's overrun policy.

    Only `charge` charges: each token past the allowance once, as far as the wallet has it, the rest as arrears.
    """
    if profile.overrun_policy != "charge" or token_allowance is None:
        return Charge(0, 0)
    overrun = max(0, actual_cost_tokens - token_allowance)
    debited = min(overrun, available)
    return Charge(debited, overrun - debited)


def stop_at(token_allowance: int | None, *, profile: Profile) -> int | None:
    """Return the cost in tokens at which a run is ended, rounded up; None where it may go on."""
    if profile.overrun_policy != "stop" or token_allowance is None:
        return None
    return ceil(Fraction(str(profile.stop_at_times)) * token_allowance)


def declared_payment(*, actual_cost_tokens: int, declared_tokens: int, unit_price: Fraction, profile: Profile) -> int:
    """
    Return what a run with a declared allowance pays in all for its units, in tokens, rounded down.

    The declared units are bought at `unit_price`; each overrun unit costs more than that, each unused one returns less.
    Up to a constant this is the pinball loss, whose best declaration is a quantile of the bidder's own forecast: with
    rates of 1.8 and 0.8 the 80th percentile (Koenker, Bassett 1978). It is 0 or more as long as the unused rate is at
    most 1, and nobody else's price depends on it.
    """
    over = max(0, actual_cost_tokens - declared_tokens) * Fraction(str(profile.overrun_rate))
    unused = max(0, declared_tokens - actual_cost_tokens) * Fraction(str(profile.unused_rate))
    return max(0, floor(unit_price * (declared_tokens + over - unused)))

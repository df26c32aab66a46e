"""Pacing: which share of value to bid, so that a wallet lasts to its horizon."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import exp

from scidex.profiles import Profile

# A share that fell this low is back at 0.6 within a week of 24 rounds a day; from 0 it would never come back.
ALPHA_LEAST = 0.0001
_DIGITS = 9


def next_alpha(alpha: float, *, spent: float, target: float, profile: Profile) -> float:
    """
    Return the share after a round: α · exp(clip(gain · (1 − spent / target), −down most, up most)) ≤ `alpha_most`.

    `spent` and `target` are tokens, of the same rounds. With nothing to spend the share stays as it is. Dual descent on
    the budget (Balseiro, Gur 2019), in logarithms, with bounded steps: while the share is below its most, what was
    spent of each target averages to 1 but for log(α last / α first) / gain over all rounds. Rounded to nine digits, so
    that what is stored is what is used.
    """
    if target <= 0:
        return _bounded(alpha, profile)
    step = profile.pacing_gain * (1 - spent / target)
    return _bounded(alpha * exp(max(-profile.pacing_down_most, min(step, profile.pacing_up_most))), profile)


def target(wallet_tokens: float, *, rounds_left: float, income_expected: float = 0.0) -> float:
    """Return the tokens to spend in the next round, for the wallet and the income expected to last that many rounds."""
    return max(0.0, (wallet_tokens + income_expected) / max(1.0, rounds_left))


def rounds_left(now: datetime, *, interval_seconds: float, profile: Profile) -> float:
    """Return how many rounds lie ahead up to the horizon: the rest of the UTC day, and `pacing_horizon_days` more."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    ahead = (midnight - now).total_seconds() + profile.pacing_horizon_days * 86_400
    return max(1.0, ahead / interval_seconds)


def _bounded(alpha: float, profile: Profile) -> float:
    return round(min(max(alpha, ALPHA_LEAST), profile.alpha_most), _DIGITS)

"""Haste: what nearness to its deadline adds to a task's worth, and has to be made good."""

from __future__ import annotations

from math import exp

from scidex.profiles import Profile

_DIGITS = 9


def haste(hours_left: float | None, profile: Profile) -> float:
    """
    Return the logarithm that a task's worth is raised by, from 0 up to the profile's `haste` as its time runs out.

    The record notes what the task realises less this haste: a bidder for whom everything is urgent is worth the less.
    """
    if hours_left is None or not profile.haste:
        return 0.0
    return round(profile.haste * min(1.0, max(0.0, 1 - hours_left / profile.haste_hours)), _DIGITS)


def hurried(value: float, haste: float) -> float:
    """Return a worth raised by its haste, to nine digits."""
    return float(f"{value * exp(haste):.{_DIGITS}g}") if haste else value


def without_haste(realised: float, haste: float) -> float:
    """Return what the record notes of a task that won in haste."""
    return realised * exp(-haste)

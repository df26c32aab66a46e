"""Arrears: what an account owes and could not pay, taken from part of what it earns later."""

from __future__ import annotations

from scidex.profiles import Profile


def garnish(income_tokens: int, *, owed_tokens: int, profile: Profile) -> int:
    """Return the tokens of an income that pay arrears: a part of it, rounded down, and never more than is owed."""
    return min(owed_tokens, income_tokens * profile.arrears_percent // 100)

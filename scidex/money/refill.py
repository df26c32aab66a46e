"""What attested impact earns the account that paid for a slot, and what a revision of it changes."""

from __future__ import annotations

from math import floor
from typing import NamedTuple

from scidex.money.tokens import in_tokens


class Revision(NamedTuple):
    """Tokens to issue to an account, tokens to take from it, and what it owes afterwards."""

    minted_tokens: int
    burnt_tokens: int
    arrears_tokens: int


def refill_due(attested_impact_usd: float | None, *, tokens_per_usd: int, refill_percent: int) -> int:
    """
    Return the refill that an impact is due, in whole tokens, rounded down.

    Negative impact counts as none; None stands for impact that nobody but the bidder vouches for, and earns nothing.
    """
    if attested_impact_usd is None or attested_impact_usd <= 0:
        return 0
    return floor(in_tokens(attested_impact_usd, tokens_per_usd) * refill_percent / 100)


def revise(*, due_before: int, due_now: int, available: int, arrears: int) -> Revision:
    """
    Return what moves when the refill due for a slot goes from `due_before` to `due_now`.

    More is issued in full, and pays the account's arrears at once. Less is taken from what is available and no further;
    the rest is owed, to be taken from later refills.
    """
    change = due_now - due_before
    if change >= 0:
        repaid = min(change, arrears)
        return Revision(change, repaid, arrears - repaid)
    taken = min(-change, available)
    return Revision(0, taken, arrears - change - taken)

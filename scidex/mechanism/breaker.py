"""The circuit breaker: how long nothing is offered after a run was interrupted, and when that is over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

FIRST_PAUSE_SECONDS = 2.0
MOST_PAUSE_SECONDS = 900.0
# Of a pause at most this share is added by chance, so that workers which were interrupted together do not come back so.
JITTER = 0.25
# A time that was named is kept to the instant, but for this much by chance.
NAMED_JITTER_SECONDS = 0.5

# Causes of an interruption that hold for every worker of the same provider account; others are of the worker alone.
CAUSES_OF_ACCOUNT = frozenset({"quota", "rate_limit", "overload", "login", "provider_error"})
# An interruption by one of these says nothing of what comes next.
CAUSES_WITHOUT_PAUSE = frozenset({"", "stopped"})

# No window of a provider is longer.
MOST_AHEAD = timedelta(days=35)

# A run that fails sooner than this failed at once.
QUICK_SECONDS = 5.0
# After this many tasks in a row that failed at once on a worker, it is the worker that is at fault.
MOST_QUICK_FAILURES = 3
# A trial run that lasts this long has shown that runs are possible again.
TRIAL_SECONDS = 60.0
# A worker that was to try and does not get to it lets others try after this.
TRIAL_CLAIM_SECONDS = 120.0


class Breaker(NamedTuple):
    """Since when and until when nothing is offered, and how many interruptions in a row led to it."""

    trips: int
    opened_at: datetime
    ends_at: datetime


def tripped(
    before: Breaker | None, *, began_at: datetime, now: datetime, retry_at: datetime | None, chance: float
) -> Breaker:
    """
    Return the breaker after the interruption of a run that began at `began_at`; `chance` is from 0 to 1.

    Runs that were under way when it opened ran into the same wall: they move its end at most. What begins later shows
    that it closed too early, so the pause grows, and a time that a provider names counts only where it lies beyond it.
    """
    if before is not None and began_at <= before.opened_at:
        named = [] if retry_at is None else [retry_at]
        return before._replace(ends_at=max([before.ends_at, *named]))
    trips = 1 if before is None else before.trips + 1
    if retry_at is None or retry_at <= now:
        return Breaker(trips, now, now + pause_after(trips, chance))
    named_until = retry_at + timedelta(seconds=NAMED_JITTER_SECONDS * chance)
    return Breaker(trips, now, max(named_until, now + pause_after(trips - 1, chance)))


def pause_after(trips: int, chance: float) -> timedelta:
    """Return the pause after so many interruptions in a row: doubled each time, up to a most, and some of it chance."""
    if trips <= 0:
        return timedelta(0)
    seconds = min(MOST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(trips - 1, 30))
    return timedelta(seconds=seconds * (1 + JITTER * chance))


def is_quick(*, began_at: datetime, now: datetime) -> bool:
    """Return whether a run that ends now failed at once."""
    return now - began_at < timedelta(seconds=QUICK_SECONDS)

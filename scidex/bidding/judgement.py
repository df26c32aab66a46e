"""Which settled runs a record may rest on: those that were judged, once others of their age had the time to be."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias

Score: TypeAlias = tuple[float, float]
"""What a bidder claimed of a run, and what it realised."""


class SettledRun(NamedTuple):
    """
    A settled run of a bidder, failed or not, as `judged` takes it.

    Until `attest_until` an unjudged run is open. A run that nobody will judge has the time of settling there.
    """

    claimed: float
    settled_at: datetime
    attest_until: datetime
    """The end of its horizon: `attest_within_hours` after it was settled."""
    judged_at: datetime | None = None
    """When an evaluator judged it first; a later revision changes `realised` alone."""
    realised: float | None = None
    """What its evaluator last found it to be worth: 0 of a failure. None while nobody has judged it."""


def judged(runs: Iterable[SettledRun], now: datetime) -> list[Score]:
    """
    Return the scores that one bidder's record rests on at a moment, in the order of settling.

    A run that nobody judged says nothing. Failures are often known at once and successes days later, so a verdict
    waits until others of its age would be in as well: as long as the bidder's slowest verdict took, and while any run
    settled before it is open; but never beyond its own horizon. A bidder whose runs are all judged at once never waits.
    A verdict that comes after its horizon counts from then on. What has counted counts at every later moment.
    """
    settled = sorted((run for run in runs if run.settled_at <= now), key=lambda run: run.settled_at)
    longest = max((wait(run, now) for run in settled), default=timedelta(0))
    return [
        (run.claimed, run.realised)
        for run in settled
        if run.realised is not None and is_in(run, now, longest_wait=longest)
    ]


def wait(run: SettledRun, now: datetime) -> timedelta:
    """Return how long a run's verdict took within its horizon, or has taken so far; nothing where it never came."""
    if _is_judged(run, now):
        return min(run.judged_at or now, run.attest_until) - run.settled_at
    return now - run.settled_at if now < run.attest_until else timedelta(0)


def is_in(run: SettledRun, now: datetime, *, longest_wait: timedelta) -> bool:
    """Return whether a run counts, given the longest wait of its bidder's runs."""
    return _is_judged(run, now) and now >= min(run.settled_at + longest_wait, run.attest_until)


def _is_judged(run: SettledRun, now: datetime) -> bool:
    return run.judged_at is not None and run.judged_at <= now

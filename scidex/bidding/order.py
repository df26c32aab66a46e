"""Claims read as an order: what a bidder's claims say of its own tasks is which of them it calls better."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from math import exp, fsum, log, sqrt
from typing import NamedTuple

from scidex.profiles import Profile

# A task that a bidder puts higher is never worth less, and one outlier makes no cliff.
SLOPE_LEAST = 0.1
SLOPE_MOST = 2.0
_DIGITS = 9


def place(claim: float, window: Sequence[float]) -> tuple[float, int]:
    """
    Return a claim's place among its bidder's newest ones, and their number.

    `window` is in rising order. A place is the number of claims above, half of those that are equal, and a half.
    """
    below, up_to = bisect_left(window, claim), bisect_right(window, claim)
    return len(window) - up_to + (up_to - below) / 2 + 0.5, len(window)


def score(claim: float, window: Sequence[float]) -> float:
    """
    Return how high a claim stands among its bidder's newest ones: sqrt(-2 ln p), p the part of them above it.

    Nothing but the order of claims matters: raise them all by any rule that keeps it, and scores stay. Between 0 and
    about 3.5 of 400 claims; equal steps of it are about equal steps of log value where values are log-normal.
    """
    above, count = place(claim, window)
    return round(sqrt(-2 * log(min(1.0, above / count))), _DIGITS) if count else 0.0


class OrderRecord(NamedTuple):
    """
    A bidder's settled tasks as sums over them, the newest weighing 1 and each older one a little less.

    s is the score with which a task won and y the logarithm of what it realised, less its haste; tasks of which
    nothing came are counted in `tasks` alone. `ss` and `sy` are of deviations from the means of the newest tasks, so
    that a bidder who changes its habits does not flatten its own line; there are `pairs` of them.
    """

    tasks: float = 0.0
    worth: float = 0.0
    s: float = 0.0
    y: float = 0.0
    fast_tasks: float = 0.0
    fast_worth: float = 0.0
    fast_s: float = 0.0
    fast_y: float = 0.0
    pairs: float = 0.0
    ss: float = 0.0
    sy: float = 0.0


class OrderLine(NamedTuple):
    """log realised = level + slope · (score − centre), and the share of tasks of which something comes."""

    slope: float = 1.0
    level: float = 0.0
    centre: float = 0.0
    success: float = 1.0
    spread: float = 1.0
    """The variance of scores about a bidder's own recent mean, by which slopes are weighed."""


class Worth(NamedTuple):
    """What a place in a bidder's order is worth."""

    slope: float
    level: float
    """The logarithm of what a task of score 0 is worth."""

    def value(self, score: float) -> float:
        """Return what a task of this score is worth in USD, to nine digits; never less for a higher one."""
        return float(f"{exp(self.level + self.slope * score):.{_DIGITS}g}")


def noted(record: OrderRecord, *, score: float, realised: float, profile: Profile) -> OrderRecord:
    """Return a record with one more settled task."""
    slow, fast = 1 - 1 / profile.slow_tasks, 1 - 1 / profile.fast_tasks
    came, s, y = (1.0, score, log(realised)) if realised > 0 else (0.0, 0.0, 0.0)
    paired = came if record.fast_worth > 0 else 0.0
    ds, dy = (s - record.fast_s / record.fast_worth, y - record.fast_y / record.fast_worth) if paired else (0.0, 0.0)
    return OrderRecord(
        tasks=slow * record.tasks + 1,
        worth=slow * record.worth + came,
        s=slow * record.s + s,
        y=slow * record.y + y,
        fast_tasks=fast * record.fast_tasks + 1,
        fast_worth=fast * record.fast_worth + came,
        fast_s=fast * record.fast_s + s,
        fast_y=fast * record.fast_y + y,
        pairs=slow * record.pairs + paired if came else record.pairs,
        ss=slow * record.ss + ds * ds if came else record.ss,
        sy=slow * record.sy + ds * dy if came else record.sy,
    )


def record_of(scores: Iterable[tuple[float, float]], profile: Profile) -> OrderRecord:
    """Return the record of (score, realised) pairs, the oldest first."""
    record = OrderRecord()
    for score, realised in scores:
        record = noted(record, score=score, realised=realised, profile=profile)
    return record


def pooled(records: Iterable[OrderRecord], profile: Profile) -> OrderLine:
    """Return the line of all bidders together, shrunk to e^score US dollars; its slope is that within bidders."""
    known = [record for record in records if record.tasks > 0]
    worth = fsum(record.worth for record in known)
    if not worth:
        return OrderLine()
    pairs, across, along = (fsum(getattr(one, name) for one in known) for name in ("pairs", "ss", "sy"))
    weight = profile.slope_prior_tasks
    slope = _bounded_slope((along + weight) / (across + weight))
    centre = fsum(record.s for record in known) / worth
    few = profile.level_prior_tasks
    residuals = fsum(record.y - slope * (record.s - centre * record.worth) for record in known)
    return OrderLine(
        slope=slope,
        level=(residuals + few * centre) / (worth + few),
        centre=centre,
        success=(worth + few) / (fsum(record.tasks for record in known) + few),
        spread=(across + weight) / (pairs + weight),
    )


def fit(record: OrderRecord, pool: OrderLine, profile: Profile) -> Worth:
    """
    Return what a bidder's places are worth: its own line, shrunk to the pool's the more the shorter its record is.

    The lower of a slow and a fast level counts, and a newcomer starts `newcomer_log_discount` below the pool, as
    where claims are amounts.
    """
    slope = _slope(record, pool, profile)
    few = profile.level_prior_tasks
    start = pool.level + profile.newcomer_log_discount
    slow_level = _level(record.worth, record.s, record.y, slope, pool, start, few)
    slow_success = (record.worth + few * pool.success) / (record.tasks + few)
    fast_level = _level(record.fast_worth, record.fast_s, record.fast_y, slope, pool, slow_level, few)
    fast_success = (record.fast_worth + few * slow_success) / (record.fast_tasks + few)
    level = min(slow_level + log(slow_success), fast_level + log(fast_success))
    return Worth(round(slope, _DIGITS), round(level - slope * pool.centre, _DIGITS))


def _slope(record: OrderRecord, pool: OrderLine, profile: Profile) -> float:
    # A bidder whose scores lie closer together than others' has a steeper line to be drawn to.
    weight = profile.slope_prior_tasks * pool.spread
    spread = (record.ss + weight) / (record.pairs + profile.slope_prior_tasks)
    start = pool.slope * sqrt(pool.spread / spread)
    return _bounded_slope((record.sy + weight * start) / (record.ss + weight))


def _level(worth: float, s: float, y: float, slope: float, pool: OrderLine, start: float, few: float) -> float:
    """Return a mean of log realised values at the pool's centre, shrunk to where it starts."""
    return (y - slope * (s - pool.centre * worth) + few * start) / (worth + few)


def _bounded_slope(slope: float) -> float:
    return min(max(slope, SLOPE_LEAST), SLOPE_MOST)

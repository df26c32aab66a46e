"""
What a bidder's claims are worth, by what its earlier ones came to.

The record takes the scores of settled runs that `judgement.judged` lets count, in the order of settling.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import exp, fsum, log
from typing import NamedTuple

from scidex.profiles import Profile

FACTOR_LEAST = 0.001
FACTOR_MOST = 10.0
# A higher claim is never worth less. Noise in claims flattens the line through them, so no slope above 1 is believed.
SLOPE_LEAST = 0.1
SLOPE_MOST = 1.0
_DIGITS = 9


class Record(NamedTuple):
    """
    A bidder's settled tasks as sums over them, the newest weighing 1 and each older one a little less.

    x is the logarithm of the claimed and y that of the realised value; tasks of which nothing came have no y and are
    counted in `tasks` alone. The slow sums look back on `slow_tasks` tasks, the fast ones on `fast_tasks`.
    """

    tasks: float = 0.0
    worth: float = 0.0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    xy: float = 0.0
    fast_tasks: float = 0.0
    fast_worth: float = 0.0
    fast_x: float = 0.0
    fast_y: float = 0.0


class Line(NamedTuple):
    """log realised = level + slope · (log claimed − centre), and the share of tasks of which something comes."""

    slope: float = 1.0
    level: float = 0.0
    centre: float = 0.0
    success: float = 1.0
    spread: float = 1.0
    """The variance of log claims within a bidder, by which slopes are weighed."""

    def calibration(self) -> Calibration:
        """Return what claims are worth by this line."""
        return _calibration(self.slope, self.level + log(self.success) - self.slope * self.centre)


class Calibration(NamedTuple):
    """What a bidder's claims are worth."""

    slope: float
    intercept: float
    """The logarithm of what a claim of 1 is worth, before bounds."""

    def value(self, claimed: float) -> float:
        """
        Return what a claim is worth, in its unit, to nine digits; never less for a higher claim.

        Between a thousandth of the claim and ten times of it.
        """
        if claimed <= 0:
            return 0.0
        worth = exp(self.intercept + self.slope * log(claimed))
        return float(f"{min(max(worth, FACTOR_LEAST * claimed), FACTOR_MOST * claimed):.{_DIGITS}g}")

    def factor(self, claimed: float) -> float:
        """Return how much of a claim above 0 it is worth."""
        return self.value(claimed) / claimed


def noted(record: Record, *, claimed: float, realised: float, profile: Profile) -> Record:
    """Return a record with one more settled task. A claim of 0 says nothing of claims, and is passed over."""
    if claimed <= 0:
        return record
    slow, fast = 1 - 1 / profile.slow_tasks, 1 - 1 / profile.fast_tasks
    came, x, y = (1.0, log(claimed), log(realised)) if realised > 0 else (0.0, 0.0, 0.0)
    return Record(
        tasks=slow * record.tasks + 1,
        worth=slow * record.worth + came,
        x=slow * record.x + x,
        y=slow * record.y + y,
        xx=slow * record.xx + x * x,
        xy=slow * record.xy + x * y,
        fast_tasks=fast * record.fast_tasks + 1,
        fast_worth=fast * record.fast_worth + came,
        fast_x=fast * record.fast_x + x,
        fast_y=fast * record.fast_y + y,
    )


def record_of(scores: Iterable[tuple[float, float]], profile: Profile) -> Record:
    """Return the record of (claimed, realised) values, the oldest first."""
    record = Record()
    for claimed, realised in scores:
        record = noted(record, claimed=claimed, realised=realised, profile=profile)
    return record


def pooled(records: Iterable[Record], profile: Profile) -> Line:
    """
    Return the line of all bidders together, shrunk to claims that come true: slope 1, level that of the claims.

    The slope is that within bidders: exaggeration that differs between them does not tilt it. `records` are those of
    one profile, in an order of their own (sums are exact in any).
    """
    known = [record for record in records if record.tasks > 0]
    worth = fsum(record.worth for record in known)
    if not worth:
        return Line()
    centre = fsum(record.x for record in known) / worth
    across, along = _spreads(known)
    weight = profile.slope_prior_tasks
    slope = _bounded_slope((along + weight) / (across + weight))
    residuals = fsum(record.y - slope * (record.x - centre * record.worth) for record in known)
    few = profile.level_prior_tasks
    return Line(
        slope=slope,
        level=(residuals + few * centre) / (worth + few),
        centre=centre,
        success=(worth + few) / (fsum(record.tasks for record in known) + few),
        spread=(across + weight) / (worth + weight),
    )


def fit(record: Record, pool: Line, profile: Profile) -> Calibration:
    """
    Return what a bidder's claims are worth: its own line, shrunk to the pool's the more the shorter its record is.

    Log realised is regressed on log claimed, since a ratio of the two would take the luck of high claims for honesty:
    the winner's curse (Smith, Winkler 2006). A newcomer starts `newcomer_log_discount` below the pool: a new name is
    worth no more than a fair record (Friedman, Resnick 2001). The lower of a slow and a fast level counts, so that a
    bidder who begins to exaggerate pays soon. A bidder that claims more for the same falls short by it, at every claim.
    """
    slope = _slope(record, pool, profile)
    few = profile.level_prior_tasks
    start = pool.level + profile.newcomer_log_discount
    slow_level = _level(record.worth, record.x, record.y, slope, pool, start, few)
    slow_success = (record.worth + few * pool.success) / (record.tasks + few)
    fast_level = _level(record.fast_worth, record.fast_x, record.fast_y, slope, pool, slow_level, few)
    fast_success = (record.fast_worth + few * slow_success) / (record.fast_tasks + few)
    level = min(slow_level + log(slow_success), fast_level + log(fast_success))
    return _calibration(slope, level - slope * pool.centre)


def _calibration(slope: float, intercept: float) -> Calibration:
    # What is stored is what is used, and machines whose logarithms differ in the last digit agree.
    return Calibration(round(slope, _DIGITS), round(intercept, _DIGITS))


def _slope(record: Record, pool: Line, profile: Profile) -> float:
    across, along = _spreads([record])
    weight = profile.slope_prior_tasks * pool.spread
    return _bounded_slope((along + weight * pool.slope) / (across + weight))


def _level(worth: float, x: float, y: float, slope: float, pool: Line, start: float, few: float) -> float:
    """Return a mean of log realised values at the pool's centre, shrunk to where it starts."""
    return (y - slope * (x - pool.centre * worth) + few * start) / (worth + few)


def _spreads(records: Iterable[Record]) -> tuple[float, float]:
    """Return the sums of squares of x, and of products of x and y, about each bidder's own means."""
    counted = [record for record in records if record.worth > 0]
    across = fsum(max(0.0, one.xx - one.x * one.x / one.worth) for one in counted)
    along = fsum(one.xy - one.x * one.y / one.worth for one in counted)
    return across, along


def _bounded_slope(slope: float) -> float:
    return min(max(slope, SLOPE_LEAST), SLOPE_MOST)

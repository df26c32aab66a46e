"""Takes a run's time for its usage, at a rate that the operator sets."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from scidex.agent.executors import RunResult
from scidex.agent.meters import PlainMeter, Usage, unknown
from scidex.agent.workplace import Workplace


@dataclass(frozen=True)
class WallClockMeter(PlainMeter):
    """Knows how long a run took: an estimate of its tokens, for seats and machines that are paid for by the hour."""

    tokens_per_hour: int

    def read(self, place: Workplace, result: RunResult) -> Usage:
        """Return the tokens of the time from a run's start to its end, `none` where it never began. Never raises."""
        if result.ended == "not_started":
            return unknown("it did not begin", meter="clock")
        return Usage(meter="clock", provenance="estimated", tokens=ceil(result.seconds * self.tokens_per_hour / 3_600))

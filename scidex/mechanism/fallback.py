"""Whether agents go by the auction or by the proportional split."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

Mode = Literal["auction", "fallback"]


class Pulse(NamedTuple):
    """What is known of a pool's cycles: since when they are expected, and when the last one completed."""

    mode: Mode
    mode_since_at: datetime
    expected_from_at: datetime
    completed_at: datetime | None
    interval_seconds: float
    paused: bool


def due_mode(pulse: Pulse, now: datetime, *, after_cycles: int) -> Mode:
    """
    Return what agents go by at `now`.

    It is the fallback when no cycle has completed for more than `after_cycles` intervals, unless the pool is paused;
    and once it is, until a cycle completes after that.
    """
    alive_at = max(pulse.expected_from_at, pulse.completed_at or pulse.expected_from_at)
    overdue = not pulse.paused and now - alive_at > after_cycles * timedelta(seconds=pulse.interval_seconds)
    if pulse.mode == "auction":
        return "fallback" if overdue else "auction"
    recovered = pulse.completed_at is not None and pulse.completed_at > pulse.mode_since_at
    return "auction" if recovered and not overdue else "fallback"

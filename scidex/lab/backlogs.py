"""What a policy sees: the tasks that may run in a cycle, and what becomes known of those that did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from scidex.lab.worlds import Floats, Integers, WorldSpec

_START = datetime(2026, 1, 1, tzinfo=UTC)


class Backlog(NamedTuple):
    """The tasks that may run in a cycle, in the order of their arrival, and what their quests claim."""

    cycle: int
    tasks: Integers
    quest: Integers
    claim: Floats
    left: Integers
    """Cycles in which each may still run, this one included."""


class Results(NamedTuple):
    """The tasks that ran in a cycle, and those that were judged in it, in the order in which they ran."""

    cycle: int
    tasks: Integers
    quest: Integers
    claim: Floats
    realised: Floats
    """What tasks were found to be worth; NaN of those that ran and are not judged yet."""


def interval(spec: WorldSpec) -> timedelta:
    """Return how long a cycle lasts."""
    return timedelta(days=1) / spec.cycles_per_day


def at(spec: WorldSpec, cycle: int) -> datetime:
    """Return the moment of a cycle."""
    return _START + cycle * interval(spec)

"""Timing two things side by side, so that the machine's mood touches both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """A measured figure against its limit, both from one run."""

    name: str
    measured: float
    limit: float
    unit: str
    wanted: str
    ratio: float
    met: bool | None
    """None where nothing is wanted: the figure is there to be compared."""
    also: str = ""
    """What was measured beside it, for people."""

    def line(self) -> str:
        """Return one line for people."""
        mark = {True: "met    ", False: "NOT MET", None: "       "}[self.met]
        return (
            f"{mark} {self.name}: {self.measured:,.4g} {self.unit} against {self.limit:,.4g} {self.unit}"
            f" = {self.ratio:.3g}; wanted {self.wanted}" + (f"; {self.also}" if self.also else "")
        )


def seconds(act: Callable[[], object]) -> float:
    """Return how long `act` took."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def alternating(first: Callable[[], object], second: Callable[[], object], *, rounds: int) -> tuple[float, float]:
    """Run both in turn, after a warm-up, and return the median seconds of each."""
    first()
    second()
    pairs = [(seconds(first), seconds(second)) for _ in range(rounds)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)

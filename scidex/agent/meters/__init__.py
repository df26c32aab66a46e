"""What a run really used, one way to know a file; each says where its numbers came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from scidex.agent.endings import Word
from scidex.agent.executors import RunResult
from scidex.agent.workplace import Workplace
from scidex.records import Usage

__all__ = ["Meter", "NoMeter", "PlainMeter", "Usage", "unknown"]


def unknown(note: str = "", *, meter: str = "none") -> Usage:
    """Return that a run's usage is not known, and why: no number stands for that, least of all 0."""
    return Usage(meter=meter, provenance="none", note=note)


class Meter(Protocol):
    """Knows what a run used."""

    @property
    def most_usd(self) -> float | None:
        """What a run may spend by the meter's own hand; None where it sets no limit."""

    def watching(self, place: Workplace, max_seconds: float) -> AbstractContextManager[Mapping[str, str]]:
        """Watch a run while the block lasts; gives what its environment must say for that. Raises MeterUnavailable."""

    def word(self, place: Workplace, result: RunResult) -> Word:
        """Return what the run's program says of its end and of its provider's windows, at once. Never raises."""

    def read(self, place: Workplace, result: RunResult) -> Usage:
        """Return what a run used, within the block; `none` and no number where that cannot be known. Never raises."""

    def corrections(self) -> list[tuple[str, Usage]]:
        """Return what has been learnt of runs since they were read, each run's id with its usage. Never raises."""


class PlainMeter:
    """A meter that needs nothing but what a run leaves behind."""

    @property
    def most_usd(self) -> float | None:
        """Set no limit."""
        return None

    def corrections(self) -> list[tuple[str, Usage]]:
        """Learn nothing later."""
        return []

    def word(self, place: Workplace, result: RunResult) -> Word:
        """Say nothing."""
        return Word()

    @contextmanager
    def watching(self, place: Workplace, max_seconds: float) -> Iterator[Mapping[str, str]]:
        """Ask nothing of the run."""
        yield {}


class NoMeter(PlainMeter):
    """Knows nothing of any run."""

    def read(self, place: Workplace, result: RunResult) -> Usage:
        """Return that nothing is known."""
        return unknown()

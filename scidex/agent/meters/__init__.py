"""What a run really used, one way to know a file; each says where its number came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from scidex.agent.executors import RunResult
from scidex.agent.workplace import Workplace

__all__ = ["Meter", "NoMeter", "Provenance", "Usage"]

Provenance = Literal["reported", "estimated", "none"]


@dataclass(frozen=True)
class Usage:
    """Tokens that a run used, where that number came from, and what is to be said about it."""

    tokens: int
    provenance: Provenance
    note: str = ""


class Meter(Protocol):
    """Knows what a run used."""

    def read(self, place: Workplace, result: RunResult) -> Usage:
        """Return what a run used, 0 and `none` where that cannot be known. Never raises."""


class NoMeter:
    """Knows nothing of any run."""

    def read(self, place: Workplace, result: RunResult) -> Usage:
        """Return that nothing is known."""
        return Usage(0, "none")

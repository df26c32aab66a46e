"""What is run, what came of it, and what an executor promises."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

Ended = Literal["exited", "timed_out", "flooded", "stopped", "not_started"]


@dataclass(frozen=True)
class Run:
    """A command to run: its words, the directory it works in, and how long it may take."""

    command: tuple[str, ...]
    directory: Path
    max_seconds: float
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunResult:
    """
    How a run ended, and what is left of its output.

    `exit_code` is negative where a signal ended the command, None where it never began. `stdout` and `stderr` are the
    beginning and the end of what was written; `output_bytes` counts all of it. `left_behind` counts the
    other processes that the run had alive at that moment, and that were ended with it.
    """

    ended: Ended
    exit_code: int | None
    stdout: str
    stderr: str
    output_bytes: int
    left_behind: int
    seconds: float
    reason: str

    @property
    def succeeded(self) -> bool:
        """Whether the command ended by itself and said that all was well."""
        return self.ended == "exited" and self.exit_code == 0


class Executor(Protocol):
    """Runs commands somewhere."""

    def run(self, run: Run, stop: threading.Event | None = None) -> RunResult:
        """Run a command to its end, its limits, or until `stop` is set; nothing of it is left running. Never raises."""

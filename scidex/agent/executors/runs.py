"""What is run, what came of it, and what an executor promises."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

Ended = Literal["exited", "timed_out", "flooded", "swollen", "stopped", "not_started", "lost"]


@dataclass(frozen=True)
class CommandRun:
    """
    A command to run: its words, the directory it works in, how long it may take, and what it needs of a cluster.

    `needs` are amounts by name: `cpus`, `gpus`, `memory_bytes`, and whatever else a cluster's nodes were labelled with.
    It is started in `works_in`, or else in its directory. With `transcript` all that it prints is kept in a file of
    that name in its directory, from the first byte on.
    """

    command: tuple[str, ...]
    directory: Path
    max_seconds: float
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: Mapping[str, float] = field(default_factory=dict)
    transcript: str = ""
    works_in: Path | None = None


@dataclass(frozen=True)
class RunResult:
    """
    How a run ended, and what is left of its output.

    `exit_code` is negative where a signal ended the command, None where it never began. `stdout` and `stderr` are the
    beginning and the end of what was written; `output_bytes` counts all of it. `left_behind` counts the
    other processes that the run had alive at that moment, and that were ended with it.

    A run is `swollen` that held more memory than it may, and `lost` where its place was: a cluster without room for it,
    a node that died.
    """

    ended: Ended
    exit_code: int | None
    stdout: str
    stderr: str
    output_bytes: int
    left_behind: int
    seconds: float
    reason: str
    objection: str = ""
    """What speaks against an exit code of 0, by the command's own word."""

    @property
    def succeeded(self) -> bool:
        """Whether the command ended by itself and said that all was well."""
        return self.ended == "exited" and self.exit_code == 0 and not self.objection

    @classmethod
    def without_output(cls, ended: Ended, reason: str, seconds: float = 0.0) -> RunResult:
        """Return the result of a run of which nothing is known but how it ended."""
        return cls(ended, None, "", "", 0, 0, seconds, reason)


class Executor(Protocol):
    """Runs commands somewhere."""

    def run(self, run: CommandRun, stop: threading.Event | None = None) -> RunResult:
        """Run a command to its end, its limits, or until `stop` is set; nothing of it is left running. Never raises."""

"""Heeds what a command says of its own success: of some, an exit code of 0 proves nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from scidex.agent.executors.runs import Executor, Run, RunResult

# Whether the text says that the work was done, and what speaks against it. Raises ValueError where it says nothing.
Heed = Callable[[str], tuple[bool, str]]


@dataclass(frozen=True)
class HeedingExecutor:
    """Runs commands by another executor, and takes for failed what does not say of itself that it succeeded."""

    executor: Executor
    heed: Heed

    def run(self, run: Run, stop: threading.Event | None = None) -> RunResult:
        """Run a command, and set its own word against its exit code of 0. Never raises."""
        result = self.executor.run(run, stop)
        if not result.succeeded:
            return result
        try:
            did_succeed, why = self.heed(result.stdout)
        except ValueError as error:
            did_succeed, why = False, f"its output {error}"
        return result if did_succeed else replace(result, objection=why, reason=f"{result.reason}, but {why}")

"""Where a task's command runs: an executor takes a `Run` and gives a `RunResult`, whatever the command does."""

from __future__ import annotations

from scidex.agent.executors.runs import Executor, Run, RunResult

__all__ = ["Executor", "Run", "RunResult"]

"""Where a task's command runs: an executor takes a `CommandRun` and gives a `RunResult`, whatever the command does."""

from __future__ import annotations

from scidex.agent.executors.runs import CommandRun, Executor, RunResult

__all__ = ["CommandRun", "Executor", "RunResult"]

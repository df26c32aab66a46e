"""What the tests of the agent's parts share: an assignment to work on, and how a run may have ended."""

from __future__ import annotations

from typing import Any

from scidex.agent.executors import RunResult
from scidex.records import Assignment

ASSIGNMENT = Assignment(
    source="auction",
    assignment_id="slot-1",
    agent_id="worker:ada",
    task_id="task-1",
    quest_id="docs",
    title="Write the tutorial",
    payload={"page": "tutorial"},
    pool="scidex-agent",
    token_allowance=None,
    max_seconds=None,
    expected_value_usd=3.0,
)


def result(exit_code: int = 0, stdout: str = "", **others: Any) -> RunResult:
    facts = {"stderr": "", "output_bytes": len(stdout), "left_behind": 0, "seconds": 0.1, "reason": "exited with 0"}
    return RunResult("exited", exit_code, stdout, **{**facts, **others})

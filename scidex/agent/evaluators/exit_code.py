"""Takes a run that succeeded for worth a fixed sum: for commands whose exit code proves something, as tests do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

from scidex.agent.evaluators import Impact
from scidex.agent.executors import RunResult
from scidex.agent.workplace import Workplace

# Agents that end with 0 whatever came of the task.
PROVES_NOTHING = {
    "aider": "aider ends with 0 whatever became of its message",
    "claude": "claude may end with 0 for a session that did nothing; --outcome claude reads what it says of itself",
    "codex": "codex ends with 0 when it refuses; --outcome codex reads what it says of itself",
    "goose": "goose ends with 0 when its session ended, whatever came of it",
    "openhands": "openhands turns its errors into messages, and ends with 0",
    "opencode": "opencode ends with 0 when it answered, whatever the answer",
}


def warning_for(command: tuple[str, ...]) -> str | None:
    """Return why a command's exit code proves nothing, where that is known of its program."""
    program = PurePath(command[0]).name if command else ""
    return PROVES_NOTHING.get(program)


@dataclass(frozen=True)
class ExitCodeEvaluator:
    """Attests the same impact to every run that succeeded; a run that failed is worth 0 and not asked about."""

    attester_id: str
    usd: float

    def judge(self, place: Workplace, result: RunResult) -> Impact:
        """Return the fixed sum. Never raises."""
        return Impact(self.usd, self.attester_id)

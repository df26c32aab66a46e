"""What a run was worth, said by somebody who is not its bidder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from scidex.agent.executors import RunResult
from scidex.agent.workplace import Workplace
from scidex.records import SeenPullRequest

__all__ = ["Evaluator", "Impact", "NoEvaluator"]


@dataclass(frozen=True)
class Impact:
    """Realised value in USD (None: not known yet), the evaluator's account that attests it, and a remark."""

    usd: float | None
    attested_by: str | None = None
    note: str = ""
    pull_request: SeenPullRequest | None = None


class Evaluator(Protocol):
    """Judges what a run was worth."""

    def judge(self, place: Workplace, result: RunResult) -> Impact:
        """Return the impact of a run that succeeded; its USD are None where that cannot be known. Never raises."""


class NoEvaluator:
    """Judges nothing: the impact may be attested later."""

    def judge(self, place: Workplace, result: RunResult) -> Impact:
        """Return that nothing is known yet."""
        return Impact(None)

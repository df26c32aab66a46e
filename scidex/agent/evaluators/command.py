"""Asks a command of the operator's what a run was worth."""

from __future__ import annotations

import re
from dataclasses import dataclass

from scidex.agent.evaluators import Impact
from scidex.agent.executors import CommandRun, Executor, RunResult
from scidex.agent.workplace import Workplace, parse_object
from scidex.errors import shown

_MOST_USD = 1e15
_NUMBER = re.compile(r"-?\d{1,16}(?:\.\d{1,16})?", re.ASCII)


@dataclass(frozen=True)
class CommandEvaluator:
    """
    Runs a command in the run's directory; the last line that it prints is a number, or an object with `impact_usd`.

    `attester_id` is the evaluator's account, which the operator created and which is not the bidder's. A command that
    fails or says something else leaves the impact unknown, to be attested later.
    """

    command: tuple[str, ...]
    attester_id: str
    executor: Executor
    max_seconds: float = 60.0

    def judge(self, place: Workplace, result: RunResult) -> Impact:
        """Return what the command says a run was worth. Never raises."""
        try:
            environment = place.record(result)
            said = self.executor.run(CommandRun(self.command, place.works_in, self.max_seconds, environment))
            return Impact(_impact_usd(said), self.attester_id)
        except (OSError, ValueError) as error:
            return Impact(None, note=f"the evaluator {error}")


def _impact_usd(said: RunResult) -> float:
    if not said.succeeded:
        raise ValueError(said.reason)
    last = said.stdout.strip().rpartition("\n")[2].strip()
    impact = float(last) if _NUMBER.fullmatch(last) else parse_object(last).get("impact_usd")
    if isinstance(impact, (int, float)) and not isinstance(impact, bool) and abs(impact) <= _MOST_USD:
        return float(impact)
    raise ValueError(f"gives no number of impact_usd: {shown(impact)}")

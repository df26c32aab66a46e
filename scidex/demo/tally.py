"""Counts what the fleet does, as it does it."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

from scidex.agent.agent import Report
from scidex.records import Round


@dataclass
class RunSums:
    """Sums over runs: all of them, one quest's, or one agent's."""

    tasks: int = 0
    failed: int = 0
    sold: int = 0
    paid_tokens: int = 0
    cost_tokens: int = 0
    expected_usd: float = 0.0
    impact_usd: float = 0.0

    def add(self, report: Report) -> None:
        """Count one run."""
        clear = report.finished.clear
        self.tasks += 1
        self.failed += not report.result.succeeded
        self.sold += clear is not None
        self.paid_tokens += clear.clearing_price_tokens if clear is not None else 0
        self.cost_tokens += report.usage.tokens or 0
        self.expected_usd += report.assignment.expected_value_usd
        self.impact_usd += report.impact.usd or 0.0


@dataclass
class Tally:
    """What was done since the start: in all, for each quest, and by each agent. Safe to share between threads."""

    total: RunSums = field(default_factory=RunSums)
    by_quest: dict[str, RunSums] = field(default_factory=dict)
    by_agent: dict[str, RunSums] = field(default_factory=dict)
    _recent: RunSums = field(default_factory=RunSums)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add_run(self, report: Report) -> None:
        """Count one run."""
        with self._lock:
            for sums in self._sums_with(report):
                sums.add(report)

    def since_last_asked(self) -> RunSums:
        """Return what was done since this was asked before."""
        with self._lock:
            recent, self._recent = self._recent, RunSums()
            return recent

    def _sums_with(self, report: Report) -> list[RunSums]:
        quest, agent = str(report.assignment.quest_id), report.assignment.agent_id
        of_quest = self.by_quest.setdefault(quest, RunSums())
        return [self.total, self._recent, of_quest, self.by_agent.setdefault(agent, RunSums())]


def winners(cleared: Round) -> Counter[str]:
    """Return how many slots each quest won in a round."""
    return Counter(clear.winning_task_id.partition(":")[0] for clear in cleared.clears)

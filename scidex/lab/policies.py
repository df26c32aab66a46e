"""Policies to compare the market with: who gets the slots of a cycle, by rules that need no tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from scidex.lab.appraisal import Appraiser
from scidex.lab.backlogs import Backlog, Results
from scidex.lab.worlds import Floats, Integers, WorldSpec
from scidex.money.split import proportional_split, turns
from scidex.profiles import Profile


class Policy(Protocol):
    """Gives the slots of each cycle to tasks, and may learn from what these came to."""

    def choose(self, backlog: Backlog) -> Integers:
        """Return the tasks to run, as places in the backlog: at most as many as there are slots."""

    def learn(self, results: Results) -> None:
        """Take note of what ran and what was judged."""


class Fifo:
    """First come, first served."""

    def __init__(self, spec: WorldSpec) -> None:
        self._slots = spec.slots

    def choose(self, backlog: Backlog) -> Integers:
        """Return the tasks that have waited longest."""
        return np.arange(min(self._slots, len(backlog.tasks)))

    def learn(self, results: Results) -> None:
        """Learn nothing."""


class Split:
    """The proportional split: each quest's share of a day's slots by its priority, its best claim first."""

    def __init__(self, spec: WorldSpec, priority: Integers) -> None:
        self._spec = spec
        self._priorities = dict(zip(names(spec.quests), priority.tolist(), strict=True))
        self._used = dict.fromkeys(self._priorities, 0)

    def choose(self, backlog: Backlog) -> Integers:
        """Return the best task of whose turn it is, slot by slot."""
        if backlog.cycle % self._spec.cycles_per_day == 0:
            self._used = dict.fromkeys(self._priorities, 0)
        left = _queues(backlog, list(self._priorities))
        chosen: list[int] = []
        while left and len(chosen) < self._spec.slots:
            quest = turns(self._shares(left))[0]
            self._used[quest] += 1
            chosen.append(left[quest].pop())
            if not left[quest]:
                del left[quest]
        return np.array(chosen, dtype=np.int64)

    def learn(self, results: Results) -> None:
        """Learn nothing."""

    def _shares(self, quests: Mapping[str, object]) -> list[tuple[str, int, int]]:
        weights = {quest: self._priorities[quest] for quest in quests}
        return [
            (quest, share, self._used[quest])
            for quest, share in proportional_split(sum(weights.values()), weights).items()
        ]


class EvRank:
    """Whoever claims most: a static order by claimed expected value."""

    def __init__(self, spec: WorldSpec) -> None:
        self._slots = spec.slots

    def choose(self, backlog: Backlog) -> Integers:
        """Return the tasks of the highest claims."""
        return np.argsort(-self._values(backlog), kind="stable")[: self._slots]

    def learn(self, results: Results) -> None:
        """Learn nothing."""

    def _values(self, backlog: Backlog) -> Floats:
        return backlog.claim


class CalibratedRank(EvRank):
    """Claims in the order of what they are worth, by their quests' records."""

    def __init__(self, spec: WorldSpec, profile: Profile) -> None:
        super().__init__(spec)
        self._appraiser = Appraiser(spec, profile)

    def learn(self, results: Results) -> None:
        """Keep the quests' records."""
        self._appraiser.learn(results)

    def _values(self, backlog: Backlog) -> Floats:
        return self._appraiser.values(backlog)


def names(quests: int) -> list[str]:
    """Return the names of quests, in the order of their numbers."""
    return [f"quest-{number:04d}" for number in range(quests)]


def _queues(backlog: Backlog, quests: list[str]) -> dict[str, list[int]]:
    """Return each quest's places in the backlog, the best claim last."""
    queues: dict[str, list[int]] = {}
    for place in np.argsort(backlog.claim, kind="stable").tolist():
        queues.setdefault(quests[backlog.quest[place]], []).append(place)
    return queues


Make = Callable[[WorldSpec, Integers, Profile], Policy]

BASELINES: Mapping[str, Make] = {
    "fifo": lambda spec, _priority, _profile: Fifo(spec),
    "split": lambda spec, priority, _profile: Split(spec, priority),
    "ev_rank": lambda spec, _priority, _profile: EvRank(spec),
    "calibrated_rank": lambda spec, _priority, profile: CalibratedRank(spec, profile),
}
"""Policies without tokens by name: made for a world's slots, its quests' priorities, and a profile."""

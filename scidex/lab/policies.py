"""Policies to compare the market with: who gets the slots of a cycle, by rules that need no tokens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from math import isnan
from typing import NamedTuple, Protocol

import numpy as np

from scidex.bidding import arrays
from scidex.bidding.calibration import Calibration, Record, fit, noted, pooled
from scidex.bidding.judgement import SettledRun, is_in, wait
from scidex.lab.worlds import Floats, Integers, WorldSpec
from scidex.money.split import proportional_split, turns
from scidex.profiles import Profile

START = datetime(2026, 1, 1, tzinfo=UTC)
"""The moment of a world's first cycle."""


class Backlog(NamedTuple):
    """The tasks that may run in a cycle, in the order of their arrival, and what their quests claim."""

    cycle: int
    tasks: Integers
    quest: Integers
    claim: Floats


class Results(NamedTuple):
    """The tasks that ran in a cycle, and those that were judged in it, in the order in which they ran."""

    cycle: int
    tasks: Integers
    quest: Integers
    claim: Floats
    realised: Floats
    """What tasks were found to be worth; NaN of those that ran and are not judged yet."""


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
        self._calibrator = Calibrator(spec, profile)

    def learn(self, results: Results) -> None:
        """Keep the quests' records."""
        self._calibrator.learn(results)

    def _values(self, backlog: Backlog) -> Floats:
        return self._calibrator.values(backlog)


class Calibrator:
    """The records of all quests, and what claims are worth by them."""

    def __init__(self, spec: WorldSpec, profile: Profile) -> None:
        self._profile = profile
        self._cycle = timedelta(days=1) / spec.cycles_per_day
        self._horizon = timedelta(hours=profile.attest_within_hours)
        self._histories = [History(profile) for _ in range(spec.quests)]
        self.calibrations = self._fitted()

    def learn(self, results: Results) -> None:
        """Keep what ran, and what came of claims."""
        now = START + results.cycle * self._cycle
        for task, quest, claimed, realised in zip(*(one.tolist() for one in results[1:]), strict=True):
            self._histories[quest].note(task, claimed, None if isnan(realised) else realised, now, self._horizon)
        for history in self._histories:
            history.count(now)
        self.calibrations = self._fitted()

    def values(self, backlog: Backlog) -> Floats:
        """Return what the claims are worth, in USD."""
        return arrays.calibrated(backlog.claim, backlog.quest, self.calibrations)

    def _fitted(self) -> list[Calibration]:
        pool = pooled([history.record for history in self._histories], self._profile)
        return [fit(history.record, pool, self._profile) for history in self._histories]


class History:
    """
    The runs of a quest that do not count yet, and the record of those that do.

    What `judgement.judged` says of all runs at once, step by step: what has counted counts ever after.
    """

    def __init__(self, profile: Profile) -> None:
        self.record = Record()
        self._profile = profile
        self._waiting: dict[int, SettledRun] = {}
        self._longest_wait = timedelta(0)

    def note(self, task: int, claimed: float, realised: float | None, now: datetime, horizon: timedelta) -> None:
        """Take note of a run that is settled, or judged, or both."""
        run = self._waiting.get(task, SettledRun(claimed, now, now + horizon))
        if realised is not None:
            run = run._replace(judged_at=now, realised=realised)
            self._longest_wait = max(self._longest_wait, wait(run, now))
        self._waiting[task] = run

    def count(self, now: datetime) -> None:
        """Let count what may."""
        longest = max((wait(run, now) for run in self._waiting.values()), default=timedelta(0))
        longest = max(longest, self._longest_wait)
        for task, run in list(self._waiting.items()):
            if run.realised is not None and is_in(run, now, longest_wait=longest):
                del self._waiting[task]
                self.record = noted(self.record, claimed=run.claimed, realised=run.realised, profile=self._profile)


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

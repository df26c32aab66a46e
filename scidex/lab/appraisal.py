"""What quests' claims are worth by their records: of all quests at once, as amounts or as an order."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import isnan
from typing import Protocol

import numpy as np

from scidex.bidding import arrays, calibration, listings, order
from scidex.bidding.haste import without_haste
from scidex.bidding.judgement import SettledRun, is_in, wait
from scidex.lab.backlogs import Backlog, Results, at, interval
from scidex.lab.worlds import Floats, Integers, WorldSpec
from scidex.profiles import Profile


class Appraiser:
    """Says what the tasks of a backlog are worth, and learns from what ran."""

    def __init__(self, spec: WorldSpec, profile: Profile) -> None:
        self._spec = spec
        self._profile = profile
        self._hours = interval(spec).total_seconds() / 3_600
        self._horizon = timedelta(hours=profile.attest_within_hours)
        self.claims: Claims = Order(spec, profile) if profile.claims == "order" else Amounts(spec, profile)
        self._histories = [History() for _ in range(spec.quests)]
        self._tasks: Integers = np.empty(0, dtype=np.int64)
        self._read: Floats = np.empty(0)
        self._hastes: Floats = np.empty(0)

    def values(self, backlog: Backlog) -> Floats:
        """Return what the tasks are worth, in USD."""
        self._tasks = backlog.tasks
        self._read = self.claims.read(backlog)
        self._hastes = arrays.hastes(np.float64(self._hours) * backlog.left, self._profile)
        values = self.claims.worths(self._read, backlog.quest) if self._profile.calibrate else backlog.claim
        # A claim of nothing is worth nothing, wherever it stands in an order.
        return arrays.hurried(np.where(backlog.claim > 0, values, 0.0), self._hastes)

    def learn(self, results: Results) -> None:
        """Keep what ran, and what came of it."""
        now = at(self._spec, results.cycle)
        places = np.searchsorted(self._tasks, results.tasks)
        for task, quest, realised, place in zip(
            results.tasks.tolist(), results.quest.tolist(), results.realised.tolist(), places.tolist(), strict=True
        ):
            history = self._histories[quest]
            if place < len(self._tasks) and self._tasks[place] == task:
                history.settle(task, float(self._read[place]), float(self._hastes[place]), now, self._horizon)
            if not isnan(realised):
                history.judge(task, realised, now)
        for quest, history in enumerate(self._histories):
            for claimed, realised in history.counted(now):
                self.claims.note(quest, claimed, realised)
        self.claims.fit()


class Claims(Protocol):
    """What is read out of claims, and what that has been worth."""

    def read(self, backlog: Backlog) -> Floats:
        """Return what each task's claim says: an amount, or a score."""

    def worths(self, read: Floats, quest: Integers) -> Floats:
        """Return what claims are worth, in USD."""

    def note(self, quest: int, claimed: float, realised: float) -> None:
        """Put a run on record."""

    def fit(self) -> None:
        """Take the records into account."""


class Amounts:
    """Claims as amounts."""

    def __init__(self, spec: WorldSpec, profile: Profile) -> None:
        self._profile = profile
        self._records = [calibration.Record()] * spec.quests
        self.fit()

    def read(self, backlog: Backlog) -> Floats:
        """Return the amounts."""
        return backlog.claim

    def worths(self, read: Floats, quest: Integers) -> Floats:
        """Return what amounts are worth."""
        return arrays.calibrated(read, quest, self.calibrations)

    def note(self, quest: int, claimed: float, realised: float) -> None:
        """Put a run on record."""
        record = self._records[quest]
        self._records[quest] = calibration.noted(record, claimed=claimed, realised=realised, profile=self._profile)

    def fit(self) -> None:
        """Take the records into account."""
        pool = calibration.pooled(self._records, self._profile)
        self.calibrations = [calibration.fit(record, pool, self._profile) for record in self._records]


class Order:
    """Claims as an order of each quest's own tasks; a task is listed when it is first shown."""

    def __init__(self, spec: WorldSpec, profile: Profile) -> None:
        self._spec = spec
        self._profile = profile
        self._records = [order.OrderRecord()] * spec.quests
        self._seen = np.zeros(0, dtype=np.bool_)
        self._lists: list[Listed | None] = [None] * spec.quests
        self._windows: list[Floats] = [np.empty(0)] * spec.quests
        self.fit()

    def read(self, backlog: Backlog) -> Floats:
        """Return the scores of claims, once those that are new are listed."""
        if len(backlog.tasks) and backlog.tasks[-1] >= len(self._seen):
            self._seen = np.append(self._seen, np.zeros(backlog.tasks[-1] + 1000, dtype=np.bool_))
        is_new = ~self._seen[backlog.tasks] & (backlog.claim > 0)
        self._seen[backlog.tasks] = True
        now = at(self._spec, backlog.cycle)
        for quest in np.unique(backlog.quest[is_new]).tolist():
            self._list(quest, backlog.claim[is_new & (backlog.quest == quest)].tolist(), now)
        return arrays.scored(backlog.claim, backlog.quest, self._windows)

    def worths(self, read: Floats, quest: Integers) -> Floats:
        """Return what scores are worth."""
        return arrays.worths(read, quest, self.places)

    def note(self, quest: int, claimed: float, realised: float) -> None:
        """Put a run on record."""
        record = self._records[quest]
        self._records[quest] = order.noted(record, score=claimed, realised=realised, profile=self._profile)

    def fit(self) -> None:
        """Take the records into account."""
        pool = order.pooled(self._records, self._profile)
        self.places = [order.fit(record, pool, self._profile) for record in self._records]

    def _list(self, quest: int, claims: list[float], now: datetime) -> None:
        listed = self._lists[quest] = self._lists[quest] or Listed(now, self._profile)
        listed.add(claims, now)
        self._windows[quest] = np.sort(np.array(listed.newest()))


class Listed:
    """The claims that a quest has listed: what `listings.window` says of all of them at once, step by step."""

    def __init__(self, first_at: datetime, profile: Profile) -> None:
        self._first_at = first_at
        self._profile = profile
        self._before: list[float] = []
        self._numbers: list[int] = []
        self._now: list[float] = []

    def add(self, claims: list[float], now: datetime) -> None:
        """List claims."""
        period = listings.period_of(now, first_at=self._first_at, profile=self._profile)
        while len(self._numbers) < period:
            self._before = self.newest()
            self._numbers.append(len(self._now))
            self._now = []
        self._now += claims

    def newest(self) -> list[float]:
        """Return the claims that the order rests on, in the order of listing."""
        most = listings.most_counted(self._numbers, self._profile)
        return (self._before + listings.counted(self._now, most))[-self._profile.order_claims :]


class History:
    """
    The runs of a quest that do not count yet.

    What `judgement.judged` says of all runs at once, step by step: what has counted counts ever after.
    """

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[SettledRun, float]] = {}
        self._longest_wait = timedelta(0)

    def settle(self, task: int, claimed: float, haste: float, now: datetime, horizon: timedelta) -> None:
        """Take note of a run that nobody has judged so far."""
        self._waiting[task] = (SettledRun(claimed, now, now + horizon), haste)

    def judge(self, task: int, realised: float, now: datetime) -> None:
        """Take note of what a run was worth."""
        run, haste = self._waiting[task]
        run = run._replace(judged_at=now, realised=without_haste(realised, haste))
        self._longest_wait = max(self._longest_wait, wait(run, now))
        self._waiting[task] = run, haste

    def counted(self, now: datetime) -> list[tuple[float, float]]:
        """Return the scores that count from now on, once."""
        longest = max([self._longest_wait, *(wait(run, now) for run, _ in self._waiting.values())])
        scores = []
        for task, (run, _) in list(self._waiting.items()):
            if run.realised is not None and is_in(run, now, longest_wait=longest):
                del self._waiting[task]
                scores.append((run.claimed, run.realised))
        return scores

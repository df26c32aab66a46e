"""Worlds drawn from a seed: who is in a market, what work arrives when, and what becomes of each run."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

Ending = Literal["succeeds", "fails", "never starts"]
Judged = Literal["at once", "late", "never"]

DAY_SECONDS = 86_400.0
_MOST_RUN_SECONDS = 6 * 3_600.0


@dataclass(frozen=True)
class QuestSpec:
    """A quest: what it has to begin with, and what its work is like."""

    quest_id: str
    priority: int
    grant_tokens: int
    strategy: str
    entitled: bool
    owner_id: str | None
    joins_after_seconds: float
    mean_log_usd: float
    exaggerates: float
    fails: float
    judged: Judged
    share_of_work: float
    is_imported: bool
    """Whether its tasks come by imports of a list, or one by one."""


@dataclass(frozen=True)
class WorkerSpec:
    """A machine that works for a pool: its seats, what it asks for them, and by which door it comes."""

    account_id: str
    pool: str
    seats: int
    reserve_price_tokens: int
    by_http: bool
    is_third_party: bool
    days_between_deaths: float
    max_run_seconds: int = 4 * 3_600


@dataclass(frozen=True)
class TaskSpec:
    """A task as it arrives, and what becomes of its runs."""

    task_id: str
    quest_id: str
    pool: str
    claimed_usd: float
    worth_usd: float
    run_seconds: float
    ending: Ending
    judged: Judged
    judged_after_seconds: float
    depends_on: tuple[str, ...]
    lives_seconds: float | None


@dataclass(frozen=True)
class Spec:
    """A whole market."""

    seed: int
    days: float
    profile: str
    cycle_seconds: float
    quests: tuple[QuestSpec, ...]
    workers: tuple[WorkerSpec, ...]
    load: float
    """Work that arrives, in seats' time, beside all seats' time."""
    mean_run_seconds: float
    hours_between_lulls: tuple[int, int] = (6, 30)
    operator_hours: float = 2.5
    """How often the operator does something."""
    loop_hours: float = 10.0
    """How long a clearing loop lives."""
    judged_after_hours: float = 36.0
    """How long after a run it is judged, where it is judged late."""

    @property
    def pools(self) -> list[str]:
        return sorted({worker.pool for worker in self.workers})

    def seats(self, pool: str) -> int:
        return sum(worker.seats for worker in self.workers if worker.pool == pool)


def draw(seed: int, days: float) -> Spec:
    """Return the market of a seed: the same one each time."""
    chance = random.Random(f"market {seed}")
    pools = ["scidex-agent", "gpu", "review"][: chance.choice([1, 2, 2, 3])]
    quests = tuple(_quest(chance, number) for number in range(chance.randint(4, 8)))
    return Spec(
        seed=seed,
        days=days,
        profile=chance.choice(["recommended", "recommended", "generous"]),
        cycle_seconds=chance.choice([60.0, 120.0, 300.0]),
        quests=quests,
        workers=tuple(_worker(chance, pool, number) for pool in pools for number in range(chance.randint(1, 3))),
        load=chance.choice([0.7, 1.5, 3.0]),
        mean_run_seconds=chance.choice([600.0, 1_800.0, 3_600.0]),
    )


def lively(seed: int, days: float) -> Spec:
    """Return a small market in which much happens in little time: short runs, and machines that often die."""
    return Spec(
        seed=seed,
        days=days,
        profile="recommended",
        cycle_seconds=120.0,
        quests=(
            _usual_quest("q0", priority=3, grant_tokens=50_000, fails=0.2),
            _usual_quest("q1", priority=1, grant_tokens=3, entitled=True, judged="never", is_imported=True),
            _usual_quest("q2", priority=0, grant_tokens=76, entitled=True, judged="late", fails=0.4),
            _usual_quest("q3", priority=2, strategy="truthful", owner_id="owner:both", exaggerates=3.0),
            _usual_quest("q4", owner_id="owner:both", joins_after_seconds=7_000.0, judged="late", is_imported=True),
        ),
        workers=(
            _usual_worker("worker:a", seats=2, days_between_deaths=0.1),
            _usual_worker("worker:b", by_http=True, days_between_deaths=0.2, max_run_seconds=1_800),
            _usual_worker("worker:c", pool="gpu", reserve_price_tokens=50, is_third_party=True),
        ),
        load=1.5,
        mean_run_seconds=1_200.0,
        hours_between_lulls=(2, 5),
        operator_hours=0.4,
        loop_hours=2.0,
        judged_after_hours=2.0,
    )


def _usual_quest(quest_id: str, **other: Any) -> QuestSpec:
    usual = QuestSpec(
        quest_id=quest_id,
        priority=1,
        grant_tokens=5_000,
        strategy="market",
        entitled=False,
        owner_id=None,
        joins_after_seconds=0.0,
        mean_log_usd=1.0,
        exaggerates=1.0,
        fails=0.05,
        judged="at once",
        share_of_work=1.0,
        is_imported=False,
    )
    return replace(usual, **other)


def _usual_worker(account_id: str, **other: Any) -> WorkerSpec:
    usual = WorkerSpec(
        account_id=account_id,
        pool="scidex-agent",
        seats=1,
        reserve_price_tokens=0,
        by_http=False,
        is_third_party=False,
        days_between_deaths=1.0,
    )
    return replace(usual, **other)


def _quest(chance: random.Random, number: int) -> QuestSpec:
    return QuestSpec(
        quest_id=f"q{number}",
        priority=chance.choice([0, 1, 1, 2, 5]) if number else 3,
        grant_tokens=chance.choice([0, 3, 76, 5_000, 50_000]),
        strategy=chance.choice(["market", "market", "market", "clamp", "truthful", "fixed"]),
        entitled=chance.random() < 0.5,
        owner_id="owner:both" if chance.random() < 0.2 else None,
        joins_after_seconds=0.0 if number < 3 else chance.uniform(0, DAY_SECONDS / 2),
        mean_log_usd=chance.gauss(1.0, 1.0),
        exaggerates=math.exp(chance.gauss(0, 0.2)) * (3.0 if chance.random() < 0.2 else 1.0),
        fails=chance.choice([0.0, 0.05, 0.2, 0.4]),
        judged=chance.choice(["at once", "at once", "late", "never"]),
        share_of_work=chance.gammavariate(2, 1),
        is_imported=chance.random() < 0.4,
    )


def _worker(chance: random.Random, pool: str, number: int) -> WorkerSpec:
    is_third_party = chance.random() < 0.15
    return WorkerSpec(
        account_id=f"worker:{pool}-{number}",
        pool=pool,
        seats=chance.randint(1, 3),
        reserve_price_tokens=chance.choice([50, 400]) if is_third_party else 0,
        by_http=chance.random() < 0.5,
        is_third_party=is_third_party,
        days_between_deaths=chance.choice([0.4, 2.0, 10.0]),
    )


class Arrivals:
    """The work of a market, as it arrives: in bursts, less at night, and for some hours not at all."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._chance = random.Random(f"work {spec.seed}")
        self._known: dict[str, list[str]] = {quest.quest_id: [] for quest in spec.quests}
        self._lulls: set[int] = set()
        hour = 0
        while hour < spec.days * 24:
            hour += self._chance.randint(*spec.hours_between_lulls)
            for _ in range(self._chance.randint(1, 4)):
                self._lulls.add(hour)
                hour += 1

    def of_hour(self, hour: int, quests: set[str]) -> Iterator[tuple[float, TaskSpec]]:
        """Yield the tasks of an hour, each with the second at which it arrives; of quests that are there by then."""
        if hour in self._lulls:
            return
        spec, chance = self._spec, self._chance
        shares = {quest.quest_id: quest.share_of_work for quest in spec.quests if quest.quest_id in quests}
        by_day = 1.0 + 0.8 * math.sin(2 * math.pi * (hour % 24) / 24)
        for pool in spec.pools:
            rate = spec.load * spec.seats(pool) * 3_600 / spec.mean_run_seconds * by_day
            for _ in range(_poisson(chance, rate)):
                name = chance.choices(list(shares), list(shares.values()))[0]
                yield chance.uniform(0, 3_599), self._task(name, pool)

    def is_lull(self, hour: int) -> bool:
        """Whether no work arrives in an hour."""
        return hour in self._lulls

    def _task(self, quest_id: str, pool: str) -> TaskSpec:
        chance = self._chance
        quest = next(one for one in self._spec.quests if one.quest_id == quest_id)
        known = self._known[quest_id]
        worth = math.exp(chance.gauss(quest.mean_log_usd, 1.2))
        task = TaskSpec(
            task_id=f"{quest_id}-{len(known)}",
            quest_id=quest_id,
            pool=pool,
            claimed_usd=round(worth * quest.exaggerates * math.exp(chance.gauss(0, 0.5)), 4),
            worth_usd=round(worth * math.exp(chance.gauss(0, 0.3)), 4),
            run_seconds=min(
                _MOST_RUN_SECONDS, max(5.0, self._spec.mean_run_seconds * math.exp(chance.gauss(-0.5, 1.0)))
            ),
            ending="fails" if chance.random() < quest.fails else "succeeds",
            judged=quest.judged if chance.random() > 0.3 else "never",
            judged_after_seconds=chance.expovariate(1 / (3_600 * self._spec.judged_after_hours)),
            depends_on=tuple(chance.sample(known[-5:], 1)) if known and chance.random() < 0.15 else (),
            lives_seconds=chance.uniform(3_600, 3 * DAY_SECONDS) if chance.random() < 0.5 else None,
        )
        known.append(task.task_id)
        return task


def _poisson(chance: random.Random, mean: float) -> int:
    """Draw the number of arrivals of which so many are expected."""
    count, left = 0, chance.expovariate(1.0)
    while left < mean:
        count, left = count + 1, left + chance.expovariate(1.0)
    return count

"""Synthetic worlds: the tasks that a fleet's quests come up with, what these are worth, and what is claimed of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from scidex.lab.checks import whole, within

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class WorldSpec:
    """What a world is drawn from. Spreads are standard deviations of natural logarithms."""

    load: float = 3.0
    """Tasks that arrive for each slot, on average."""
    quests: int = 12
    slots: int = 4
    days: int = 30
    cycles_per_day: int = 24
    inflators: int = 0
    """How many quests multiply their claims."""
    inflation: float = 3.0
    shortest_life: int = 24
    longest_life: int = 96
    """A task may run in so many cycles, the one of its arrival included; it is gone after them."""
    quest_spread: float = 0.5
    task_spread: float = 1.2
    claim_noise: float = 0.5
    quest_bias: float = 0.2
    impact_noise: float = 0.3
    priority_noise: float = 0.35
    failures: float = 0.0
    """Part of the tasks of which nothing comes: nobody knows it beforehand, and everybody at once when they ran."""
    verdict_days: float = 0.0
    """What comes of the others is found out so many days after they ran at the latest; a time as likely as another."""
    unjudged: float = 0.0
    """Part of all tasks, failures or not, on which there is never a verdict."""

    def __post_init__(self) -> None:
        """Refuse what no world can be drawn from. Raises InvalidArgument."""
        whole("quests", self.quests, least=1, most=1_000)
        whole("slots", self.slots, least=1, most=1_000)
        whole("days", self.days, least=1, most=366)
        whole("cycles_per_day", self.cycles_per_day, least=1, most=1_440)
        whole("inflators", self.inflators, least=0, most=self.quests)
        whole("shortest_life", self.shortest_life, least=1, most=10_000)
        whole("longest_life", self.longest_life, least=self.shortest_life, most=10_000)
        within("load", self.load, least=0.01, most=100)
        within("inflation", self.inflation, least=0.001, most=1_000)
        within("failures", self.failures, least=0, most=0.99)
        within("unjudged", self.unjudged, least=0, most=1)
        within("verdict_days", self.verdict_days, least=0, most=366)
        for name in ("quest_spread", "task_spread", "claim_noise", "quest_bias", "impact_noise", "priority_noise"):
            within(name, getattr(self, name), least=0, most=5)

    @property
    def cycles(self) -> int:
        """How many cycles the world lasts."""
        return self.days * self.cycles_per_day


@dataclass(frozen=True, kw_only=True)
class World:
    """Tasks in the order of their arrival, as arrays of one length; values are in USD. Quests are numbers from 0."""

    spec: WorldSpec
    quest: Integers
    arrives: Integers
    last: Integers
    """The last cycle in which the task may run."""
    value: Floats
    """What the task is worth; no policy sees it."""
    claim: Floats
    realised: Floats
    """What an evaluator measures once the task has run."""
    verdict_after: Integers
    """The cycles from a task's run to its verdict; below 0 there is none."""
    priority: Integers
    """Of each quest, as the operator sees it."""
    inflates: Flags
    """Which quests multiply their claims."""

    def tasks_of(self, quest: int) -> Integers:
        """Return the places of a quest's tasks."""
        return np.flatnonzero(self.quest == quest)


def draw(spec: WorldSpec, seed: int) -> World:
    """Return the world of a seed: the same one each time."""
    whole("seed", seed, least=0, most=2**32)
    random = np.random.default_rng([seed, spec.quests, spec.slots])
    quest_mean = random.normal(0, spec.quest_spread, spec.quests)
    quest, arrives = _arrivals(spec, random)
    count = len(quest)
    value = np.exp(quest_mean[quest] + random.normal(0, spec.task_spread, count))
    bias = np.exp(random.normal(0, spec.quest_bias, spec.quests))
    inflates = random.permutation(spec.quests) < spec.inflators
    claim_logs = np.log(np.where(inflates, bias * spec.inflation, bias))[quest] + random.normal(
        0, spec.claim_noise, count
    )
    life = random.integers(spec.shortest_life, spec.longest_life, count, endpoint=True)
    realised = value * np.exp(random.normal(0, spec.impact_noise, count))
    priority = _priorities(quest_mean + random.normal(0, spec.priority_noise, spec.quests))
    comes = random.random(count) >= spec.failures
    return World(
        spec=spec,
        quest=quest,
        arrives=arrives,
        last=np.minimum(arrives + life, spec.cycles) - 1,
        value=np.where(comes, value, 0.0),
        claim=value * np.exp(claim_logs),
        realised=np.where(comes, realised, 0.0),
        verdict_after=_verdicts(spec, random, comes),
        priority=priority,
        inflates=inflates,
    )


def _arrivals(spec: WorldSpec, random: Generator) -> tuple[Integers, Integers]:
    """Draw Poisson arrivals: quests differ by a gamma(2) share, and each quest's days by a gamma(2, 0.5) factor."""
    shares = random.gamma(2, 1, spec.quests)
    days = random.gamma(2, 0.5, (spec.days, spec.quests))
    rates = spec.load * spec.slots * shares / shares.sum() * days
    counts = random.poisson(np.repeat(rates, spec.cycles_per_day, axis=0))
    cycle, quest = np.divmod(np.repeat(np.arange(counts.size), counts.ravel()), spec.quests)
    return quest, cycle


def _verdicts(spec: WorldSpec, random: Generator, comes: Flags) -> Integers:
    after = np.floor(random.random(len(comes)) * spec.verdict_days * spec.cycles_per_day)
    is_judged = random.random(len(comes)) >= spec.unjudged
    verdicts: Integers = np.where(is_judged, np.where(comes, after, 0), -1).astype(np.int64)
    return verdicts


def _priorities(logs: Floats) -> Integers:
    priorities: Integers = np.clip(np.rint(100 * np.exp(logs)), 1, 1_000_000).astype(np.int64)
    return priorities

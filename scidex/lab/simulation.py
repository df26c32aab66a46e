"""A policy in a world, cycle by cycle: which tasks ran, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from scidex.lab.backlogs import Backlog, Results
from scidex.lab.policies import Policy
from scidex.lab.worlds import Flags, Integers, World


class Disguise(NamedTuple):
    """What one quest makes of its tasks before it shows them."""

    quest: int
    most_shown: int | None = None
    """It shows no more than its best few tasks."""
    is_urgent: bool = False
    """Whatever it shows may run in this cycle alone, or so it says."""


@dataclass(frozen=True, kw_only=True)
class SimulatedRun:
    """What came of a policy in a world."""

    world: World
    ran: Integers
    """The places of the tasks that ran, in the order in which they did."""
    served: Integers
    """Slots by cycle and quest."""
    wanting: Flags
    """Which quests had open tasks, by cycle."""

    def value_of(self, quest: int) -> float:
        """Return what a quest's tasks that ran were worth, in USD."""
        mine = self.ran[self.world.quest[self.ran] == quest]
        return float(self.world.value[mine].sum())


class Verdicts:
    """What an evaluator says of the tasks that ran, when it says it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._due: dict[int, list[Integers]] = {}

    def of(self, cycle: int, ran: Integers) -> Results:
        """Return what becomes known in a cycle: that tasks ran, and what those came to whose verdicts are due."""
        world = self._world
        after = world.verdict_after[ran]
        for wait in np.unique(after[after > 0]).tolist():
            self._due.setdefault(cycle + wait, []).append(ran[after == wait])
        due = np.concatenate([*self._due.pop(cycle, []), ran[:0]])
        tasks = np.concatenate([due, ran])
        realised = np.concatenate([world.realised[due], np.where(after == 0, world.realised[ran], np.nan)])
        return Results(cycle, tasks, world.quest[tasks], world.claim[tasks], realised)


def run(world: World, policy: Policy, *, disguise: Disguise | None = None) -> SimulatedRun:
    """Return what comes of a policy: the same each time. Tasks end in the cycle in which they ran, or unrun."""
    spec = world.spec
    arrived = np.searchsorted(world.arrives, np.arange(spec.cycles + 1))
    waiting = np.empty(0, dtype=np.int64)
    verdicts = Verdicts(world)
    ran: list[Integers] = []
    served = np.zeros((spec.cycles, spec.quests), dtype=np.int64)
    wanting = np.zeros((spec.cycles, spec.quests), dtype=np.bool_)
    for cycle in range(spec.cycles):
        waiting = np.concatenate([waiting, np.arange(arrived[cycle], arrived[cycle + 1])])
        waiting = waiting[world.last[waiting] >= cycle]
        wanting[cycle] = np.bincount(world.quest[waiting], minlength=spec.quests) > 0
        shown = _shown(world, waiting, disguise)
        left = _left(world, shown, cycle, disguise)
        backlog = Backlog(cycle, shown, world.quest[shown], world.claim[shown], left)
        chosen = shown[policy.choose(backlog)]
        policy.learn(verdicts.of(cycle, chosen))
        served[cycle] = np.bincount(world.quest[chosen], minlength=spec.quests)
        waiting = waiting[~np.isin(waiting, chosen)]
        ran.append(chosen)
    assert served.sum(axis=1).max() <= spec.slots
    return SimulatedRun(world=world, ran=np.concatenate(ran), served=served, wanting=wanting)


def _shown(world: World, waiting: Integers, disguise: Disguise | None) -> Integers:
    if disguise is None or disguise.most_shown is None:
        return waiting
    is_mine = world.quest[waiting] == disguise.quest
    mine = waiting[is_mine]
    best = mine[np.argsort(-world.claim[mine], kind="stable")[: disguise.most_shown]]
    shown: Integers = waiting[~is_mine | np.isin(waiting, best)]
    return shown


def _left(world: World, shown: Integers, cycle: int, disguise: Disguise | None) -> Integers:
    left: Integers = world.last[shown] - cycle + 1
    if disguise is not None and disguise.is_urgent:
        left[world.quest[shown] == disguise.quest] = 1
    return left

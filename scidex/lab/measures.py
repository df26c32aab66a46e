"""What a run is judged by."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numpy as np

from scidex.lab.simulation import SimulatedRun
from scidex.lab.worlds import Floats, Integers


class Estimate(NamedTuple):
    """A mean over seeds, and its standard error; NaN where one seed tells nothing of it."""

    mean: float
    error: float


def estimate(samples: list[float]) -> Estimate:
    """Return the mean of samples and its standard error."""
    mean = sum(samples) / len(samples)
    if len(samples) < 2:
        return Estimate(mean, float("nan"))
    variance = sum((sample - mean) ** 2 for sample in samples) / (len(samples) - 1)
    return Estimate(mean, sqrt(variance / len(samples)))


def efficiency(run: SimulatedRun, optimum: Integers) -> float:
    """Return the value of what ran, as a share of that of the best set of tasks."""
    value = run.world.value
    return float(value[run.ran].sum() / value[optimum].sum())


def longest_wait(run: SimulatedRun) -> int:
    """Return the most cycles in a row in which some quest had open tasks and got no slot."""
    waits = np.zeros(run.world.spec.quests, dtype=np.int64)
    longest = 0
    for served, wanting in zip(run.served, run.wanting, strict=True):
        waits = np.where(wanting & (served == 0), waits + 1, 0)
        longest = max(longest, int(waits.max()))
    return longest


def value_shares(run: SimulatedRun) -> Floats:
    """Return the part of its tasks' value that each quest got to run; quests without tasks are left out."""
    world, quests = run.world, run.world.spec.quests
    wanted = np.bincount(world.quest, weights=world.value, minlength=quests)
    got = np.bincount(world.quest[run.ran], weights=world.value[run.ran], minlength=quests)
    return got[wanted > 0] / wanted[wanted > 0]


def jain(amounts: Floats) -> float:
    """Return Jain's index of fairness (Jain, Chiu, Hawe 1984): 1 where all are equal, 1/n where one has everything."""
    squares = float((amounts**2).sum())
    return 1.0 if squares == 0 else float(amounts.sum()) ** 2 / (len(amounts) * squares)


def gini(amounts: Integers) -> float:
    """Return the Gini coefficient of wealth (Gini 1912): 0 where all are equal, towards 1 where one has everything."""
    total = float(amounts.sum())
    if total == 0:
        return 0.0
    count = len(amounts)
    ranks = np.arange(1, count + 1)
    return float(2 * (ranks * np.sort(amounts)).sum() / (count * total) - (count + 1) / count)

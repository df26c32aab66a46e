"""Untruths that one honest quest might try, and the world as it would then look to the market."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import log
from typing import NamedTuple

import numpy as np

from scidex.lab.simulation import Hidden
from scidex.lab.worlds import Floats, World

Tell = Callable[[Floats, Floats], Floats]
"""Takes the logarithms of a quest's honest claims, and the days since the start on which it makes them."""


class Misreport(NamedTuple):
    """What a quest says instead of the truth: other claims, or that it has fewer tasks."""

    tells: Tell
    most_shown: int | None = None

    def of(self, world: World, quest: int) -> tuple[World, Hidden | None]:
        """Return the world in which a quest misreports, and what it hides."""
        mine = world.tasks_of(quest)
        days = world.arrives[mine] / world.spec.cycles_per_day
        claim = world.claim.copy()
        claim[mine] = np.exp(self.tells(np.log(claim[mine]), days / world.spec.days))
        hidden = None if self.most_shown is None else Hidden(quest, self.most_shown)
        return replace(world, claim=claim), hidden


def _times(factor: float) -> Tell:
    return lambda logs, _: logs + log(factor)


def _compressed(power: float) -> Tell:
    """Draw claims together about their mean (below 1), or apart (above 1)."""
    return lambda logs, _: logs.mean() + power * (logs - logs.mean()) if len(logs) else logs


def _late(factor: float, start: float) -> Tell:
    return lambda logs, passed: logs + np.where(passed >= start, log(factor), 0.0)


def _pulsing(factor: float, pulses: int) -> Tell:
    return lambda logs, passed: logs + np.where(np.floor(2 * pulses * passed) % 2 == 1, log(factor), 0.0)


def _honest(logs: Floats, _: Floats) -> Floats:
    return logs


MISREPORTS: Mapping[str, Misreport] = {
    "quarter": Misreport(_times(0.25)),
    "half": Misreport(_times(0.5)),
    "three_quarters": Misreport(_times(0.75)),
    "half_more": Misreport(_times(1.5)),
    "double": Misreport(_times(2)),
    "triple": Misreport(_times(3)),
    "tenfold": Misreport(_times(10)),
    "compressed": Misreport(_compressed(0.5)),
    "stretched": Misreport(_compressed(1.5)),
    "triple_from_half": Misreport(_late(3, 0.5)),
    "triple_at_the_end": Misreport(_late(3, 0.8)),
    "triple_in_short_pulses": Misreport(_pulsing(3, 15)),
    "triple_in_long_pulses": Misreport(_pulsing(3, 5)),
    "shows_one": Misreport(_honest, most_shown=1),
    "shows_three": Misreport(_honest, most_shown=3),
}
"""The misreports that are tried, by name: multiples, compression, late and pulsing inflation, hidden tasks."""

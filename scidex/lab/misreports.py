"""Untruths that one honest quest might try, and the world as it would then look to the market."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import log
from typing import NamedTuple

import numpy as np

from scidex.lab.simulation import Disguise
from scidex.lab.worlds import Floats, Integers, World

Tell = Callable[[Floats, Floats], Floats]
"""Takes the logarithms of a quest's honest claims, and the days since the start on which it makes them."""


class Junk(NamedTuple):
    """Tasks worth nothing, beside each real one from a part of the time on, at the end of the order of claims."""

    for_each: int
    start: float = 0.0


class Misreport(NamedTuple):
    """What a quest says instead of the truth: other claims, fewer tasks or more, or that all of them are urgent."""

    tells: Tell
    most_shown: int | None = None
    junk: Junk | None = None
    is_urgent: bool = False

    def of(self, world: World, quest: int) -> tuple[World, Disguise]:
        """Return the world in which a quest misreports, and what it makes of its tasks."""
        mine = world.tasks_of(quest)
        days = world.arrives[mine] / world.spec.cycles_per_day
        claim = world.claim.copy()
        claim[mine] = np.exp(self.tells(np.log(claim[mine]), days / world.spec.days))
        told = replace(world, claim=claim)
        disguise = Disguise(quest, self.most_shown, self.is_urgent)
        return (_with_junk(told, mine, self.junk) if self.junk else told), disguise


def _with_junk(world: World, mine: Integers, junk: Junk) -> World:
    """Return the world with junk beside tasks: it arrives with them, and may run as long."""
    late = mine[world.arrives[mine] >= junk.start * world.spec.cycles]
    copied = np.repeat(late, junk.for_each)
    nothing = world.claim[mine].min() / 10 if len(mine) else 0.0
    places = np.concatenate([np.arange(len(world.quest)), copied])
    is_junk = np.arange(len(places)) >= len(world.quest)
    order = np.argsort(world.arrives[places], kind="stable")
    places, is_junk = places[order], is_junk[order]
    columns = ("quest", "arrives", "last", "value", "claim", "realised", "verdict_after")
    arrays = {name: getattr(world, name)[places] for name in columns}
    for name in ("value", "realised"):
        arrays[name] = np.where(is_junk, 0.0, arrays[name])
    arrays["claim"] = np.where(is_junk, nothing, arrays["claim"])
    return replace(world, **arrays)


def _times(factor: float) -> Tell:
    return lambda logs, _: logs + log(factor)


def _compressed(power: float) -> Tell:
    """Draw claims together about their mean (below 1), or apart (above 1)."""
    return lambda logs, _: logs.mean() + power * (logs - logs.mean()) if len(logs) else logs


def _late(factor: float, start: float) -> Tell:
    return lambda logs, passed: logs + np.where(passed >= start, log(factor), 0.0)


def _pulsing(factor: float, pulses: int) -> Tell:
    return lambda logs, passed: logs + np.where(np.floor(2 * pulses * passed) % 2 == 1, log(factor), 0.0)


def _creeping(logs_a_month: float) -> Tell:
    return lambda logs, passed: logs + logs_a_month * passed


def _sawtooth(teeth: int) -> Tell:
    """Creep up, and fall back, again and again."""
    return lambda logs, passed: logs + 2 * (teeth * passed % 1)


def _one_day_in(days: int) -> Tell:
    return lambda logs, passed: logs + np.where(np.floor(30 * passed) % days == 0, log(10), 0.0)


def _bent(power: float) -> Tell:
    """Draw claims apart about the middle and together at the ends (an S), or the other way about (below 0)."""
    return lambda logs, _: logs + power * np.tanh(logs - logs.mean()) if len(logs) else logs


def _best_alone(logs: Floats, _: Floats) -> Floats:
    return logs + np.where(logs >= np.quantile(logs, 0.9), log(10), 0.0) if len(logs) else logs


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

MORE_MISREPORTS: Mapping[str, Misreport] = {
    "creeps_up": Misreport(_creeping(2)),
    "creeps_up_fast": Misreport(_creeping(4)),
    "creeps_down": Misreport(_creeping(-2)),
    "saw_of_five_days": Misreport(_sawtooth(6)),
    "saw_of_ten_days": Misreport(_sawtooth(3)),
    "tenfold_from_half": Misreport(_late(10, 0.5)),
    "tenfold_in_short_pulses": Misreport(_pulsing(10, 15)),
    "tenfold_one_day_in_five": Misreport(_one_day_in(5)),
    "s_shaped": Misreport(_bent(1.0)),
    "best_tenth_tenfold": Misreport(_best_alone),
    "junk": Misreport(_honest, junk=Junk(4)),
    "junk_from_half": Misreport(_honest, junk=Junk(4, start=0.5)),
    "always_urgent": Misreport(_honest, is_urgent=True),
}
"""More of them, against a market that reads an order: creeping and pulsing claims, junk, false urgency."""

ALL_MISREPORTS: Mapping[str, Misreport] = {**MISREPORTS, **MORE_MISREPORTS}

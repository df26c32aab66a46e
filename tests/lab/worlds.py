"""Small worlds, and an attacker's own view of them: one quest under several names, or with other claims."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scidex.lab.market import MarketPolicy
from scidex.lab.policies import names
from scidex.lab.simulation import run
from scidex.lab.worlds import WorldSpec, draw
from scidex.profiles import PROFILES

SMALL = WorldSpec(quests=6, slots=2, days=8, inflators=1)
RECOMMENDED = PROFILES["recommended"]
SEEDS = range(4)


def attacker_of(world):
    """The first honest quest of a world."""
    return int(np.flatnonzero(~world.inflates)[0])


def with_claims(world, quest, factors):
    """The world in which a quest multiplies its claims: by one factor for each task, or by one for all."""
    mine = world.tasks_of(quest)
    claim = world.claim.copy()
    claim[mine] *= factors
    return replace(world, claim=claim)


def days_of(world, quest):
    """The days since the start on which a quest's tasks arrive."""
    return world.arrives[world.tasks_of(quest)] / world.spec.cycles_per_day


def renamed(world, quest, name_of_each, more=None):
    """
    The world in which a quest runs under several names: its own for 0, new ones for 1 and up, by task.

    New quests have the priority of the old one; there are `more` of them, as many as tasks name unless given.
    """
    more = int(max(name_of_each, default=0)) if more is None else more
    mine = world.tasks_of(quest)
    names_of_tasks = world.quest.copy()
    aliases = np.array([quest, *range(world.spec.quests, world.spec.quests + more)])
    names_of_tasks[mine] = aliases[np.asarray(name_of_each)]
    return replace(
        world,
        spec=replace(world.spec, quests=world.spec.quests + more),
        quest=names_of_tasks,
        priority=np.append(world.priority, np.full(more, world.priority[quest])),
        inflates=np.append(world.inflates, np.zeros(more, dtype=bool)),
    )


def owners_of(world, attacker):
    """The owners of a world in which every quest beyond the small world's own is the attacker's."""
    return [*names(SMALL.quests), *[names(SMALL.quests)[attacker]] * (world.spec.quests - SMALL.quests)]


def market_for(world, attacker, *, profile=RECOMMENDED, seed=0, all_entitled=False, kind=MarketPolicy):
    """A market in which an operator entitled the quests that it knows of, and not the attacker's new names."""
    entitled = np.arange(world.spec.quests) < (world.spec.quests if all_entitled else SMALL.quests)
    owners = owners_of(world, attacker)
    return kind(world.spec, world.priority, profile, seed=str(seed), owners=owners, entitled=entitled)


def value_got(world, attacker, **options):
    """What the attacker's tasks that ran are worth, under all its names."""
    done = run(world, market_for(world, attacker, **options))
    mine = [attacker, *range(SMALL.quests, world.spec.quests)]
    return sum(done.value_of(quest) for quest in mine)


def mean_gain(attack, *, profile=RECOMMENDED, **options):
    """By what part an attack raises what the attacker gets, on average over seeds."""
    gains = []
    for seed in SEEDS:
        world = draw(SMALL, seed)
        attacker = attacker_of(world)
        honest = value_got(world, attacker, seed=seed, profile=profile)
        gains.append(value_got(attack(world, attacker), attacker, seed=seed, profile=profile, **options) / honest - 1)
    return sum(gains) / len(gains)

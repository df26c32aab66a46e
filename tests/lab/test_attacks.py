"""
What an attacker gains in a simulated month: each test states it, as a part of what honesty gets, on average over seeds.

The market is the recommended one: six quests on two slots, three tasks for each slot, one other quest that inflates.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scidex.lab.market import MarketPolicy
from scidex.lab.simulation import run
from scidex.lab.worlds import draw
from tests.lab.worlds import (
    RECOMMENDED,
    SEEDS,
    SMALL,
    attacker_of,
    days_of,
    market_for,
    mean_gain,
    renamed,
    with_claims,
)


def under_names(count):
    return lambda world, quest: renamed(world, quest, np.arange(len(world.tasks_of(quest))) % count)


def later(world, quest):
    return days_of(world, quest) >= world.spec.days / 2


def hoards_then_dumps(world, quest):
    return with_claims(world, quest, np.where(later(world, quest), 3.0, 0.001))


def inflates_then_stops(world, quest):
    return with_claims(world, quest, np.where(later(world, quest), 1.0, 3.0))


def inflates(world, quest):
    return with_claims(world, quest, 3.0)


def whitewashes(world, quest):
    return renamed(inflates(world, quest), quest, later(world, quest).astype(int))


def whitewashes_every_other_day(world, quest):
    return renamed(inflates(world, quest), quest, (days_of(world, quest) // 2).astype(int))


@pytest.mark.parametrize(
    ("attack", "gain"),
    [
        (under_names(2), -0.10),
        (under_names(24), -0.55),
        (hoards_then_dumps, -0.36),
        (inflates_then_stops, -0.14),
        (inflates, -0.04),
        (whitewashes, -0.19),
        (whitewashes_every_other_day, -0.27),
    ],
    ids=[
        "splitting its bids over two quests of its own",
        "24 Sybil quests",
        "hoarding, then dumping",
        "inflating EV, then stopping",
        "inflating EV all the time",
        "inflating, then whitewashing by a new account",
        "whitewashing by a new account every other day",
    ],
)
def test_an_attack_loses(attack, gain):
    assert mean_gain(attack) == pytest.approx(gain, abs=0.02)


def test_24_sybil_quests_lose_even_where_the_operator_entitles_them_all_to_the_floor():
    assert mean_gain(under_names(24), all_entitled=True) == pytest.approx(-0.14, abs=0.02)


def test_the_floor_gives_24_entitled_sybils_no_more_than_its_part_of_the_slots():
    for seed in SEEDS:
        world = draw(SMALL, seed)
        attacker = attacker_of(world)
        split = under_names(24)(world, attacker)
        market = market_for(split, attacker, seed=seed, all_entitled=True)
        run(split, market)

        slots = world.spec.slots * world.spec.cycles
        assert 0 < market.given_free <= slots * market.profile.floor_most_percent / 100 + 1


class Cycling(MarketPolicy):
    """A market in which an attacker hides its tokens in its other account while the day's income is paid."""

    def open_day(self):
        mine = [quest for quest, owner in enumerate(self.owners) if owner == self.owners[-1]]
        self._gather(mine, into=mine[1])
        super().open_day()
        self._gather(mine, into=mine[0])

    def _gather(self, mine, into):
        wallets = self.economy.wallets
        for giver in mine:
            wallets.move(int(wallets.balance[giver]), giver=giver, receiver=into)


def with_a_second_account(world, attacker):
    return renamed(world, attacker, [0] * len(world.tasks_of(attacker)), more=1)


def test_cycling_transfers_between_own_accounts_gains_nothing():
    """Cap and base income are the owner's: what its accounts hold counts together. The cap is low, so that it binds."""
    low_cap = replace(RECOMMENDED, wallet_cap_days=0.5)
    world = with_a_second_account(draw(SMALL, 0), attacker_of(draw(SMALL, 0)))
    market = market_for(world, attacker_of(world), profile=low_cap, kind=Cycling)
    run(world, market)

    assert market.economy.wallets.burnt > 0
    assert mean_gain(with_a_second_account, profile=low_cap, kind=Cycling) == pytest.approx(0.0)

"""What holds of runs: known facts of the policies, and of a market's tokens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scidex.lab import measures
from scidex.lab.market import Market
from scidex.lab.misreports import MISREPORTS
from scidex.lab.optimum import clairvoyant
from scidex.lab.policies import BASELINES, Backlog, Results
from scidex.lab.sampling import Plan, policy_of
from scidex.lab.simulation import Hidden, run
from scidex.lab.worlds import WorldSpec, draw
from scidex.profiles import PROFILES, profile_named
from tests.lab.worlds import RECOMMENDED, SMALL

NAMES = (*BASELINES, "market")


def run_of(policy, world, profile=RECOMMENDED):
    return run(world, policy_of(Plan(world=world.spec, policy=policy, profile=profile), world, 0))


def backlog(*tasks, cycle=0):
    """A backlog of (quest, claim)."""
    quest, claim = zip(*tasks, strict=True)
    return Backlog(cycle, np.arange(len(tasks)), np.array(quest), np.array(claim, dtype=float))


# --- every policy


@pytest.mark.parametrize("name", NAMES)
def test_tasks_run_once_within_their_life_and_never_more_than_the_slots(name):
    world = draw(SMALL, 0)
    done = run_of(name, world)
    cycle = np.repeat(np.arange(world.spec.cycles), done.served.sum(axis=1))

    assert len(set(done.ran.tolist())) == len(done.ran)
    assert (world.arrives[done.ran] <= cycle).all()
    assert (cycle <= world.last[done.ran]).all()
    assert done.served.sum(axis=1).max() == world.spec.slots


@pytest.mark.parametrize("name", NAMES)
def test_a_run_is_the_same_each_time(name):
    world = draw(SMALL, 1)

    assert run_of(name, world).ran.tolist() == run_of(name, world).ran.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_nobody_beats_the_clairvoyant(name):
    world = draw(SMALL, 2)

    assert measures.efficiency(run_of(name, world), clairvoyant(world)) < 1


@pytest.mark.parametrize("name", NAMES)
def test_no_policy_sees_what_tasks_are_worth(name):
    world = draw(SMALL, 3)
    other = replace(world, value=world.value[::-1].copy())

    assert run_of(name, world).ran.tolist() == run_of(name, other).ran.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_where_nothing_is_scarce_everything_runs(name):
    world = draw(replace(SMALL, load=0.05), 0)

    assert len(run_of(name, world).ran) == len(world.value)


# --- policies without tokens


def made(name, priority=(1, 1), slots=2):
    spec = WorldSpec(quests=len(priority), slots=slots)
    return BASELINES[name](spec, np.array(priority), RECOMMENDED)


def test_fifo_takes_the_oldest():
    assert made("fifo").choose(backlog((0, 1), (1, 9), (0, 5))).tolist() == [0, 1]


def test_ev_rank_takes_the_highest_claims():
    assert made("ev_rank").choose(backlog((0, 1), (1, 9), (0, 5))).tolist() == [1, 2]


def test_the_split_gives_turns_by_priority_and_each_quests_best_claim_first():
    split = made("split", priority=(3, 1), slots=4)

    chosen = split.choose(backlog((0, 1), (0, 2), (0, 3), (0, 4), (1, 9), (1, 8)))

    assert sorted(chosen.tolist()) == [1, 2, 3, 4]


def test_the_split_lets_others_have_what_a_quest_has_no_tasks_for():
    assert len(made("split", priority=(1000, 1), slots=3).choose(backlog((0, 1), (1, 9), (1, 8)))) == 3


def test_a_calibrated_rank_learns_who_exaggerates():
    policy = made("calibrated_rank")
    for _ in range(40):
        results = Results(0, np.arange(2), np.array([0, 1]), np.array([10.0, 10.0]), np.array([1.0, 10.0]))
        policy.learn(results)

    assert policy.choose(backlog((0, 10), (0, 10), (1, 9), (1, 9))).tolist() == [2, 3]


# --- the market


def market_of(world, **overrides):
    return Market(world.spec, world.priority, profile_named("recommended", **overrides))


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_token_is_issued_and_then_in_a_wallet_with_the_treasury_or_burnt(profile):
    world = draw(SMALL, 0)
    market = Market(world.spec, world.priority, PROFILES[profile])
    run(world, market)
    wallets = market.economy.wallets

    assert int(wallets.balance.sum()) + wallets.treasury + wallets.burnt == wallets.issued
    assert wallets.issued > 0
    assert wallets.treasury > 0


def test_a_round_costs_the_winners_the_best_losing_bid():
    world = draw(replace(SMALL, quests=2, slots=1, inflators=0), 0)
    market = market_of(world, strategy="fixed", calibrate=False, rank_cap=False, alpha_start=0.5, floor=False)
    market.economy.wallets.issue(np.array([100_000, 100_000]))
    before = market.economy.wallets.balance.copy()

    chosen = market.choose(backlog((0, 4.0), (1, 10.0), (0, 6.0), cycle=1))

    assert chosen.tolist() == [1]
    assert market.prices == [3_000]
    assert (before - market.economy.wallets.balance).tolist() == [0, 3_000]


def test_the_floor_serves_who_waited_and_stands_aside_for_none():
    world = draw(SMALL, 0)
    with_floor, without = market_of(world), market_of(world, floor=False)

    assert measures.longest_wait(run(world, with_floor)) <= RECOMMENDED.floor_rounds
    assert with_floor.given_free > 0
    assert measures.longest_wait(run(world, without)) > RECOMMENDED.floor_rounds
    assert without.given_free == 0


def test_a_quest_that_is_not_entitled_is_not_served_by_the_floor():
    world = draw(SMALL, 0)
    nobody = np.zeros(world.spec.quests, dtype=bool)
    market = Market(world.spec, world.priority, RECOMMENDED, entitled=nobody)
    run(world, market)

    assert market.given_free == 0


# --- misreports


def test_there_are_fifteen_and_each_changes_what_the_market_sees_of_one_quest_alone():
    world = draw(SMALL, 0)
    assert len(MISREPORTS) == 15
    for name, misreport in MISREPORTS.items():
        told, hidden = misreport.of(world, 2)
        others = world.quest != 2
        assert np.array_equal(told.claim[others], world.claim[others]), name
        assert np.array_equal(told.value, world.value), name
        assert hidden or not np.allclose(told.claim, world.claim), name


def test_hidden_tasks_are_not_shown_until_the_better_ones_are_gone():
    world = draw(SMALL, 0)
    seen = []

    class Watcher:
        def choose(self, backlog):
            seen.append(np.bincount(backlog.quest, minlength=SMALL.quests))
            return np.arange(min(SMALL.slots, len(backlog.tasks)))

        def learn(self, results):
            pass

    run(world, Watcher(), hidden=Hidden(1, 3))

    assert np.max(seen, axis=0)[1] == 3
    assert np.max(seen, axis=0)[0] > 3

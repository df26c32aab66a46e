"""What holds of runs: known facts of the policies, and of a market's tokens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scidex.bidding.listings import window
from scidex.lab import measures
from scidex.lab.appraisal import Listed
from scidex.lab.backlogs import Backlog, Results, at
from scidex.lab.market import MarketPolicy
from scidex.lab.misreports import ALL_MISREPORTS, MISREPORTS, MORE_MISREPORTS
from scidex.lab.optimum import clairvoyant
from scidex.lab.policies import BASELINES
from scidex.lab.sampling import StudyPlan, policy_of
from scidex.lab.simulation import Disguise, run
from scidex.lab.worlds import WorldSpec, draw
from scidex.profiles import PROFILES, profile_named
from tests.lab.worlds import RECOMMENDED, SMALL

NAMES = (*BASELINES, "market")


def run_of(policy, world, profile=RECOMMENDED):
    return run(world, policy_of(StudyPlan(world=world.spec, policy=policy, profile=profile), world, 0))


def backlog(*tasks, cycle=0):
    """A backlog of (quest, claim)."""
    quest, claim = zip(*tasks, strict=True)
    count = len(tasks)
    return Backlog(cycle, np.arange(count), np.array(quest), np.array(claim, dtype=float), np.full(count, 48))


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
        policy.choose(backlog((0, 10), (1, 10)))
        results = Results(0, np.arange(2), np.array([0, 1]), np.array([10.0, 10.0]), np.array([1.0, 10.0]))
        policy.learn(results)

    assert policy.choose(backlog((0, 10), (0, 10), (1, 9), (1, 9))).tolist() == [2, 3]


# --- the market


def market_of(world, **overrides):
    return MarketPolicy(world.spec, world.priority, profile_named("recommended", **overrides))


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_token_is_issued_and_then_in_a_wallet_with_the_treasury_or_burnt(profile):
    world = draw(SMALL, 0)
    market = MarketPolicy(world.spec, world.priority, PROFILES[profile])
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
    market = MarketPolicy(world.spec, world.priority, RECOMMENDED, entitled=nobody)
    run(world, market)

    assert market.given_free == 0


# --- misreports


@pytest.mark.parametrize("name", ALL_MISREPORTS)
def test_a_misreport_changes_what_the_market_sees_of_one_quest_alone(name):
    world = draw(SMALL, 0)
    misreport = ALL_MISREPORTS[name]
    told, disguise = misreport.of(world, 2)
    others = world.quest != 2

    assert np.array_equal(told.claim[told.quest != 2], world.claim[others])
    assert told.value.sum() == pytest.approx(world.value.sum())
    assert misreport.junk or misreport.is_urgent or misreport.most_shown or not np.allclose(told.claim, world.claim)
    assert disguise == Disguise(2, misreport.most_shown, misreport.is_urgent)


def test_fifteen_misreports_are_tried_and_thirteen_more_where_wanted():
    assert (len(MISREPORTS), len(MORE_MISREPORTS), len(ALL_MISREPORTS)) == (15, 13, 28)


def test_junk_comes_with_the_real_tasks_and_is_worth_nothing():
    world = draw(SMALL, 0)
    told, _ = MORE_MISREPORTS["junk_from_half"].of(world, 2)
    real = world.tasks_of(2)
    late = real[world.arrives[real] >= world.spec.cycles / 2]
    junk = told.tasks_of(2)[told.value[told.tasks_of(2)] == 0]

    assert len(junk) == 4 * len(late)
    assert (np.diff(told.arrives) >= 0).all()
    assert told.claim[junk].max() < world.claim[real].min()
    assert sorted(told.arrives[junk].tolist()) == sorted(np.repeat(world.arrives[late], 4).tolist())


def test_false_urgency_is_told_of_one_quests_tasks_alone():
    world = draw(SMALL, 0)
    seen = []

    class Watcher:
        def choose(self, backlog):
            seen.append((backlog.quest, backlog.left, world.last[backlog.tasks] - backlog.cycle + 1))
            return np.arange(0)

        def learn(self, results):
            pass

    run(world, Watcher(), disguise=Disguise(1, is_urgent=True))
    quest, left, truth = (np.concatenate(one) for one in zip(*seen, strict=True))

    assert (left[quest == 1] == 1).all()
    assert np.array_equal(left[quest != 1], truth[quest != 1])
    assert truth.min() == 1


def test_hidden_tasks_are_not_shown_until_the_better_ones_are_gone():
    world = draw(SMALL, 0)
    seen = []

    class Watcher:
        def choose(self, backlog):
            seen.append(np.bincount(backlog.quest, minlength=SMALL.quests))
            return np.arange(min(SMALL.slots, len(backlog.tasks)))

        def learn(self, results):
            pass

    run(world, Watcher(), disguise=Disguise(1, 3))

    assert np.max(seen, axis=0)[1] == 3
    assert np.max(seen, axis=0)[0] > 3


# --- claims as an order

ORDER = {"claims": "order", "haste": 0.3}


@pytest.mark.parametrize("name", ["tenfold", "quarter", "compressed", "stretched", "s_shaped", "best_tenth_tenfold"])
def test_no_lie_that_keeps_the_order_changes_anything(name):
    world = draw(SMALL, 0)
    told, _ = ALL_MISREPORTS[name].of(world, 2)

    assert run(told, market_of(world, **ORDER)).ran.tolist() == run(world, market_of(world, **ORDER)).ran.tolist()


def test_a_lie_in_time_changes_places_and_the_record_takes_it_back():
    world = draw(SMALL, 0)
    told, _ = ALL_MISREPORTS["tenfold_from_half"].of(world, 2)
    honest, lying = run(world, market_of(world, **ORDER)), run(told, market_of(world, **ORDER))

    assert lying.ran.tolist() != honest.ran.tolist()
    assert lying.value_of(2) < 1.1 * honest.value_of(2)


def test_a_quest_that_claims_nothing_gets_nothing_for_it():
    world = draw(SMALL, 0)
    claim = np.where(world.quest == 2, 0.0, world.claim)
    nobody = np.zeros(SMALL.quests, dtype=bool)
    profile = profile_named("recommended", **ORDER)
    market = MarketPolicy(SMALL, world.priority, profile, entitled=nobody)

    assert run(replace(world, claim=claim), market).value_of(2) == 0


def test_claims_that_are_listed_step_by_step_make_the_window_of_all_at_once():
    profile = profile_named("recommended", order_claims=25, listing_least=3, listing_days=2.0)
    random = np.random.default_rng(0)
    spec = WorldSpec()
    listed = Listed(at(spec, 0), profile)
    periods: list[list[float]] = [[] for _ in range(8)]
    for cycle in range(0, 8 * 48, 4):
        if cycle // 48 in (3, 4):
            continue
        claims = random.exponential(10, random.integers(0, 4)).tolist()
        listed.add(claims, at(spec, cycle))
        periods[cycle // 48] += claims

        assert sorted(listed.newest()) == window(periods[: cycle // 48 + 1], profile)


def test_haste_counts_against_who_is_always_urgent():
    world = draw(SMALL, 0)
    _, disguise = ALL_MISREPORTS["always_urgent"].of(world, 2)

    honest, urgent = (run(world, market_of(world, **ORDER), disguise=one).value_of(2) for one in (None, disguise))

    assert urgent < 1.02 * honest

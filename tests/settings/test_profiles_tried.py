"""Each value of a profile, set by `scidex pool set`, changes in a market what the reference says of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from math import exp
from typing import Any, NamedTuple

import pytest

from scidex.bidding.calibration import fit, pooled, record_of
from scidex.errors import InvalidArgument
from scidex.exchange import backlog, compute_auction, services, token_ledger
from scidex.profiles import Profile, profile_named
from scidex.store import connect
from tests.backlogs import JUDGE
from tests.market import NOON, after
from tests.settings.market import BIG, WALLET, Market, day

Story = Callable[[Market], Any]


class Trial(NamedTuple):
    """A value and another one, and what is seen in one story by each; a dict has also what must go with a value."""

    values: tuple[Any, Any]
    story: Story
    seen: tuple[Any, Any]
    profile: str = "brief"
    beside: dict[str, Any] = {}  # noqa: RUF012  (none is changed)


# --- bidding


def _bid(market: Market) -> Any:
    market.task(10.0)
    return market.bids()[0]


def _bids_of_a_small_wallet(market: Market) -> Any:
    token_ledger.burn(WALLET, BIG - 1_000, now=NOON, db=market.db)
    market.task(0.9)
    market.task(0.9)
    return market.bids()


def _after_rounds_that_sold_nothing(market: Market, rounds: int = 1) -> Any:
    """Return what is bid for a task of 10 USD after rounds in which a slot was there and no bid met its reserve."""
    market.task(10.0)
    for number in range(rounds):
        market.cycle(after(number), reserve_price_tokens=10**9)
    return market.bids(after(rounds))[0]


def _after_a_round_that_cost_much(market: Market) -> Any:
    """Return what is bid for a task of 10 USD after a round that took almost the whole wallet."""
    token_ledger.burn(WALLET, BIG - 20_000, now=NOON, db=market.db)
    market.task(30.0)
    assert market.cycle(reserve_price_tokens=9_000).round.sold == 1
    market.task(10.0, now=after(1))
    return market.bids(after(1))[0]


def _after_a_round_that_cost_a_little(market: Market) -> Any:
    """Return what is bid for a task of 10 USD after a round that took a thousandth of the wallet."""
    market.task(10.0)
    assert market.cycle(reserve_price_tokens=3_000).round.sold == 1
    market.task(10.0, now=after(1))
    return market.bids(after(1))[0]


PACED = {"strategy": "paced"}
FREE = {**PACED, "alpha_start": 0.3, "pacing_up_most": 10, "pacing_down_most": 10}


# --- calibration

HONEST = {"strategy": "truthful", "calibrate": True}


def _with_runs(*runs: tuple[float, float, int]) -> Story:
    """Return the story of what is bid for a claim of 10 USD after runs that claimed, came to, and were so many."""
    return partial(_bid_with_a_record, runs=runs)


def _bid_with_a_record(market: Market, runs: tuple[tuple[float, float, int], ...]) -> Any:
    for number, (claimed, realised, count) in enumerate(runs):
        market.record(claimed=claimed, realised=realised, runs=count, minute=60 * number)
    market.task(10.0, now=after(600))
    return market.bids(after(600))[0]


def _record_trial(name: str, values: tuple[float, float], *runs: tuple[float, float, int]) -> Trial:
    """Return the trial of a value that says how a record counts: what is bid is what the rule says by the record."""
    scores = [(claimed, realised) for claimed, realised, count in runs for _ in range(count)]

    def worth(value: float) -> int:
        profile = profile_named("brief", **{**HONEST, name: value})
        record = record_of(scores, profile)
        return int(1_000 * fit(record, pooled([record], profile), profile).value(10.0))

    return Trial(values, _with_runs(*runs), (worth(values[0]), worth(values[1])), beside=HONEST)


def _bid_while_a_run_waits_for_its_judge(market: Market) -> Any:
    """Return what is bid after a run that nobody has judged yet and later ones that came to nothing, at once."""
    market.task(10.0)
    [clear] = market.cycle().round.clears
    market.finish(clear)
    market.record(claimed=10.0, realised=0.0, runs=8, minute=1)
    market.task(10.0, now=after(180))
    return market.bids(after(180))[0]


# --- money


def _income(market: Market) -> Any:
    market.task(10.0)
    return market.income(day(1))


def _income_after_a_round(market: Market) -> Any:
    """Return what the day after is paid that sold one slot an hour, at a value of 10 USD by another's of 20."""
    market.task(20.0)
    market.task(10.0)
    market.cycle()
    market.cycle(after(60))
    return market.income(day(1))


def _shares_by_impact(market: Market) -> Any:
    """Return what is paid by priority and by impact, to a quest of two that alone had any."""
    market.quest("idle", tokens=0)
    market.task(1.0, "idle")
    market.record(claimed=10.0, realised=10.0, runs=1)
    market.task(10.0)
    market.income(day(1))
    [share] = token_ledger.list_income(WALLET, db=market.db)[:1]
    return share.base_tokens, share.impact_tokens


def _shares_of_an_owner_of_two(market: Market) -> Any:
    """Return what two quests of one owner get, beside one of another."""
    for name in ("a", "b"):
        market.quest(name, tokens=0, owner_id="owner:ada")
        market.task(1.0, name)
    market.task(1.0)
    market.income(day(1))
    return market.balance("quest:a") + market.balance("quest:b")


def _refill(market: Market) -> Any:
    """Return what a quest has more after a run whose impact of 10 USD was attested."""
    market.task(1.0)
    market.income(NOON)
    before = market.balance()
    market.record(claimed=10.0, realised=10.0, runs=1)
    return market.balance() - before


def _kept_of_a_hoard(market: Market) -> Any:
    """Return what a wallet of ten million keeps on the next day."""
    market.task(10.0)
    market.income(day(1))
    return market.balance()


def _paid_of_arrears(market: Market) -> Any:
    """Return what of an income pays what the same account owes, for impact that was attested and found false."""
    market.record(claimed=10.0, realised=10_000_000.0, runs=1)
    token_ledger.burn(WALLET, market.balance(), now=after(2), db=market.db)
    [clear] = compute_auction.list_clears(db=market.db)
    compute_auction.attest(clear.slot_id, 0.0, JUDGE, now=after(3), db=market.db)
    market.task(10.0)
    market.income(day(1))
    return token_ledger.list_income(WALLET, db=market.db)[0].garnished_tokens


# --- the floor


def _rounds_until_served(market: Market) -> Any:
    """Return in which round a quest without tokens gets a slot, beside one that outbids it; None in none of 40."""
    market.quest("poor", tokens=0)
    backlog.entitle_quest("poor", now=NOON, db=market.db)
    market.task(5.0, "poor")
    for number in range(40):
        market.task(10.0, now=after(number))
        winners = {one.bidder_id for one in market.cycle(after(number)).round.clears}
        if "quest:poor" in winners:
            return number + 1
    return None


def _times_served(market: Market) -> Any:
    """Return how often a quest without tokens gets one of 40 slots."""
    market.quest("poor", tokens=0)
    backlog.entitle_quest("poor", now=NOON, db=market.db)
    served = 0
    for number in range(40):
        market.task(10.0, now=after(number))
        market.task(5.0, "poor", now=after(number))
        clears = market.cycle(after(number)).round.clears
        served += sum(one.bidder_id == "quest:poor" for one in clears)
    return served


# --- reserve, ties


def _reserve(market: Market) -> Any:
    """Return what the treasury asks for its next slot after a round in which it sold one of two."""
    market.task(10.0)
    market.cycle(slots=2)
    [ask] = compute_auction.offer_slots(1, now=after(1), db=market.db)
    return ask.reserve_price_tokens


SPLIT = {"base_percent": 40, "impact_percent": 60}
BY_USE = {"reserve_by_utilisation": True}


def _winners_of_ties(market: Market) -> Any:
    """Return how many quests win, of two that bid the same for the only slot of 12 rounds."""
    market.quest("q2")
    winners = set()
    for number in range(12):
        market.task(10.0, now=after(number))
        market.task(10.0, "q2", now=after(number))
        [clear] = market.cycle(after(number)).round.clears
        winners.add(clear.bidder_id)
        market.finish(clear, at=after(number))
        [loser] = backlog.list_tasks(status="open", db=market.db)
        backlog.set_task_status(loser.task_id, "done", now=after(number), db=market.db)
    return len(winners)


# --- overruns


def _run_past_its_allowance(market: Market) -> Any:
    """Return what the wallet pays for a run that costs 500 in a slot of 300, and when a worker is to end it."""
    market.task(10.0)
    market.income(NOON)
    before = market.balance()
    [clear] = market.cycle(token_allowance=300).round.clears
    [work] = services.won_slots(WALLET, db=market.db)
    market.finish(clear, cost=500)
    return before - market.balance(), work.stop_at_tokens


def _run_with_a_declared_allowance(market: Market, cost: int) -> Any:
    """Return what a run pays that declared 200 tokens of a slot of 400, whose price is 3,000."""
    market.task(10.0)
    market.income(NOON)
    before = market.balance()
    terms = {"token_allowance": 400, "reserve_price_tokens": 4_000}
    [clear] = market.cycle(**terms).round.clears
    try:
        compute_auction.declare_allowance(clear.slot_id, 200, now=NOON, db=market.db)
    except InvalidArgument:
        return "refused"
    market.finish(clear, cost=cost)
    return before - market.balance()


DECLARED = {"declared_allowance": True}


TRIALS: dict[str, Trial] = {
    "strategy": Trial(("clamp", "truthful"), _bid, (6_000, 10_000)),
    "share_bid": Trial((0.6, 0.5), _bid, (6_000, 5_000)),
    "rank_cap": Trial((False, True), _bids_of_a_small_wallet, ([900], [900, 500]), beside={"strategy": "truthful"}),
    "alpha_start": Trial((0.6, 0.3), _bid, (6_000, 3_000), beside={"strategy": "fixed"}),
    "alpha_most": Trial(
        (0.3, 0.9),
        partial(_after_rounds_that_sold_nothing, rounds=3),
        (3_000, 9_000),
        beside={**FREE, "pacing_gain": 1},
    ),
    "pacing_gain": Trial(
        (0.1, 0.2), _after_rounds_that_sold_nothing, (int(3_000 * exp(0.1)), int(3_000 * exp(0.2))), beside=FREE
    ),
    "pacing_down_most": Trial(
        (0.1, 0.5), _after_a_round_that_cost_much, (int(6_000 * exp(-0.1)), int(6_000 * exp(-0.5))), beside=PACED
    ),
    "pacing_up_most": Trial(
        (0.1, 0.2),
        _after_rounds_that_sold_nothing,
        (int(3_000 * exp(0.1)), int(3_000 * exp(0.2))),
        beside={**PACED, "alpha_start": 0.3, "pacing_gain": 1},
    ),
    "pacing_horizon_days": Trial(
        (0, 9),
        _after_a_round_that_cost_a_little,
        (6_000, int(6_000 * exp(0.06 * (1 - 3_000 / (11e6 / 13_680))))),
        beside=PACED,
    ),
    "calibrate": Trial((False, True), _bid, (10_000, 3_011), beside={"strategy": "truthful"}),
    "newcomer_log_discount": Trial((-1.2, -0.5), _bid, (3_011, int(10_000 * exp(-0.5))), beside=HONEST),
    "fast_tasks": _record_trial("fast_tasks", (2, 60), (10.0, 10.0, 8), (10.0, 1.0, 2)),
    "slow_tasks": _record_trial("slow_tasks", (60, 12), (10.0, 1.0, 8), (10.0, 10.0, 8)),
    "slope_prior_tasks": _record_trial("slope_prior_tasks", (20, 1), (10.0, 10.0, 4), (100.0, 10.0, 4)),
    "level_prior_tasks": _record_trial("level_prior_tasks", (4, 40), (10.0, 10.0, 8)),
    "attest_within_hours": Trial((1, 168), _bid_while_a_run_waits_for_its_judge, (416, 3_011), beside=HONEST),
    "income": Trial(("fixed", "indexed"), _income_after_a_round, (1_000_000, 31_680)),
    "daily_bucket_tokens": Trial((1_000_000, 500), _income, (1_000_000, 500)),
    "income_index": Trial((0.6, 1.2), _income_after_a_round, (29_264, 58_529), "recommended"),
    "price_level_start": Trial((1_000, 5_000), _income_after_a_round, (29_264, 142_160), "recommended"),
    "price_level_weight": Trial((0.02, 0.5), _income_after_a_round, (29_264, 40_420), "recommended"),
    "base_percent": Trial((100, SPLIT), _shares_by_impact, ((500_000, 0), (200_000, 600_000))),
    "impact_percent": Trial((0, SPLIT), _shares_by_impact, ((500_000, 0), (200_000, 600_000))),
    "base_per_owner": Trial((False, True), _shares_of_an_owner_of_two, (666_667, 500_000)),
    "refill_percent": Trial((70, 40), _refill, (6_400, 3_400)),
    "wallet_cap_days": Trial((0, 3), _kept_of_a_hoard, (BIG + 1_000_000, 3_000_000)),
    "arrears_percent": Trial((50, 20), _paid_of_arrears, (500_000, 200_000)),
    "floor": Trial((False, True), _rounds_until_served, (None, 24)),
    "floor_rounds": Trial((24, 10), _rounds_until_served, (24, 10), beside={"floor": True}),
    "floor_most_percent": Trial((10, 50), _times_served, (4, 20), beside={"floor": True, "floor_rounds": 1}),
    "reserve_by_utilisation": Trial((False, True), _reserve, (0, 1_000)),
    "reserve_base_tokens": Trial((1_000, 300), _reserve, (1_000, 300), beside=BY_USE),
    "reserve_steepness": Trial(
        (2, 4), _reserve, (int(1_000 * exp(0.5)), int(1_000 * exp(1))), beside={**BY_USE, "reserve_neutral_percent": 25}
    ),
    "reserve_neutral_percent": Trial((50, 25), _reserve, (1_000, int(1_000 * exp(0.5))), beside=BY_USE),
    "tie_rule": Trial(("arrival", "lottery"), _winners_of_ties, (1, 2)),
    "overrun_policy": Trial(("charge", "stop"), _run_past_its_allowance, ((200, None), (0, 600))),
    "stop_at_times": Trial((2, 1.5), _run_past_its_allowance, ((0, 600), (0, 450)), beside={"overrun_policy": "stop"}),
    "declared_allowance": Trial((False, True), partial(_run_with_a_declared_allowance, cost=200), ("refused", 2_000)),
    "overrun_rate": Trial((1.8, 3), partial(_run_with_a_declared_allowance, cost=300), (3_800, 5_000), beside=DECLARED),
    "unused_rate": Trial(
        (0.8, 0.5),
        partial(_run_with_a_declared_allowance, cost=100),
        (1_200, 1_500),
        beside={"declared_allowance": True},
    ),
}


@pytest.fixture
def market(sqlite_template, tmp_path) -> Iterator[Market]:
    path = shutil.copy(sqlite_template, tmp_path / "market.db")
    with connect(f"sqlite:///{path}") as db:
        yield Market(db)


# Only the lab goes by these yet.
NOT_YET = {"claims", "haste", "haste_hours", "listing_days", "listing_growth", "listing_least", "order_claims"}


def test_every_value_of_a_profile_is_tried():
    assert TRIALS.keys() | NOT_YET == {one.name for one in fields(Profile)}
    assert not TRIALS.keys() & NOT_YET


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(
    "name",
    TRIALS,
)
def test_a_value_changes_what_it_says(market, name, place):
    trial = TRIALS[name]
    value = trial.values[place]
    market.set(trial.profile, **{**trial.beside, **(value if isinstance(value, dict) else {name: value})})

    assert trial.story(market) == trial.seen[place]


def test_no_trial_sees_the_same_by_both_values():
    assert [name for name, trial in TRIALS.items() if trial.seen[0] == trial.seen[1]] == []

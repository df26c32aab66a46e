"""The simulation and the exchange are one market: same prices, same winners, same wallets, round by round."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from scidex.exchange import backlog, compute_auction, cycle, token_ledger
from scidex.exchange.compute_auction import configure_pool
from scidex.lab.market import Market
from scidex.lab.policies import names
from scidex.lab.simulation import run
from scidex.lab.worlds import WorldSpec, draw
from scidex.profiles import profile_named
from tests.market import prove
from tests.raw_sql import query

SPEC = WorldSpec(
    quests=3, slots=2, days=3, cycles_per_day=8, inflators=1, shortest_life=3, longest_life=9, priority_noise=0.5
)
START = datetime(2026, 1, 1, tzinfo=UTC)
INTERVAL = timedelta(days=1) / SPEC.cycles_per_day
JUDGE = "evaluator:ci"
# Small numbers, so that within three days wallets run dry, caps burn and the floor serves.
SETTINGS = {"floor_rounds": 4, "wallet_cap_days": 1.5, "daily_bucket_tokens": 40_000, "fast_tasks": 3.0}


def at(cycle_number):
    return START + cycle_number * INTERVAL


def open_market(world, db):
    """Quests that the floor may serve, each with work ahead that is blocked for good, so that it always earns."""
    configure_pool(profile="recommended", **SETTINGS, now=START, db=db)
    compute_auction.create_pool("elsewhere", now=START, db=db)
    token_ledger.create_account(JUDGE, kind="evaluator", now=START, db=db)
    backlog.add_quest("chores", priority=0, now=START, db=db)
    backlog.add_task("never", "chores", pool="elsewhere", now=START, db=db)
    for number, name in enumerate(names(SPEC.quests)):
        backlog.add_quest(name, priority=int(world.priority[number]), now=START, db=db)
        backlog.entitle_quest(name, now=START, db=db)
        backlog.add_task(f"{name} later", name, depends_on=["never"], now=START, db=db)


def a_cycle(world, number, db):
    """Do a cycle of the exchange: what arrives, slots, the round, and settling what it sold; return the round."""
    for place in (world.arrives == number).nonzero()[0].tolist():
        backlog.add_task(
            f"task-{place:05d}",
            names(SPEC.quests)[world.quest[place]],
            expected_value_usd=float(world.claim[place]),
            deadline_at=at(int(world.last[place]) + 1),
            now=at(number),
            db=db,
        )
    slots = compute_auction.offer_slots(SPEC.slots, now=at(number), db=db)
    report = cycle.run_cycle(now=at(number), db=db)
    assert report.error is None
    sold = {clear.slot_id: clear for clear in report.round.clears}
    for second, (slot_id, clear) in enumerate(sold.items(), start=1):
        impact = float(world.realised[int(clear.winning_task_id.removeprefix("task-"))])
        settled_at = at(number) + timedelta(seconds=second)
        compute_auction.settle(slot_id, 1, impact, attested_by=JUDGE, now=settled_at, db=db)
        backlog.set_task_status(clear.winning_task_id, "done", now=settled_at, db=db)
    for slot in slots:
        if slot.slot_id not in sold:
            compute_auction.withdraw_slot(slot.slot_id, now=at(number) + timedelta(minutes=1), db=db)
    return report.round


class Retold(Market):
    """The simulated market with the lotteries of the exchange's rounds, that notes what each round did."""

    def __init__(self, *arguments, seeds, **options):
        super().__init__(*arguments, **options)
        self._seeds = seeds
        self.rounds = []

    def seed_of(self, cycle):
        return self._seeds[cycle]

    def choose(self, backlog):
        chosen = super().choose(backlog)
        won = {f"task-{place:05d}" for place in backlog.tasks[chosen].tolist()}
        self.rounds.append((self.prices[-1], won))
        return chosen


def test_the_simulation_and_the_exchange_are_one_market(db, monkeypatch):
    monkeypatch.setenv("SCIDEX_CYCLE_SECONDS", str(INTERVAL.total_seconds()))
    world = draw(SPEC, 0)
    world = replace(world, claim=world.claim.round(6), realised=world.realised.round(6))
    open_market(world, db)
    rounds = [a_cycle(world, number, db) for number in range(SPEC.cycles)]

    owners = [f"quest:{name}" for name in names(SPEC.quests)]
    told = [compute_auction.get_round(one.round_id, db=db) for one in rounds]
    market = Retold(
        SPEC,
        world.priority,
        profile_named("recommended", **SETTINGS),
        owners=owners,
        seeds=[one.seed for one in told],
    )
    run(world, market)

    assert market.rounds == [
        (one.clearing_price_tokens or 0, {clear.winning_task_id for clear in one.clears}) for one in rounds
    ]
    assert market.economy.wallets.balance.tolist() == [
        token_ledger.get_balance(owner, db=db).balance for owner in owners
    ]
    assert market.economy.wallets.burnt > 0
    assert market.given_free > 0
    assert len({price for price, _ in market.rounds}) > SPEC.cycles / 2
    [row] = query(db, "SELECT level_tokens FROM market_price_levels")
    assert row["level_tokens"] == market.economy.price_level
    prove(db)

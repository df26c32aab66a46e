"""
Whatever a backlog and its wallets do, a cycle comes to its end, with slots and without, and the books are right.

Small wallets, tasks that come, go, and change order and value, grants and burns, other bids of the same wallets,
several pools, every profile and strategy. A quest that could always bid does, whatever trouble the others are in.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from scidex.errors import ScidexError
from scidex.exchange import backlog, compute_auction, cycle, services, sweeper, token_ledger
from scidex.mechanism.registry import MECHANISMS
from scidex.profiles import PROFILES
from scidex.store import Database, connect
from tests.databases import assert_journal_tells_all
from tests.market import NOON
from tests.postgres_server import PostgresServer, database_name

# Enough for a few hundred cycles; CONTRIBUTING.md says how to look for longer.
EXAMPLES = int(os.environ.get("SCIDEX_TEST_BACKLOG_EXAMPLES", "9"))

POOLS = ("scidex-agent", "gpu")
QUESTS = ("tiny", "poor", "twin", "well")
STEADY = "steady"
JUDGE = "judge"
# Two quests bid from one wallet.
ACCOUNTS = {name: "quest:tiny" if name == "twin" else f"quest:{name}" for name in QUESTS}
GRANTS = {"tiny": 3, "poor": 76, "well": 50_000}
STRATEGIES = ("market", "clamp", "paced", "fixed", "truthful")
# Every rule that a pool can be opened with and that needs nothing more than bids and slots.
RULES = sorted(rule.name for rule in MECHANISMS.values() if rule.balanced and not rule.parameters)

_quests = st.sampled_from(QUESTS)
_pools = st.sampled_from([0, 0, 0, 1])
_tasks = st.integers(0, 7)
_values = st.one_of(st.sampled_from([0.0, 0.001, 1.0, 5.0, 5.0, 50.0]), st.floats(0, 1e6))

TASKS = {
    "quest": _quests,
    "first": _tasks,
    "values": st.lists(_values, min_size=1, max_size=6),
    "pool": _pools,
}
RUN = {
    "slots": st.lists(st.sampled_from([0, 0, 0, 1, 2, 5]), min_size=1, max_size=6),
    "pool": _pools,
    "reserve": st.sampled_from([0, 0, 0, 10]),
    "strategy": st.sampled_from([None, None, None, "clamp", "truthful"]),
}


class BacklogMachine(RuleBasedStateMachine):
    """One market, and a story of its backlog."""

    db: Database
    cycles = 0

    def start(self, mechanism: str, profile: str) -> None:
        """Open two pools, quests with little or much, one that is never in trouble, an agent and a judge."""
        self.now = NOON
        self.slots: list[str] = []
        self.bids: list[int] = []
        self.made = 0
        compute_auction.create_pool("gpu", mechanism=mechanism, now=NOON, db=self.db)
        for pool in POOLS:
            compute_auction.configure_pool(pool, profile, daily_bucket_tokens=40, now=NOON, db=self.db)
        for name in (*QUESTS, STEADY):
            backlog.add_quest(name, account_id=ACCOUNTS.get(name), now=NOON, db=self.db)
        for name, tokens in GRANTS.items():
            token_ledger.mint(f"quest:{name}", tokens, now=NOON, db=self.db)
        token_ledger.create_account("ada", now=NOON, db=self.db)
        token_ledger.mint("ada", 500, now=NOON, db=self.db)
        token_ledger.create_account(JUDGE, "evaluator", now=NOON, db=self.db)

    # --- the backlog

    @rule(**TASKS)
    def tasks(self, **told: Any) -> None:
        self.put_tasks(**told)

    def put_tasks(self, quest: str, first: int, values: list[float], pool: int) -> None:
        """Tasks come, or change their value, their pool and so their order."""
        told = [
            {"task_id": f"{quest}-{first + n}", "quest_id": quest, "expected_value_usd": value, "pool": POOLS[pool]}
            for n, value in enumerate(values)
        ]
        self._do(backlog.put_tasks, told)

    @rule(quest=_quests, task=_tasks, minutes=st.integers(-5, 3_000))
    def deadline(self, quest: str, task: int, minutes: int) -> None:
        at = self.now + timedelta(minutes=minutes)
        self._do(backlog.put_tasks, [{"task_id": f"{quest}-{task}", "quest_id": quest, "deadline_at": at}])

    @rule(quest=_quests, task=_tasks, first=_tasks)
    def depends(self, quest: str, task: int, first: int) -> None:
        told = {"task_id": f"{quest}-{task}", "quest_id": quest, "depends_on": [f"{quest}-{first}"]}
        self._do(backlog.put_tasks, [told])

    @rule(quest=_quests, task=_tasks, status=st.sampled_from(["done", "failed", "open"]))
    def status(self, quest: str, task: int, status: str) -> None:
        self._do(backlog.set_task_status, f"{quest}-{task}", status)

    @rule(
        quest=_quests,
        changes=st.fixed_dictionaries(
            {},
            optional={
                "status": st.sampled_from(["active", "active", "paused"]),
                "strategy": st.sampled_from(STRATEGIES),
                "priority": st.integers(1, 5),
            },
        ),
    )
    def quest(self, quest: str, changes: dict[str, Any]) -> None:
        self._do(backlog.set_quest, quest, **changes)

    @rule(quest=_quests, entitled=st.booleans())
    def entitle(self, quest: str, entitled: bool) -> None:
        self._do(backlog.entitle_quest, quest, entitled)

    # --- wallets

    @rule(quest=_quests, tokens=st.integers(1, 100))
    def grant(self, quest: str, tokens: int) -> None:
        self._do(token_ledger.mint, ACCOUNTS[quest], tokens)

    @rule(quest=_quests, part=st.sampled_from([0.1, 0.5, 1.0]))
    def burn(self, quest: str, part: float) -> None:
        free = token_ledger.get_balance(ACCOUNTS[quest], db=self.db).available
        assume(int(free * part) > 0)
        self._do(token_ledger.burn, ACCOUNTS[quest], int(free * part))

    @rule(quest=_quests, to=_quests, tokens=st.integers(1, 60))
    def give(self, quest: str, to: str, tokens: int) -> None:
        self._do(token_ledger.transfer, ACCOUNTS[quest], ACCOUNTS[to], tokens)

    # --- other bids of the same wallets, and others'

    @rule(
        who=st.one_of(st.just("ada"), _quests.map(ACCOUNTS.__getitem__)),
        task=st.tuples(_quests, _tasks).map(lambda of: f"{of[0]}-{of[1]}"),
        price=st.integers(1, 90),
        pool=_pools,
        rests=st.booleans(),
        minutes=st.integers(1, 200),
    )
    def bid_by_hand(self, who: str, task: str, price: int, pool: int, rests: bool, minutes: int) -> None:
        placed = self._do(
            compute_auction.place_bid,
            who,
            task,
            price,
            pool=POOLS[pool],
            ttl_at=self.now + timedelta(minutes=minutes),
            time_in_force="gtt" if rests else "round",
        )
        self.bids += [placed.id] if placed else []

    @rule(place=st.integers(0, 30))
    def cancel(self, place: int) -> None:
        assume(self.bids)
        self._do(compute_auction.cancel_bid, self.bids[place % len(self.bids)])

    # --- rounds

    @rule(**RUN)
    def run_cycles(self, **told: Any) -> None:
        self.cycle_by_cycle(**told)

    def cycle_by_cycle(self, slots: list[int], pool: int, reserve: int, strategy: str | None) -> None:
        """Do cycles of a pool, one a minute, some with a slot to sell."""
        for count in slots:
            self.now += timedelta(minutes=1)
            if count:
                terms = {"pool": POOLS[pool], "reserve_price_tokens": reserve}
                self.slots += [ask.slot_id for ask in self._do(compute_auction.offer_slots, count, **terms)]
            self._run_cycle(POOLS[pool], strategy)

    def _run_cycle(self, pool: str, strategy: str | None = None) -> None:
        type(self).cycles += 1
        self.made += 1
        told = {"task_id": f"{STEADY}-{self.made}", "quest_id": STEADY, "expected_value_usd": 5_000.0}
        self._do(backlog.put_tasks, [told])
        self._do(token_ledger.mint, f"quest:{STEADY}", 10**6)
        report = cycle.run_cycle(pool, self.now, strategy=strategy, db=self.db)
        assert report.error is None, report.error
        assert report.mode == "auction"
        if pool == POOLS[0]:
            with self.db.reading() as tx:
                rounds = [0, compute_auction.get_pool(pool, db=self.db).open_round_id]
                bids = tx.rows("open_bids_of", bidder_ids=[f"quest:{STEADY}"], pools=[pool], round_ids=rounds)
            left = token_ledger.get_balance(f"quest:{STEADY}", db=self.db).available
            # Where a round was held its bids have won, or lost; and a cap may have burnt what it was given.
            assert bids or report.round.round_id is not None or left < 1_000

    @rule(place=st.integers(0, 30), impact=st.sampled_from([None, 0.0, 0.01, 2.0, 50.0]), cost=st.integers(0, 300))
    def settle(self, place: int, impact: float | None, cost: int) -> None:
        assume(self.slots)
        attested_by = None if impact is None else JUDGE
        slot = self.slots[place % len(self.slots)]
        self._do(compute_auction.settle, slot, cost, impact, attested_by=attested_by)

    @rule(place=st.integers(0, 30))
    def void(self, place: int) -> None:
        assume(self.slots)
        self._do(compute_auction.void, self.slots[place % len(self.slots)])

    @rule(place=st.integers(0, 30), impact=st.floats(-1, 50))
    def attest(self, place: int, impact: float) -> None:
        assume(self.slots)
        self._do(compute_auction.attest, self.slots[place % len(self.slots)], impact, JUDGE)

    @rule()
    def an_agent_runs_what_it_is_given(self) -> None:
        work = self._do(services.next_task, "ada")
        if work is not None and self._do(services.start, work) is not None:
            self._do(services.finish, work, succeeded=True, actual_cost_tokens=5)

    @rule(
        pool=_pools,
        profile=st.sampled_from(sorted(PROFILES)),
        changes=st.fixed_dictionaries(
            {},
            optional={
                "strategy": st.sampled_from(STRATEGIES[1:]),
                "rank_cap": st.booleans(),
                "calibrate": st.booleans(),
                "wallet_cap_days": st.sampled_from([0.0, 0.1, 7.0]),
                "income": st.sampled_from(["fixed", "indexed"]),
                "tie_rule": st.sampled_from(["arrival", "lottery"]),
                "price_level_start": st.sampled_from([1, 1_000]),
            },
        ),
    )
    def configure(self, pool: int, profile: str, changes: dict[str, Any]) -> None:
        self._do(compute_auction.configure_pool, POOLS[pool], profile, daily_bucket_tokens=40, **changes)

    @rule(hours=st.sampled_from([0.1, 1, 13, 25, 80]))
    def time_passes(self, hours: float) -> None:
        self.now += timedelta(hours=hours)
        self._do(sweeper.sweep)

    # --- telling

    @initialize(mechanism=st.sampled_from(RULES), profile=st.sampled_from(sorted(PROFILES)))
    def open(self, mechanism: str, profile: str) -> None:
        self.stack = ExitStack()
        self.db = self.stack.enter_context(self.new_database())
        self.start(mechanism, profile)

    def new_database(self) -> Any:
        raise NotImplementedError

    def _do(self, verb: Any, *told: Any, **terms: Any) -> Any:
        """Say something to the market, at its time; what it refuses is refused."""
        now = {} if verb is sweeper.sweep else {"now": self.now}
        try:
            return verb(*told, *([self.now] if not now else []), **terms, **now, db=self.db)
        except ScidexError:
            return None

    def teardown(self) -> None:
        if not hasattr(self, "db"):
            return
        with self.stack:
            for pool in POOLS:
                self.now += timedelta(minutes=1)
                self._run_cycle(pool)
            report = token_ledger.verify(self.db)
            assert report.ok, report.problems
            assert_journal_tells_all(self.db)


# Cycles are what this is about, and tasks make the rest possible: so they come more often.
for _n in range(6):
    setattr(BacklogMachine, f"run_cycles_{_n}", rule(**RUN)(lambda self, **told: self.cycle_by_cycle(**told)))
    setattr(BacklogMachine, f"tasks_{_n}", rule(**TASKS)(lambda self, **told: self.put_tasks(**told)))


class OnSqlite(BacklogMachine):
    def new_database(self) -> Any:
        opened = connect("sqlite:///:memory:")
        compute_auction.ensure_schema(db=opened)
        return opened


class OnPostgres(BacklogMachine):
    server: PostgresServer
    template: str

    def new_database(self) -> Any:
        return connect(self.stack.enter_context(self.server.new_database(template=self.template)))


@pytest.fixture(scope="module")
def on_postgres(postgres_server: PostgresServer) -> Iterator[type[OnPostgres]]:
    with postgres_server.new_database() as url:
        with connect(url) as db:
            compute_auction.ensure_schema(db=db)
        OnPostgres.server, OnPostgres.template = postgres_server, database_name(url)
        yield OnPostgres


def run(machine: type[BacklogMachine], examples: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            # A story that fails is told as it was found: to shorten it would take longer than a test may.
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
        ),
    )
    assert machine.cycles > 10 * examples


@pytest.mark.slow
def test_no_cycle_ends_in_an_error_on_sqlite():
    run(OnSqlite, EXAMPLES)


@pytest.mark.slow
def test_no_cycle_ends_in_an_error_on_postgres(on_postgres):
    run(on_postgres, max(1, EXAMPLES // 3))

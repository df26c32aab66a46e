"""A whole fleet in a market of its own: what runs in it, hour by hour, and what was seen of it."""

from __future__ import annotations

import random
import secrets
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from unittest import mock

from scidex.agent.agent import Report
from scidex.client import Client
from scidex.exchange import compute_auction, keys, sealing, sweeper, token_ledger
from scidex.exchange.cycle import CycleRunner
from scidex.market.embedded import EmbeddedMarket
from scidex.records import CycleReport, Lease
from scidex.settings import TREASURY
from scidex.store import Database, connect
from scidex.web.serving import running_server
from tests.field.clock import START, Clock
from tests.field.machines import Machine
from tests.field.people import BIDDER, JUDGE, LATE_JUDGE, Bidder, Judge, Operator, Owners
from tests.field.worlds import QuestSpec, Spec

_TICK_SECONDS = 15.0
_SWEEP_SECONDS = 30.0
# Rounds whose bids may be asked about.
_KEPT_ROUNDS = 200


@dataclass
class Counts:
    """What happened, in numbers."""

    cycles: int = 0
    rounds: int = 0
    slots: int = 0
    sold: int = 0
    gifts: int = 0
    runs: Counter[str] = field(default_factory=Counter)
    worth_usd: float = 0.0


class Loop:
    """A process that clears all pools of a market and sweeps up; it is stopped now and then, and another one begins."""

    def __init__(self, field: Field, db: Database) -> None:
        self._field = field
        self._runners = [
            CycleRunner(db, pool, field.spec.cycle_seconds, clock=field.clock.now) for pool in field.spec.pools
        ]
        self._db = db
        self._swept_at = field.clock.now()
        self.began_at = field.clock.now()

    def tick(self) -> None:
        """Do what is due: cycles, sweeping up, and sealing the journal."""
        now = self._field.clock.now()
        for runner in self._runners:
            report = runner.tick()
            if report is not None:
                self._field.hear(report)
        if now - self._swept_at >= timedelta(seconds=_SWEEP_SECONDS):
            swept = sweeper.sweep(now, db=self._db)
            sealing.seal_journal(now=now, db=self._db)
            self._swept_at = now
            if swept.leases_expired:
                self._field.saw("a lease that ran out")
            if swept.workers_lost:
                self._field.saw("a worker that was lost")


class Field:
    """A market and all that lives in it, on one clock."""

    def __init__(self, spec: Spec, url: str, directory: Path) -> None:
        self.spec = spec
        self.url = url
        self.clock = Clock()
        self.seen: Counter[str] = Counter()
        self.counts = Counts()
        self.rounds: deque[tuple[str, int]] = deque(maxlen=_KEPT_ROUNDS)
        self.failures: list[CycleReport] = []
        self._directory = directory
        self._chance = random.Random(f"field {spec.seed}")
        self.began_at = self.clock.now()
        self.on_round: list[Callable[[CycleReport], None]] = []
        self.on_start: list[Callable[[str, str | None], None]] = []
        self.loop: Loop | None = None
        self.machines: list[Machine] = []

    def saw(self, what: str) -> None:
        """Note that something happened."""
        self.seen[what] += 1

    def quest(self, quest_id: str) -> QuestSpec:
        """Return what a quest was drawn as."""
        return next(one for one in self.spec.quests if one.quest_id == quest_id)

    def things(self) -> int:
        """Return how many things have happened that may leave rows behind."""
        return self.counts.slots + sum(self.counts.runs.values()) + self.owners.arrived

    @property
    def ends_at(self) -> datetime:
        """When the story ends."""
        return START + timedelta(days=self.spec.days)

    # --- how it begins, and goes on

    @contextmanager
    def open(self) -> Iterator[None]:
        """Open the market and all that is in it, and close it again."""
        with ExitStack() as opened:
            opened.enter_context(_same_chance(self.spec.seed))
            opened.enter_context(self.clock.ruling())
            self.db = opened.enter_context(connect(self.url))
            self._set_up()
            address = opened.enter_context(running_server(self.db))
            key = keys.create_key(TREASURY, ["admin"], now=self.clock.now(), db=self.db).text
            client = opened.enter_context(Client(address, key))
            agents_db = opened.enter_context(connect(self.url))
            embedded = EmbeddedMarket(agents_db, clock=self.clock.now)
            self.owners = owners = Owners(self.spec, self.db, self.clock, self.saw)
            self._judge = Judge(self.db, self.clock, self.saw, owners.fate_of)
            self.machines = [
                Machine(
                    worker,
                    market=client if worker.by_http else embedded,
                    clock=self.clock,
                    directory=self._directory,
                    fate_of=owners.fate_of,
                    on_start=self._hear_of_start,
                    on_report=self._hear_of_run,
                    saw=self.saw,
                    seed=self.spec.seed,
                )
                for worker in self.spec.workers
            ]
            owners.begin()
            Bidder(self.spec, self.db, self.clock, self.saw).begin()
            Operator(self.spec, self.db, self.clock, self.saw).begin()
            self._start_loop()
            self.clock.every(_TICK_SECONDS, self._tick)
            for place, machine in enumerate(self.machines):
                self.clock.after(place * 40.0, machine.begin)
            yield

    def _set_up(self) -> None:
        now, db = self.clock.now(), self.db
        compute_auction.ensure_schema(db=db)
        for pool in self.spec.pools:
            if pool != "scidex-agent":
                compute_auction.create_pool(pool, now=now, db=db)
            compute_auction.configure_pool(pool, self.spec.profile, now=now, db=db)
        for account_id in (JUDGE, LATE_JUDGE):
            token_ledger.create_account(account_id, kind="evaluator", now=now, db=db)
        token_ledger.create_account(BIDDER, now=now, db=db)
        for worker in self.spec.workers:
            token_ledger.create_account(worker.account_id, kind="worker", now=now, db=db)

    # --- the loop

    def _tick(self) -> None:
        if self.loop is not None:
            self.loop.tick()

    def _start_loop(self) -> None:
        self.loop = Loop(self, self.db)
        self.clock.after(self._chance.expovariate(1 / (3_600 * self.spec.loop_hours)), self._stop_loop)

    def _stop_loop(self) -> None:
        self.loop = None
        self.saw("a loop that stopped")
        cycles = self._chance.choice([0.2, 2.0, 8.0, 20.0])
        self.clock.after(cycles * self.spec.cycle_seconds, self._start_loop)

    # --- what is heard

    def hear(self, report: CycleReport) -> None:
        """Hear of a cycle; agents hear of its round."""
        self.counts.cycles += 1
        if report.error is not None:
            self.failures.append(report)
            return
        held = report.round
        if held is None or held.round_id is None:
            self.saw("a cycle without slots")
            return
        self.counts.rounds += 1
        self.counts.slots += held.slots
        self.counts.sold += held.sold
        gifts = sum(clear.bid_id < 0 for clear in held.clears)
        if gifts:
            self.counts.gifts += gifts
            self.saw("a slot by the floor")
        self.rounds.append((report.pool, held.round_id))
        for hear in self.on_round:
            hear(report)
        for machine in self.machines:
            if machine.spec.pool == report.pool:
                machine.turn()

    def _hear_of_start(self, lease: Lease) -> None:
        self.saw(f"a run by {lease.assignment.source}")
        for hear in self.on_start:
            hear(lease.assignment.pool, lease.assignment.quest_id)

    def _hear_of_run(self, report: Report) -> None:
        self.counts.runs["succeeded" if report.result.succeeded else "failed"] += 1
        if not report.result.succeeded:
            self.saw(f"a run that {report.result.ended}")
        fate = report.impact.usd
        self.counts.worth_usd += fate or 0.0
        self._judge.hear(report)


@contextmanager
def _same_chance(seed: int) -> Iterator[None]:
    """Make what is drawn at random depend on the seed alone."""
    chance = random.Random(f"secrets {seed}")
    drawn = {"token_hex": lambda size=32: chance.randbytes(size).hex(), "randbelow": chance.randrange}
    with mock.patch.multiple(secrets, **drawn):
        yield

"""The people around a simulated fleet: those who bring work, bid by hand, judge late, and operate the market."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from scidex.agent.agent import Report
from scidex.errors import InsufficientTokens, ScidexError, TaskHoldsSlot, TaskStepNotAllowed
from scidex.exchange import backlog, backlog_import, compute_auction, cycle, token_ledger
from scidex.store import Database
from tests.field.clock import Clock
from tests.field.worlds import DAY_SECONDS, Arrivals, QuestSpec, Spec, TaskSpec

JUDGE = "evaluator:ci"
LATE_JUDGE = "evaluator:merges"
BIDDER = "agent:ada"
_IMPORT_SECONDS = 2 * 3_600.0

Saw = Callable[[str], None]


class Owners:
    """Those whose work it is: quests join, tasks arrive, one by one or in lists that are imported again and again."""

    def __init__(self, spec: Spec, db: Database, clock: Clock, saw: Saw) -> None:
        self._spec = spec
        self._db = db
        self._clock = clock
        self._saw = saw
        self._chance = random.Random(f"owners {spec.seed}")
        self._arrivals = Arrivals(spec)
        self._quests: dict[str, QuestSpec] = {}
        self._lists: dict[str, list[TaskSpec]] = {}
        self.fates: dict[str, TaskSpec] = {}
        """What becomes of each task's runs, by its id."""
        self.arrived = 0
        """Lines that were imported and tasks that were added."""

    def begin(self) -> None:
        """Let quests join when they do, and work arrive every hour."""
        for quest in self._spec.quests:
            self._clock.after(quest.joins_after_seconds, partial(self._join, quest))
        for hour in range(int(self._spec.days * 24)):
            self._clock.after(hour * 3_600 + 1, partial(self._plan, hour))
        self._clock.every(_IMPORT_SECONDS, self._import)

    def fate_of(self, task_id: str) -> TaskSpec | None:
        """Return what becomes of a task's runs; None for one that is not of the backlog."""
        return self.fates.get(task_id)

    def _join(self, quest: QuestSpec) -> None:
        added = backlog.add_quest(
            quest.quest_id,
            priority=quest.priority,
            strategy=quest.strategy,
            owner_id=quest.owner_id,
            now=self._clock.now(),
            db=self._db,
        )
        if quest.grant_tokens:
            token_ledger.mint(added.account_id, quest.grant_tokens, now=self._clock.now(), db=self._db)
        if quest.entitled:
            backlog.entitle_quest(quest.quest_id, now=self._clock.now(), db=self._db)
        self._quests[quest.quest_id] = quest
        self._lists[quest.quest_id] = []

    def _plan(self, hour: int) -> None:
        if self._arrivals.is_lull(hour):
            self._saw("an hour without work")
        for second, task in self._arrivals.of_hour(hour, set(self._quests)):
            if self._quests[task.quest_id].is_imported:
                self._lists[task.quest_id].append(task)
                self.fates[task.task_id] = task
            else:
                self._clock.after(second, partial(self._add, task))

    def _add(self, task: TaskSpec) -> None:
        known = [name for name in task.depends_on if name in self.fates]
        self.fates[task.task_id] = task
        self.arrived += 1
        backlog.add_task(
            task.task_id,
            task.quest_id,
            f"Task {task.task_id}",
            expected_value_usd=task.claimed_usd,
            depends_on=known,
            pool=task.pool,
            deadline_at=None
            if task.lives_seconds is None
            else self._clock.now() + timedelta(seconds=task.lives_seconds),
            now=self._clock.now(),
            db=self._db,
        )

    def _import(self) -> None:
        """Import each list once more: its newest tasks, some with other claims than before, some done elsewhere."""
        for tasks in self._lists.values():
            newest = tasks[-60:]
            lines = [self._line(task, {one.task_id for one in newest}) for task in newest]
            if lines:
                text = "\n".join(map(json.dumps, lines)) + "\n"
                done = backlog_import.import_tasks(text, "jsonl", now=self._clock.now(), db=self._db)
                self.arrived += done.added + done.updated
                self._saw("an import that changed tasks" if done.updated else "an import")

    def _line(self, task: TaskSpec, known: set[str]) -> dict[str, Any]:
        claimed = task.claimed_usd
        if self._chance.random() < 0.1:
            claimed = round(claimed * self._chance.choice([0.1, 0.8, 1.5, 4.0]), 4)
        line: dict[str, Any] = {
            "task_id": task.task_id,
            "quest_id": task.quest_id,
            "title": f"Task {task.task_id}",
            "pool": task.pool,
            "expected_value_usd": claimed,
            "depends_on": [name for name in task.depends_on if name in known],
        }
        if self._chance.random() < 0.02:
            line["status"] = "done"
        return line


class Judge:
    """An evaluator that judges runs hours and days after they have ended, as merges do."""

    def __init__(self, db: Database, clock: Clock, saw: Saw, fate_of: Callable[[str], TaskSpec | None]) -> None:
        self._db = db
        self._clock = clock
        self._saw = saw
        self._fate_of = fate_of

    def hear(self, report: Report) -> None:
        """Hear of a run, and judge it when it is time, if that is ever so."""
        fate, sale = self._fate_of(report.assignment.task_id), report.finished.clear
        if fate is None or sale is None or fate.judged != "late" or not report.result.succeeded:
            return
        self._clock.after(fate.judged_after_seconds, lambda: self._attest(sale.slot_id, fate.worth_usd))

    def _attest(self, slot_id: str, usd: float) -> None:
        compute_auction.attest(slot_id, usd, LATE_JUDGE, now=self._clock.now(), db=self._db)
        self._saw("an attestation that came late")


class Bidder:
    """An agent that bids for work that no backlog knows: for a round or at rest, and sometimes beyond its means."""

    def __init__(self, spec: Spec, db: Database, clock: Clock, saw: Saw) -> None:
        self._spec = spec
        self._db = db
        self._clock = clock
        self._saw = saw
        self._chance = random.Random(f"bidder {spec.seed}")
        self._tasks = 0

    def begin(self) -> None:
        """Come with some tokens, and do something every now and then."""
        token_ledger.mint(BIDDER, 20_000, now=self._clock.now(), db=self._db)
        self._clock.every(1_700, self._act)
        self._clock.every(DAY_SECONDS, self._allowance)

    def _allowance(self) -> None:
        token_ledger.mint(BIDDER, 5_000, now=self._clock.now(), db=self._db)

    def _act(self) -> None:
        chance, now = self._chance, self._clock.now()
        self._tasks += 1
        price = chance.choice([1, 50, 700, 2_500, 10**7])
        try:
            bid = compute_auction.place_bid(
                BIDDER,
                f"errand-{self._tasks}",
                price,
                price / 1_000,
                now + timedelta(seconds=chance.uniform(60, 6 * 3_600)),
                pool=chance.choice(self._spec.pools),
                time_in_force=chance.choice(["round", "gtt"]),
                now=now,
                db=self._db,
            )
        except InsufficientTokens:
            self._saw("a refused bid")
            return
        if chance.random() < 0.2:
            self._clock.after(chance.uniform(1, 1_000), lambda: self._cancel(bid.id))

    def _cancel(self, bid_id: int) -> None:
        try:
            compute_auction.cancel_bid(bid_id, now=self._clock.now(), db=self._db)
            self._saw("a cancelled bid")
        except ScidexError:
            self._saw("a bid that was decided before it could be cancelled")


class Operator:
    """Who runs the market: grants and burns, changes priorities, pauses quests, opens failed tasks again."""

    def __init__(self, spec: Spec, db: Database, clock: Clock, saw: Saw) -> None:
        self._spec = spec
        self._db = db
        self._clock = clock
        self._saw = saw
        self._chance = random.Random(f"operator {spec.seed}")
        self.paused: set[str] = set()

    def begin(self) -> None:
        """Do something every now and then."""
        self._clock.every(self._spec.operator_hours * 3_600, self._act)

    def _act(self) -> None:
        quests = backlog.list_quests(db=self._db)
        if quests:
            quest = self._chance.choice(quests)
            self._chance.choice([self._grant, self._burn, self._weigh, self._pause, self._retry, self._try])(quest)

    def _grant(self, quest: Any) -> None:
        token_ledger.mint(quest.account_id, self._chance.choice([3, 500, 20_000]), now=self._clock.now(), db=self._db)

    def _burn(self, quest: Any) -> None:
        available = token_ledger.get_balance(quest.account_id, db=self._db).available
        if available > 1:
            token_ledger.burn(quest.account_id, available - 1, now=self._clock.now(), db=self._db)
            self._saw("a quest that has almost nothing left")

    def _weigh(self, quest: Any) -> None:
        priority = self._chance.choice([0, 1, 3, 9])
        backlog.set_quest(quest.quest_id, priority=priority, now=self._clock.now(), db=self._db)

    def _pause(self, quest: Any) -> None:
        backlog.set_quest(quest.quest_id, status="paused", now=self._clock.now(), db=self._db)
        self._saw("a quest that pauses")
        self._clock.after(
            self._chance.uniform(600, 10_000),
            lambda: backlog.set_quest(quest.quest_id, status="active", now=self._clock.now(), db=self._db),
        )

    def _retry(self, quest: Any) -> None:
        for task in backlog.list_tasks(quest_id=quest.quest_id, status="failed", limit=3, db=self._db):
            try:
                backlog.set_task_status(task.task_id, "open", now=self._clock.now(), db=self._db)
                self._saw("a failed task that was opened again")
            except (TaskHoldsSlot, TaskStepNotAllowed):
                continue

    def _try(self, quest: Any) -> None:
        pool = self._chance.choice(self._spec.pools)
        if self._chance.random() < 0.5:
            compute_auction.clear_round(self._clock.now(), pool=pool, dry_run=True, db=self._db)
            self._saw("a round on trial")
        else:
            report = cycle.run_cycle(pool, self._clock.now(), db=self._db)
            assert report.error is None, report.error
            self._saw("a cycle by hand")

"""What must hold of a market after every hour, whatever went on in it."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from math import ceil
from typing import Any, NamedTuple

from scidex.exchange import auditing, backlog, compute_auction, cycle, token_ledger
from scidex.mechanism import Ask, clear
from scidex.mechanism import Bid as MechanismBid
from scidex.profiles import PROFILES
from scidex.records import Bid, CycleReport, Explanation, Round
from tests.databases import query
from tests.field.field import Field

# Bids whose explanations are checked in an hour.
_SAMPLE = 8
# So many cycles may pass until what is to happen at once has happened.
_PATIENCE_CYCLES = 2.5
_MOST_BIDS = 10_000
# What tables hold may grow by so many rows for each thing that happened, and by so many a day and pool.
_ROWS_FOR_EACH = 30
_ROWS_A_DAY = 2_000


PROMISES = (
    "no cycle fails",
    "the auction goes on",
    "no seat is idle while a task could have it",
    "the floor keeps its bound",
    "the books are right",
    "a quest that joins is paid",
    "growth is bounded by what happens",
    "explanations are true",
    "the journal proves all of it",
)


class Broken(NamedTuple):
    """A promise that did not hold, when, and what was seen."""

    promise: str
    at: datetime
    fact: str


class Promises:
    """The promises of one market; all are asked every hour."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._chance = random.Random(f"promises {field.spec.seed}")
        self.broken: list[Broken] = []
        self._cycles_heard = 0
        self._rows = _counted(field)
        self._things = 0
        self.rows_by_day: list[Counter[str]] = []
        self.waits = Waits(field)

    def ask_all(self) -> list[Broken]:
        """Ask every promise that is asked every hour, and return those that did not hold."""
        now = self._field.clock.now()
        found = [
            Broken(promise, now, fact)
            for promise, facts in zip(
                PROMISES,
                (
                    self._failed_cycles(),
                    self._modes(),
                    self._idle_seats(),
                    self.waits.beyond_bound(),
                    token_ledger.verify(self._field.db).problems,
                    self._unpaid(),
                    self._growth(),
                    self._untrue(),
                ),
                strict=False,
            )
            for fact in facts
        ]
        self.broken += found
        return found

    def ask_at_the_end(self) -> list[Broken]:
        """Prove the market from its journal."""
        report = auditing.audit(db=self._field.db)
        found = [Broken(PROMISES[-1], self._field.clock.now(), problem) for problem in report.problems]
        self.broken += found
        return found

    # --- cycles

    def _failed_cycles(self) -> Iterator[str]:
        failures = self._field.failures[self._cycles_heard :]
        self._cycles_heard += len(failures)
        for report in failures[:3]:
            yield f"{len(failures)} cycles failed, one of {report.pool} at {report.cycle_at}: {report.error}"

    def _modes(self) -> Iterator[str]:
        if not self._is_settled():
            return
        for pool in self._field.spec.pools:
            status = cycle.cycle_status(pool, now=self._field.clock.now(), db=self._field.db)
            if status.mode != "auction":
                yield f"pool {pool} goes by the {status.mode} since {status.mode_since_at}: {status.mode_reason}"

    def _is_settled(self) -> bool:
        """Whether a loop has been at work for some cycles."""
        loop = self._field.loop
        return loop is not None and loop.began_at <= self._field.clock.now() - self._patience()

    def _patience(self) -> timedelta:
        return timedelta(seconds=_PATIENCE_CYCLES * self._field.spec.cycle_seconds + 60)

    # --- seats

    def _idle_seats(self) -> Iterator[str]:
        """A seat without a reserve takes any task that may run: by a bid, or unsold where it did not bid."""
        if not self._is_settled():
            return
        before = self._field.clock.now() - self._patience()
        for machine in self._field.machines:
            if machine.spec.reserve_price_tokens or machine.idle_since is None or machine.idle_since > before:
                continue
            waiting = runnable(self._field, machine.spec.pool, before)
            if waiting:
                yield (
                    f"{machine.spec.account_id} has had an idle seat since {machine.idle_since}, "
                    f"while {len(waiting)} tasks wait, {waiting[0]} among them"
                )

    # --- money

    def _unpaid(self) -> Iterator[str]:
        """A quest with a priority is paid within some cycles of its first work, unless its owner has been."""
        if not self._is_settled():
            return
        long_ago = self._field.clock.now() - self._patience()
        worked_for = {
            quest_id
            for (quest_id, first_at) in query(self._field.db, "SELECT quest_id, MIN(created_at) FROM tasks GROUP BY 1")
            if _instant(first_at) <= long_ago
        }
        owners = {one.account_id: one.owner_id for one in token_ledger.list_accounts(db=self._field.db)}
        paid = {
            owners[account_id]
            for (account_id,) in query(self._field.db, "SELECT account_id FROM income_shares WHERE base_tokens > 0")
        }
        for quest in backlog.list_quests(db=self._field.db):
            is_due = self._field.quest(quest.quest_id).priority and quest.priority and quest.status == "active"
            if is_due and quest.quest_id in worked_for and owners[quest.account_id] not in paid:
                yield f"quest {quest.quest_id}, here since {quest.created_at}, has not been paid yet"

    # --- growth

    def _growth(self) -> Iterator[str]:
        if (self._field.clock.now() - self._field.began_at) % timedelta(days=1):
            return
        rows, things = _counted(self._field), self._field.things()
        grown = rows - self._rows
        bound = _ROWS_FOR_EACH * (things - self._things) + _ROWS_A_DAY * len(self._field.spec.pools)
        for table, more in grown.items():
            if more > bound:
                yield f"{table} grew by {more:,} rows in a day in which {things - self._things:,} things happened"
        self._rows, self._things = rows, things
        self.rows_by_day.append(grown)

    # --- explanations

    def _untrue(self) -> Iterator[str]:
        rounds = list(self._field.rounds)
        for _, round_id in self._chance.sample(rounds, min(3, len(rounds))):
            book = Book(self._field, round_id)
            for bid in self._chance.sample(book.bids, min(_SAMPLE, len(book.bids))):
                told = compute_auction.explain(bid.id, now=self._field.clock.now(), db=self._field.db)
                yield from (f"{fact}: {told}" for fact in book.faults_of(told, bid))
                self._field.saw(
                    f"an explanation of a bid that is {told.status}, {told.reason or 'for no special reason'}"
                )


class Book:
    """A round that was held, decided again by the mechanism alone from what readers are told of it."""

    def __init__(self, field: Field, round_id: int) -> None:
        self.round: Round = compute_auction.get_round(round_id, db=field.db)
        self.bids = compute_auction.list_round_bids(round_id, limit=_MOST_BIDS, db=field.db)
        [(kept,)] = query(field.db, f"SELECT book FROM compute_auction_rounds WHERE round_id = {round_id}")
        [(theta,)] = query(field.db, f"SELECT theta FROM compute_auction_rounds WHERE round_id = {round_id}")
        assert theta is None, "a rule with a parameter is not decided again here"
        self._kept: dict[str, Any] = json.loads(kept)
        self._owners = {account.account_id: account.owner_id for account in token_ledger.list_accounts(db=field.db)}
        self._sold = [one for one in self.round.clears if one.bid_id > 0]
        reserves = query(
            field.db,
            "SELECT a.slot_id, a.reserve_price_tokens FROM compute_auction_asks a"
            f" JOIN compute_auction_clears c ON c.slot_id = a.slot_id WHERE c.round_id = {round_id} AND c.bid_id > 0",
        )
        self._reserves = sorted([tokens for _, tokens in reserves] + [offer[4] for offer in self._kept["unsold"]])

    def faults_of(self, told: Explanation, bid: Bid) -> Iterator[str]:
        """Yield what an explanation says that is not so."""
        sale = next((one for one in self._sold if one.bid_id == bid.id), None)
        if (sale is not None) != (told.status in ("won", "running", "settled", "voided")):
            yield "it does not say whether the bid won"
        if told.status == "lost" and told.reason == "outbid":
            price = told.price_to_win_tokens
            if price is None:
                if self._wins(bid, bid.max_price_tokens + 10**9):
                    yield "it says that no price would have won"
                return
            if not self._wins(bid, price):
                yield "the price that it says would have won does not win"
            if price > 1 and self._wins(bid, price - 2):
                yield "a lower price than it says would have won"
            if told.margin_missed_tokens != price - bid.max_price_tokens:
                yield "its margin is not the difference of the prices"

    def _wins(self, bid: Bid, price: int) -> bool:
        """Whether a bid wins at another price, all others staying as they were; at a tie it comes last."""
        others = [
            (one.max_price_tokens, one.task_id, self._owners[one.bidder_id], one.id)
            for one in self.bids
            if one.id != bid.id and one.id not in self._kept["running"]
        ]
        others += [(one[4], one[3], one[2], one[0]) for one in self._kept["resting"]]
        ranked = sorted(
            [*others, (price, bid.task_id, self._owners[bid.bidder_id], 0)], key=lambda one: (-one[0], -one[3])
        )
        seen: set[str] = set()
        competing: list[MechanismBid] = []
        for tokens, task, owner, bid_id in ranked:
            if task not in seen and owner not in self._kept["provider_owners"]:
                seen.add(task)
                competing.append(MechanismBid(bid_id, owner, tokens, len(competing)))
        asks = [Ask(place, "provider", tokens) for place, tokens in enumerate(self._reserves)]
        return any(trade.bid_id == 0 for trade in clear(self.round.mechanism, competing, asks).trades)


class Waits:
    """How long each entitled quest has had a task that may run and no slot, by rounds and by the slots of these."""

    def __init__(self, field: Field) -> None:
        self._field = field
        self._rounds: Counter[tuple[str, str]] = Counter()
        self._slots: Counter[tuple[str, str]] = Counter()
        self.longest: Counter[str] = Counter()
        field.on_round.append(self._hear)
        field.on_start.append(self._served)

    def beyond_bound(self) -> Iterator[str]:
        """
        Yield each quest that has waited for longer than the floor of its pool allows.

        Where third parties alone provide, the treasury may have nothing to buy a slot with.
        """
        ours = {worker.pool for worker in self._field.spec.workers if not worker.is_third_party}
        profile = PROFILES[self._field.spec.profile]
        entitled = sum(quest.entitled for quest in self._field.spec.quests)
        for (pool, quest_id), rounds in self._rounds.items():
            queue = ceil(100 * entitled / profile.floor_most_percent)
            if (
                pool in ours
                and rounds > profile.floor_rounds + entitled
                and self._slots[pool, quest_id] > queue + 10 * entitled
            ):
                yield (
                    f"quest {quest_id} is entitled in {pool} and has waited for {rounds} rounds with "
                    f"{self._slots[pool, quest_id]} slots"
                )

    def _hear(self, report: CycleReport) -> None:
        held = report.round
        assert held is not None
        winners = {one.bidder_id for one in held.clears}
        wanting = {
            quest_id
            for (quest_id,) in query(
                self._field.db,
                "SELECT DISTINCT t.quest_id FROM tasks t JOIN quests q ON q.quest_id = t.quest_id WHERE"
                f" q.floor_entitled = 1 AND q.status = 'active' AND t.status = 'open' AND t.pool = '{report.pool}'",
            )
        }
        for quest in self._field.spec.quests:
            key = report.pool, quest.quest_id
            if quest.quest_id in wanting and f"quest:{quest.quest_id}" not in winners:
                self._rounds[key] += 1
                self._slots[key] += held.slots
                self.longest[quest.quest_id] = max(self.longest[quest.quest_id], self._rounds[key])
            else:
                self._rounds[key] = self._slots[key] = 0

    def _served(self, pool: str, quest_id: str | None) -> None:
        if quest_id is not None:
            self._rounds[pool, quest_id] = self._slots[pool, quest_id] = 0


def runnable(field: Field, pool: str, since: datetime) -> list[str]:
    """Return the tasks of a pool that have been ready to run since an instant, and that nobody runs."""
    found = query(
        field.db,
        "SELECT t.task_id, t.updated_at, t.deadline_at FROM tasks t JOIN quests q ON q.quest_id = t.quest_id"
        f" WHERE t.status = 'open' AND q.status = 'active' AND t.pool = '{pool}' AND t.expected_value_usd > 0.05"
        " AND NOT EXISTS (SELECT 1 FROM compute_auction_clears c"
        " WHERE c.winning_task_id = t.task_id AND c.status IN ('won', 'running'))"
        " AND NOT EXISTS (SELECT 1 FROM task_assignments a"
        " WHERE a.task_id = t.task_id AND a.status IN ('given', 'running')) ORDER BY t.task_id",
    )
    return [
        task_id
        for task_id, updated_at, deadline_at in found
        if _instant(updated_at) <= since and (deadline_at is None or _instant(deadline_at) > field.clock.now())
    ]


def _instant(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def _counted(field: Field) -> Counter[str]:
    """Return how many rows each table has."""
    listed = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
        "postgres": "SELECT tablename FROM pg_tables WHERE schemaname = 'public'",
    }
    tables = [name for (name,) in query(field.db, listed[field.db.dialect])]
    counts: Counter[str] = Counter()
    for table in tables:
        counts[table] = query(field.db, f"SELECT COUNT(*) FROM {table}")[0][0]
    return counts

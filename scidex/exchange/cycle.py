"""Runs each round when it is due: income, bids for backlogs, clearing, and sweeping up after it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from scidex import settings as _settings
from scidex.bidding import strategy_named
from scidex.errors import shown
from scidex.exchange import arguments as checked
from scidex.exchange import compute_auction, ev_scorer, sweeper
from scidex.exchange.income import adjustments, budget
from scidex.exchange.rounds import cycle as round_cycles
from scidex.loops import Loop
from scidex.records import CycleReport, CycleStatus, ModeSwitch
from scidex.settings import DEFAULT_POOL
from scidex.store import Database
from scidex.store.db_writes import execute_journaled

__all__ = [
    "CycleRunner",
    "current_mode",
    "cycle_status",
    "list_mode_switches",
    "pause",
    "resume",
    "run_cycle",
]

_LOG = logging.getLogger(__name__)
_MOST_SECONDS = 7 * 86_400.0
_MOST_PAGE = 1_000
_MOST_NUMBER = 2**53 - 1
# Decided bids are written down in chunks, and no more than these at the end of one cycle.
_CHUNK_BIDS = 2_000
_MOST_CHUNKS = 10


def run_cycle(
    pool: str = DEFAULT_POOL,
    now: datetime | None = None,
    *,
    strategy: str | None = None,
    db: Database | None = None,
) -> CycleReport:
    """
    Do one cycle of a pool at once, due or not: pay income that is due, bid for backlogs, clear the round, sweep up.

    Quests bid by the strategy that they chose or else the pool's, unless one is named for all of them.
    A step that raises before the round has cleared breaks the auction: nothing is raised here, the report's `error`
    says why, and agents go by the proportional split until a cycle completes. Raises UnknownPool, UnknownStrategy.
    """
    database = checked.database(db)
    moment = checked.moment(now, database)
    if strategy is not None:
        strategy_named(checked.identifier(strategy, "strategy"))
    compute_auction.get_pool(pool, db=database)
    facts: dict[str, Any] = {"income_tokens": 0, "bids_placed": 0, "round": None, "bids_expired": 0, "bids_written": 0}
    error = None
    try:
        facts["income_tokens"] = _pay_income(database, pool, moment)
        facts["bids_placed"] = len(ev_scorer.submit_bids_for_tasks(moment, strategy, pool=pool, db=database))
        facts["round"] = compute_auction.clear_round(moment, pool=pool, db=database)
    except Exception as failure:  # whatever broke the round, agents must be able to go on
        _LOG.exception("the cycle of pool %s did not complete", pool)
        error = _told(database, failure)
    mode = _note(database, pool, moment, error)
    if error is None:
        facts |= _sweep(database, pool, moment)
    return CycleReport(pool=pool, cycle_at=moment, mode=mode, error=error, **facts)


def pause(pool: str = DEFAULT_POOL, *, now: datetime | None = None, db: Database | None = None) -> CycleStatus:
    """Hold a pool's cycle until it is resumed; cycles that pass meanwhile are not missed. Raises UnknownPool."""
    return _changed(round_cycles.pause_cycle, pool, now, db)


def resume(pool: str = DEFAULT_POOL, *, now: datetime | None = None, db: Database | None = None) -> CycleStatus:
    """Let a paused pool's cycle go on, with one that is due at once. Raises UnknownPool."""
    return _changed(round_cycles.resume_cycle, pool, now, db)


def cycle_status(pool: str = DEFAULT_POOL, *, now: datetime | None = None, db: Database | None = None) -> CycleStatus:
    """
    Return when a pool clears, how many cycles it has missed in all, and what its agents go by now.

    Raises UnknownPool.
    """
    given, database = _settings.from_environment(), checked.database(db)
    moment = checked.moment(now, database)
    with database.reading() as tx:
        cycle = round_cycles.read_cycle(tx, checked.identifier(pool, "pool"))
    return CycleStatus(
        pool=pool,
        paused=bool(cycle["paused"]),
        interval_seconds=cycle["interval_seconds"] or given.cycle_seconds,
        last_cycle_at=cycle["last_cycle_at"],
        next_cycle_at=cycle["next_cycle_at"],
        missed=cycle["missed"] + round_cycles.missed_now(cycle, moment),
        mode=cycle["mode"],
        mode_since_at=cycle["mode_since_at"],
        mode_reason=cycle["mode_reason"],
    )


def current_mode(pool: str = DEFAULT_POOL, *, now: datetime | None = None, db: Database | None = None) -> str:
    """
    Return whether a pool's agents go by the `auction` or by the `fallback` now, and switch where that is due.

    Nothing need run for this: agents notice by themselves that no cycle has completed for the setting
    `fallback_after_cycles`. Raises UnknownPool.
    """
    database = checked.database(db)
    moment = checked.moment(now, database)
    given = _settings.from_environment()
    with database.reading() as tx:
        cycle = round_cycles.read_cycle(tx, checked.identifier(pool, "pool"))
    if round_cycles.mode_due(cycle, moment, given.cycle_seconds, given.fallback_after_cycles) == cycle["mode"]:
        return str(cycle["mode"])
    arguments = {**_cycle_of(pool), "after_cycles": given.fallback_after_cycles}
    return execute_journaled(database, round_cycles.switch_mode, arguments, now=moment)


def list_mode_switches(
    pool: str = DEFAULT_POOL, *, before: int | None = None, limit: int = 100, db: Database | None = None
) -> list[ModeSwitch]:
    """
    Return a pool's changes between the auction and the fallback, newest first, at most `limit` (1 to 1,000).

    Pass the last ordinal as `before` for the next page. Raises UnknownPool.
    """
    last = _MOST_NUMBER if before is None else checked.count(before, "before", most=_MOST_NUMBER)
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    with checked.database(db).reading() as tx:
        round_cycles.read_cycle(tx, checked.identifier(pool, "pool"))
        rows = tx.rows("mode_switches_page", pool=pool, before=last, page=page)
    return [ModeSwitch(**row) for row in rows]


class CycleRunner:
    """
    A loop that does a pool's cycles when they are due.

    Any number of them may run, in any number of processes: each cycle is claimed in the database, and one loop does it.
    After a time in which none ran, one cycle is done and those that passed are counted as missed. Quests bid by the
    strategy that they chose or else the pool's, unless one is named for all of them. `on_cycle` hears of each
    cycle that the loop did.
    """

    def __init__(
        self,
        db: Database,
        pool: str = DEFAULT_POOL,
        interval_seconds: float = 60.0,
        *,
        clock: Callable[[], datetime] | None = None,
        strategy: str | None = None,
        on_cycle: Callable[[CycleReport], None] | None = None,
    ) -> None:
        self.db = db
        self.pool = checked.identifier(pool, "pool")
        self.interval_seconds = checked.number(interval_seconds, "interval_seconds", least=0.01, most=_MOST_SECONDS)
        # The database's own time: loops on machines whose clocks differ agree on when a cycle is due.
        self.clock = clock or db.now
        self.strategy = strategy
        self._on_cycle = on_cycle
        if strategy is not None:
            strategy_named(checked.identifier(strategy, "strategy"))

    def loop(self) -> Loop:
        """Return the loop that does cycles as they fall due; what breaks one is logged, and the next one is tried."""
        return Loop(f"cycles of {self.pool}", self._turn)

    def tick(self) -> CycleReport | None:
        """Do the pool's cycle if it is due and no other loop has taken it; return its report, else None."""
        moment = self.clock()
        arguments = {"pool": self.pool, "interval_seconds": self.interval_seconds}
        if not self._is_due(moment):
            return None
        if not execute_journaled(self.db, round_cycles.claim_cycle, arguments, now=moment):
            return None
        return run_cycle(self.pool, moment, strategy=self.strategy, db=self.db)

    def _is_due(self, moment: datetime) -> bool:
        with self.db.reading() as tx:
            cycle = round_cycles.read_cycle(tx, self.pool)
        return not cycle["paused"] and (cycle["next_cycle_at"] is None or cycle["next_cycle_at"] <= moment)

    def _turn(self) -> float:
        report = self.tick()
        if report is not None and self._on_cycle is not None:
            self._on_cycle(report)
        return self._seconds_to_wait()

    def _seconds_to_wait(self) -> float:
        # Never longer than a quarter of a cycle, so that a resumed or changed schedule is soon noticed.
        most = min(self.interval_seconds / 4, 1.0)
        status = cycle_status(self.pool, db=self.db)
        if status.paused or status.next_cycle_at is None:
            return most
        return min(most, max(0.001, (status.next_cycle_at - self.clock()).total_seconds()))


def _told(db: Database, failure: Exception) -> str:
    """Return what broke a cycle on one line, with the quest before it where the failure names its wallet."""
    account_id = getattr(failure, "account_id", None)
    with suppress(Exception), db.reading() as tx:
        quests = tx.values("quests_of_account", account_id=str(account_id))
        if quests:
            return f"quest {quests[0]}: " + shown(f"{type(failure).__name__}: {failure}").strip("'\"")
    return shown(f"{type(failure).__name__}: {failure}").strip("'\"")


def _pay_income(db: Database, pool: str, now: datetime) -> int:
    bucket = _settings.from_environment().daily_bucket_tokens
    execute_journaled(db, budget.allocate_budget, {"bucket_tokens": bucket}, now=now)
    with db.reading() as tx:
        was_paid = tx.row("income_of_day", pool=pool, day=budget.day_of(now)) is not None
        is_due = was_paid and adjustments.is_due(tx, pool, now)
    if is_due:
        return execute_journaled(db, adjustments.adjust_income, {"pool": pool}, now=now)
    if was_paid:
        return 0
    arguments = {"pool": pool, "bucket_tokens": bucket, "keeps_parts": True}
    return execute_journaled(db, budget.pay_income, arguments, now=now)


def _sweep(db: Database, pool: str, now: datetime) -> dict[str, int]:
    sweeper.sweep(now, db=db)
    expired = compute_auction.refund_unfilled(now, db=db)
    written = 0
    for _ in range(_MOST_CHUNKS):
        chunk = compute_auction.write_decided_bids(pool=pool, most=_CHUNK_BIDS, now=now, db=db)
        written += chunk
        if chunk < _CHUNK_BIDS:
            break
    return {"bids_expired": expired, "bids_written": written}


def _note(db: Database, pool: str, now: datetime, error: str | None) -> str:
    return execute_journaled(db, round_cycles.note_cycle, {**_cycle_of(pool), "error": error}, now=now)


def _changed(what: Callable[..., None], pool: str, now: datetime | None, db: Database | None) -> CycleStatus:
    database = checked.database(db)
    moment = checked.moment(now, database)
    execute_journaled(database, what, _cycle_of(checked.identifier(pool, "pool")), now=moment)
    return cycle_status(pool, now=moment, db=database)


def _cycle_of(pool: str) -> dict[str, Any]:
    return {"pool": pool, "interval_seconds": _settings.from_environment().cycle_seconds}

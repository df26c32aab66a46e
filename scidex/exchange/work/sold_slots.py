"""Running what was won: starting a sold slot and finishing it, with its task, inside their transaction."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from scidex.errors import AlreadySettled, AlreadyStarted, SlotVoided, TaskNotOpen
from scidex.exchange.book import market_settings
from scidex.exchange.income.refills import RefillTerms
from scidex.exchange.quests import states
from scidex.exchange.work import endings, fences, runs, settlement
from scidex.money.overrun import stop_at
from scidex.profiles import Profile
from scidex.records import Assignment, Clear, Finished
from scidex.store.database import Row, Transaction
from scidex.store.db_writes import Work, effect


def won_by(tx: Transaction, agent_id: str) -> list[Assignment]:
    """Return the slots that an agent bought or provides, won and not started, the oldest first."""
    rows = tx.rows("won_slots_of", agent_id=agent_id)
    profiles = market_settings.profiles_of(tx, {row["pool"] for row in rows})
    return [_assignment(row, agent_id, profiles[row["pool"]]) for row in rows]


def assignment_of(tx: Transaction, slot_id: str, agent_id: str) -> Assignment:
    """Return what an agent has to know to run a sold slot."""
    row = tx.rows("run_of_slot", slot_id=slot_id)[0]
    return _assignment(row, agent_id, market_settings.profiles_of(tx, [row["pool"]])[row["pool"]])


def _assignment(row: Row, agent_id: str, profile: Profile) -> Assignment:
    return Assignment(
        source="auction",
        assignment_id=row["slot_id"],
        agent_id=agent_id,
        task_id=row["winning_task_id"],
        quest_id=row["quest_id"],
        title=row["title"] or "",
        payload=json.loads(row["payload"]) if row["payload"] else {},
        pool=row["pool"],
        token_allowance=row["token_allowance"],
        max_seconds=row["max_seconds"],
        expected_value_usd=row["expected_value_usd"],
        stop_at_tokens=stop_at(row["token_allowance"], profile=profile),
    )


@effect("start_slot")
def start_slot(work: Work, *, slot_id: str) -> None:
    """Mark a won slot and its task as running, once."""
    start_sold(work, settlement.lock_sold(work.tx, slot_id))


def start_sold(work: Work, clear: Clear) -> None:
    """Mark a locked clear and its task as running. Raises SlotVoided, AlreadyStarted, TaskNotOpen."""
    tx, slot_id = work.tx, clear.slot_id
    if clear.status == "voided":
        raise SlotVoided(field="slot_id", slot_id=slot_id)
    if clear.status != "won":
        raise AlreadyStarted(field="slot_id", slot_id=slot_id, status=clear.status)
    status, _ = states.status_of(tx, clear.winning_task_id)
    if not states.start(work, clear.winning_task_id) and status is not None:
        raise TaskNotOpen(field="task_id", task_id=clear.winning_task_id, status=status, slot_id=slot_id)
    tx.run("start_clear", slot_id=slot_id, now=work.now)


@effect("finish_slot")
def finish_slot(
    work: Work,
    *,
    slot_id: str,
    succeeded: bool,
    actual_cost_tokens: int | None,
    actual_impact: float | None,
    attested_by: str | None,
    note: str,
    most_attempts: int,
    terms: RefillTerms,
    fence: int | None = None,
    usage: dict[str, Any] | None = None,
    cause: str | None = None,
) -> Finished:
    """Settle a slot that was run, keep what it used, and say what becomes of its task."""
    run = None if cause is None else endings.run_of(work.tx, slot_id)
    if not succeeded and (fault := endings.blames_worker(work, run, _task_of(work.tx, slot_id))):
        return _blame_worker(work, slot_id, fault, fence=fence, usage=usage)
    clear = settlement.settle_sold(
        work,
        slot_id=slot_id,
        actual_cost_tokens=actual_cost_tokens,
        actual_impact=actual_impact,
        attested_by=attested_by,
        fence=fence,
        note=note,
        terms=terms,
    )
    task_id = clear.winning_task_id
    if work.changed and usage is not None:
        runs.append_usage(work, slot_id, usage)
    if work.changed and succeeded:
        states.complete(work, task_id)
    elif work.changed:
        states.fail(work, task_id, most_attempts=most_attempts)
    if work.changed and cause is not None:
        endings.came_to_an_end(work, slot_id, task_id, run, succeeded=succeeded, cause=cause, note=note)
    status, attempts = states.status_of(work.tx, task_id)
    return Finished(slot_id, "auction", task_id, status, attempts, clear)


def _blame_worker(work: Work, slot_id: str, fault: str, *, fence: int | None, usage: dict[str, Any] | None) -> Finished:
    """Undo a clear whose run failed by its worker's fault; a worker at which nothing succeeds is stopped."""
    run = endings.run_of(work.tx, slot_id)
    clear = give_back_slot(work, slot_id=slot_id, reason=fault, fence=fence, cause="machine")
    if usage is not None:
        runs.append_usage(work, slot_id, usage)
    endings.stop_black_hole(work, run)
    status, attempts = states.status_of(work.tx, clear.winning_task_id)
    return Finished(slot_id, "auction", clear.winning_task_id, status, attempts, clear)


def _task_of(tx: Transaction, slot_id: str) -> str:
    row = tx.row("clear", slot_id=slot_id)
    return "" if row is None else str(row["winning_task_id"])


@effect("give_back_slot")
def give_back_slot(
    work: Work,
    *,
    slot_id: str,
    reason: str,
    fence: int | None,
    cause: str | None = None,
    retry_at: datetime | None = None,
) -> Clear:
    """Undo a clear as its worker: with the fence number of its lease, where it has one."""
    run = None if cause is None else endings.run_of(work.tx, slot_id)
    clear = settlement.lock_sold(work.tx, slot_id)
    if clear.status == "settled":
        raise AlreadySettled(field="slot_id", slot_id=slot_id, status=clear.status)
    if clear.status == "voided":
        work.changed = False
        return clear
    fences.end(work, fences.check(work, slot_id, fence, field="slot_id"), "given_back")
    voided = settlement.void_sold(work, clear, reason)
    if cause is not None:
        task_id = clear.winning_task_id
        endings.was_interrupted(work, slot_id, task_id, run, cause=cause, note=reason, retry_at=retry_at)
    return voided

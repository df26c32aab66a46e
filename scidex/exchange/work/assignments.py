"""Work outside the auction, given out to agents: what `services` does for it inside its transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from scidex.errors import (
    AlreadyFinished,
    AlreadyStarted,
    AssignmentGivenBack,
    InvalidId,
    UnknownAccount,
    UnknownAssignment,
)
from scidex.exchange.book import market_settings, pools
from scidex.exchange.income import budget
from scidex.exchange.quests import backlog, states
from scidex.exchange.work import endings, fences, runs, settlement
from scidex.money.overrun import stop_at
from scidex.money.split import turns
from scidex.records import Assignment, Finished
from scidex.store.database import Row, Transaction
from scidex.store.db_writes import Work, effect


class TaskChoice(NamedTuple):
    """A task to give out, what it counts for in its quest's share of the day, and the slot it takes off the market."""

    source: str
    task_id: str
    quest_id: str
    charged_tokens: int
    allocated_tokens: int
    slot_id: str | None


def choose(
    tx: Transaction, now: datetime, *, agent_id: str, pool: str, mode: str, bucket_tokens: int, worker_id: str = ""
) -> TaskChoice | None:
    """
    Return the task that is an agent's to run outside the auction, in the order of the proportional split, or None.

    It takes a slot off the market, one that `worker_id` offered where there is one.
    """
    if mode == "fallback":
        own = tx.row("own_slots_on_offer", pool=pool, agent_id=agent_id, worker_id=worker_id, now=now)
        statement, round_id = "runnable_task", {}
        source, slot_id = "fallback", own["slot_id"] if own else None
    else:
        last = tx.row("last_round_of_pool", pool=pool)
        slot = last and _unsold_slot(tx, now, last, agent_id=agent_id, worker_id=worker_id, pool=pool)
        if not last or not slot:
            return None
        statement, round_id = "runnable_task_that_did_not_bid", {"round_id": last["round_id"]}
        source, slot_id = "unsold", slot["slot_id"]
    split = {one.quest_id: one for one in budget.allocations(tx, now, bucket_tokens)}
    for quest_id in turns((one.quest_id, one.allocated_tokens, one.used_tokens) for one in split.values()):
        share = split[quest_id]
        # A slot that would stand idle is not kept from a quest that has used its share.
        if mode == "fallback" and share.remaining_tokens == 0:
            continue
        if task := tx.row(statement, quest_id=quest_id, pool=pool, now=now, **round_id):
            charged = task["estimated_cost_tokens"] or 0
            return TaskChoice(source, task["task_id"], quest_id, charged, share.allocated_tokens, slot_id)
    return None


def _unsold_slot(tx: Transaction, now: datetime, last: Row, **whose: str) -> Row | None:
    if last["sold"] == last["slots"] or last["clearing_price_tokens"]:
        return None
    return tx.row("slots_left_unsold", cleared_at=last["cleared_at"], now=now, **whose)


@effect("next_task")
def next_task(
    work: Work, *, agent_id: str, pool: str, mode: str, bucket_tokens: int, worker_id: str = ""
) -> Assignment | None:
    """Give an agent the next task outside the auction, mark it running and charge its quest's share of the day."""
    tx = work.tx
    check_agent(tx, agent_id)
    tx.lock([f"next task {pool}"], shared=False)
    tx.lock([states.BACKLOG], shared=True)
    pools.lock_pools(tx, [pool])
    asked: dict[str, Any] = {"agent_id": agent_id, "pool": pool, "mode": mode, "bucket_tokens": bucket_tokens}
    found = work.make_up("choice", lambda: choose(tx, work.now, worker_id=worker_id, **asked))
    choice = None if found is None else TaskChoice(*found)
    work.changed = choice is not None and _take(work, choice)
    if choice is None or not work.changed:
        return None
    number = work.numbers("assignment_numbers", 1)[0]
    given: dict[str, Any] = {
        "assignment_id": f"assignment-{number}",
        "source": choice.source,
        "agent_id": agent_id,
        "task_id": choice.task_id,
        "quest_id": choice.quest_id,
        "pool": pool,
        "slot_id": choice.slot_id,
        "day": budget.day_of(work.now),
        "charged_tokens": choice.charged_tokens,
        "given_at": work.now,
    }
    tx.run("insert_assignment", **given)
    budget.save(work, given["day"], {choice.quest_id: (choice.allocated_tokens, choice.charged_tokens)})
    return assignment_of(tx, given)


def check_agent(tx: Transaction, agent_id: str) -> None:
    """Raise UnknownAccount for an agent without an account, InvalidId for one of the system's."""
    account = tx.row("account", account_id=agent_id)
    if account is None:
        raise UnknownAccount(field="agent_id", account_id=agent_id)
    if account["kind"] == "system":
        raise InvalidId(field="agent_id", value=agent_id, fact="must not be a system account")


def _take(work: Work, choice: TaskChoice) -> bool:
    """Mark the chosen task running and take its slot off the market; return whether both were still to be had."""
    tx = work.tx
    states.lock(tx, [choice.task_id])
    if choice.slot_id is not None:
        tx.rows("lock_ask", slot_id=choice.slot_id)
        if tx.rows("ask", slot_id=choice.slot_id)[0]["status"] != "open":
            return False
    if tx.values("tasks_held", task_ids=[choice.task_id]) or not states.start(work, choice.task_id):
        return False
    if choice.slot_id is not None:
        tx.run("withdraw_ask", slot_id=choice.slot_id)
    return True


@effect("start_assignment")
def start_assignment(work: Work, *, assignment_id: str) -> None:
    """Mark work that was given out as begun."""
    row = locked(work, assignment_id)
    _refuse_given_back(row)
    if not work.tx.run("start_assignment", assignment_id=assignment_id, now=work.now):
        raise AlreadyStarted(field="assignment_id", assignment_id=assignment_id, status=row["status"])


@effect("finish_assignment")
def finish_assignment(
    work: Work,
    *,
    assignment_id: str,
    succeeded: bool,
    actual_cost_tokens: int | None,
    actual_impact: float | None,
    attested_by: str | None,
    note: str,
    most_attempts: int,
    fence: int | None = None,
    usage: dict[str, Any] | None = None,
    cause: str | None = None,
) -> Finished:
    """End work that was given out; its quest's share is charged by what it cost, and no wallet is touched."""
    tx = work.tx
    row = locked(work, assignment_id)
    run = None if cause is None else endings.run_of(tx, assignment_id)
    if not succeeded and (fault := endings.blames_worker(work, run, row["task_id"])):
        give_back_assignment(work, assignment_id=assignment_id, reason=fault, fence=fence, cause="machine")
        endings.stop_black_hole(work, run)
        return _finished(tx, row)
    if row["status"] == "given_back":
        fences.refuse_late(tx, assignment_id, fence)
    _refuse_given_back(row)
    result = {
        "succeeded": int(succeeded),
        "actual_cost_tokens": actual_cost_tokens,
        "actual_impact": actual_impact,
        "attested_by": attested_by,
    }
    if row["status"] == "finished":
        if any(row[name] != value for name, value in result.items()):
            raise AlreadyFinished(field="assignment_id", assignment_id=assignment_id, **{n: row[n] for n in result})
        work.changed = False
        return _finished(tx, row)
    lease = fences.check(work, assignment_id, fence, field="assignment_id")
    if attested_by is not None:
        quest = backlog.known_quest(tx, row["quest_id"])
        settlement.assert_independent(tx, attested_by, quest.account_id)
    fences.end(work, lease, "finished")
    tx.run("end_assignment", assignment_id=assignment_id, status="finished", note=note, now=work.now, **result)
    # What is not known stays charged by its estimate: as 0 it would leave the share as if nothing had been run.
    if actual_cost_tokens is not None:
        _correct(work, row, actual_cost_tokens)
    if usage is not None:
        runs.append_usage(work, assignment_id, usage)
    if succeeded:
        states.complete(work, row["task_id"])
    else:
        states.fail(work, row["task_id"], most_attempts=most_attempts)
    if cause is not None:
        endings.came_to_an_end(work, assignment_id, row["task_id"], run, succeeded=succeeded, cause=cause, note=note)
    return _finished(tx, row)


@effect("give_back_assignment")
def give_back_assignment(
    work: Work,
    *,
    assignment_id: str,
    reason: str,
    fence: int | None = None,
    cause: str | None = None,
    retry_at: datetime | None = None,
) -> None:
    """Undo that work was given out: its task is open again, and its quest's share is as it was."""
    run = None if cause is None else endings.run_of(work.tx, assignment_id)
    row = locked(work, assignment_id)
    if row["status"] == "finished":
        raise AlreadyFinished(field="assignment_id", assignment_id=assignment_id)
    if row["status"] == "given_back":
        work.changed = False
        return
    fences.end(work, fences.check(work, assignment_id, fence, field="assignment_id"), "given_back")
    undo(work, row, reason)
    if cause is not None:
        task_id = row["task_id"]
        endings.was_interrupted(work, assignment_id, task_id, run, cause=cause, note=reason, retry_at=retry_at)


def undo(work: Work, row: Row, reason: str) -> None:
    """Undo that locked work was given out; what becomes of its lease is for the caller to say."""
    assignment_id = row["assignment_id"]
    result = {"succeeded": None, "actual_cost_tokens": None, "actual_impact": None, "attested_by": None}
    ended = {"assignment_id": assignment_id, "status": "given_back", "note": reason, "now": work.now}
    work.tx.run("end_assignment", **ended, **result)
    _correct(work, row, 0)
    states.reopen(work, row["task_id"])


def locked(work: Work, assignment_id: str) -> dict[str, Any]:
    """Lock work that was given out, with its task, and return it. Raises UnknownAssignment."""
    tx = work.tx
    known = tx.row("assignment", assignment_id=assignment_id)
    if known is None:
        raise UnknownAssignment(field="assignment_id", assignment_id=assignment_id)
    states.lock(tx, [known["task_id"]])
    tx.rows("lock_assignment", assignment_id=assignment_id)
    return tx.rows("assignment", assignment_id=assignment_id)[0]


def _refuse_given_back(row: Row) -> None:
    if row["status"] == "given_back":
        raise AssignmentGivenBack(field="assignment_id", assignment_id=row["assignment_id"], reason=row["note"])


def _correct(work: Work, row: Row, actual_cost_tokens: int) -> None:
    work.tx.run(
        "correct_used",
        day=row["day"],
        quest_id=row["quest_id"],
        charged_tokens=row["charged_tokens"],
        actual_cost_tokens=actual_cost_tokens,
        now=work.now,
    )


def assignment_of(tx: Transaction, given: Row) -> Assignment:
    """Return what an agent has to know to run work that was given out."""
    task = backlog.known_task(tx, given["task_id"])
    slot = tx.rows("ask", slot_id=given["slot_id"])[0] if given["slot_id"] else {}
    profile = market_settings.profiles_of(tx, [given["pool"]])[given["pool"]]
    return Assignment(
        source=given["source"],
        assignment_id=given["assignment_id"],
        agent_id=given["agent_id"],
        task_id=task.task_id,
        quest_id=task.quest_id,
        title=task.title,
        payload=task.payload,
        pool=given["pool"],
        token_allowance=slot.get("token_allowance"),
        max_seconds=slot.get("max_seconds"),
        expected_value_usd=task.expected_value_usd,
        stop_at_tokens=stop_at(slot.get("token_allowance"), profile=profile),
    )


def _finished(tx: Transaction, row: Row) -> Finished:
    status, attempts = states.status_of(tx, row["task_id"])
    return Finished(row["assignment_id"], row["source"], row["task_id"], status, attempts, None)

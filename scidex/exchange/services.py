"""What an agent asks of the market: the slots it won, other work when it has none, and to begin and end both."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from scidex import settings as _settings
from scidex.errors import InvalidArgument, InvalidTime
from scidex.exchange import arguments as checked
from scidex.exchange import cycle
from scidex.exchange.income import refills
from scidex.exchange.views import timelines
from scidex.exchange.work import assignments, sold_slots
from scidex.exchange.work import usage as usage_fields
from scidex.mechanism import breaker
from scidex.records import Assignment, Finished, TimelineEvent, Usage
from scidex.settings import DEFAULT_POOL
from scidex.store import Database
from scidex.store.db_writes import execute_journaled

__all__ = ["finish", "give_back", "next_task", "start", "timeline", "won_slots"]


def won_slots(agent_id: str, *, db: Database | None = None) -> list[Assignment]:
    """
    Return the won slots that an agent bought or provides and that nobody has started, the oldest first.

    An agent reads these before it asks for its next task. Raises UnknownAccount.
    """
    name = checked.identifier(agent_id, "agent_id")
    with checked.database(db).reading() as tx:
        assignments.check_agent(tx, name)
        return sold_slots.won_by(tx, name)


def next_task(
    agent_id: str, now: datetime | None = None, *, pool: str = DEFAULT_POOL, db: Database | None = None
) -> Assignment | None:
    """
    Give an agent that holds no won slot a task to run, and mark it running; None where there is none for it.

    While the auction is healthy that is a slot (its own or the treasury's) that the last round left unsold at reserve
    0, for a task that did not bid. When no cycle completes any more it is any open task. Both go by the
    proportional split of the daily bucket: the quest that has used the smallest part of its share comes first, and in
    the fallback none beyond its share. No wallet is debited and nothing is refilled. Raises UnknownAccount,
    UnknownPool.
    """
    database = checked.database(db)
    moment = checked.moment(now, database)
    arguments: dict[str, Any] = {
        "agent_id": checked.identifier(agent_id, "agent_id"),
        "pool": checked.identifier(pool, "pool"),
        "mode": cycle.current_mode(pool, now=moment, db=database),
        "bucket_tokens": _settings.from_environment().daily_bucket_tokens,
    }
    # Idle agents ask often and mostly in vain: that must not cost a write.
    with database.reading() as tx:
        assignments.check_agent(tx, agent_id)
        if assignments.choose(tx, moment, **arguments) is None:
            return None
    return execute_journaled(database, assignments.next_task, arguments, now=moment)


def start(assignment: Assignment, *, now: datetime | None = None, db: Database | None = None) -> Assignment:
    """
    Mark an assignment as running, once, and a won slot's task with it; return it.

    For those who work without leases: a worker's lease does the same.

    Raises AlreadyStarted, TaskNotOpen (its task runs elsewhere, or has ended), SlotVoided, AssignmentGivenBack,
    UnknownSlot, UnknownAssignment.
    """
    database = checked.database(db)
    moment = checked.moment(now, database)
    if _is_clear(assignment):
        execute_journaled(database, sold_slots.start_slot, {"slot_id": assignment.assignment_id}, now=moment)
    else:
        execute_journaled(
            database, assignments.start_assignment, {"assignment_id": assignment.assignment_id}, now=moment
        )
    return assignment


def finish(
    assignment: Assignment,
    *,
    succeeded: bool,
    actual_cost_tokens: int | None = None,
    actual_impact: float | None = None,
    attested_by: str | None = None,
    note: str = "",
    cause: str = "",
    usage: Usage | None = None,
    fence: int | None = None,
    now: datetime | None = None,
    db: Database | None = None,
) -> Finished:
    """
    Say what came of an assignment: its cost in tokens, its impact in USD, and who attests that.

    Once it is leased, only with the fence number of its lease, and only before that ends. Without a cost it is that of
    `usage`: its tokens, or else its USD at the operator's rate. A cost that is not known is None, never 0: then there
    is no ROI, and a quest's share stays charged by the estimate.

    A won slot is settled, and attested impact refills the account that paid; other work is charged to its quest's share
    of the day and refills nothing. A task that succeeded is done. One that failed, with a word for the `cause`, has an
    impact of 0 where an evaluator judged it, and is open again until it has been tried `most_attempts` times (a
    setting). Where tasks in a row failed at once on a worker the next one is given back, and the worker pauses. The
    same call again answers the same. Raises LeaseLost, FenceMismatch, AlreadySettled, AlreadyFinished (for other
    numbers), SlotVoided, AssignmentGivenBack, UnknownSlot, UnknownAssignment, UnknownAccount, AttesterNotIndependent,
    InvalidAmount, InvalidArgument.
    """
    if type(succeeded) is not bool:
        raise InvalidArgument(field="succeeded", value=succeeded, fact="must be True or False")
    given = _settings.from_environment()
    known = None if usage is None else usage_fields.checked(usage)
    impact = None if actual_impact is None else checked.number(actual_impact, "actual_impact", least=-checked.MOST_USD)
    result = {
        "succeeded": succeeded,
        "actual_cost_tokens": _cost(actual_cost_tokens, known, given.tokens_per_usd),
        "actual_impact": _impact(impact, succeeded, attested_by),
        "attested_by": None if attested_by is None else checked.identifier(attested_by, "attested_by"),
        "note": checked.text(note, "note"),
        "most_attempts": given.most_attempts,
        "cause": checked.cause(cause),
        **({} if known is None else {"usage": known}),
        **_fenced(fence),
    }
    database = checked.database(db)
    moment = checked.moment(now, database)
    if _is_clear(assignment):
        run = {"slot_id": assignment.assignment_id, "terms": refills.terms(given), **result}
        return execute_journaled(database, sold_slots.finish_slot, run, now=moment)
    work = {"assignment_id": assignment.assignment_id, **result}
    return execute_journaled(database, assignments.finish_assignment, work, now=moment)


def give_back(
    assignment: Assignment,
    reason: str = "given back",
    *,
    cause: str = "",
    retry_at: datetime | None = None,
    fence: int | None = None,
    now: datetime | None = None,
    db: Database | None = None,
) -> None:
    """
    Undo an assignment that was interrupted: its task is open again, nobody has paid, and the attempt does not count.

    `cause` is a word for what interrupted it, and `retry_at` when to try again where that is known: until then, or for
    pauses that grow, its worker offers nothing. Nor do others that draw on the same account where `cause` is of that:
    quota, rate_limit, overload, login, provider_error. Once it is leased, only with the fence number of its lease.
    Raises LeaseLost, FenceMismatch, AlreadySettled, AlreadyFinished, UnknownSlot, UnknownAssignment, InvalidTime,
    InvalidArgument.
    """
    database = checked.database(db)
    moment = checked.moment(now, database)
    why = {
        "reason": checked.text(reason, "reason"),
        "cause": checked.cause(cause),
        "retry_at": None if retry_at is None else _retry_at(retry_at, moment),
        **_fenced(fence),
    }
    if _is_clear(assignment):
        run = {"slot_id": assignment.assignment_id, "fence": None, **why}
        execute_journaled(database, sold_slots.give_back_slot, run, now=moment)
        return
    given = {"assignment_id": assignment.assignment_id, **why}
    execute_journaled(database, assignments.give_back_assignment, given, now=moment)


def timeline(slot_id: str, *, db: Database | None = None) -> list[TimelineEvent]:
    """
    Return the steps of a run in order of time: offered, won, leased, started, exited, metered, attested, settled.

    `slot_id` is a slot's id, or an assignment's. Heartbeats are told as the last one and how many there were. Raises
    UnknownSlot.
    """
    name = checked.identifier(slot_id, "slot_id")
    with checked.database(db).reading() as tx:
        return timelines.timeline(tx, name)


def _retry_at(told: datetime, now: datetime) -> datetime:
    moment = checked.instant(told, "retry_at")
    if moment > now + breaker.MOST_AHEAD:
        raise InvalidTime(field="retry_at", value=told, fact=f"must lie within {breaker.MOST_AHEAD.days} days")
    return moment


def _impact(told: float | None, succeeded: bool, attested_by: str | None) -> float | None:
    """Return the impact of a run: one that failed had none, where somebody judged it, and else nobody knows."""
    if succeeded:
        return told
    return None if attested_by is None else 0.0


def _cost(told: int | None, usage: dict[str, Any] | None, tokens_per_usd: int) -> int | None:
    if told is None and usage is not None:
        told = Usage(**usage).cost_tokens(tokens_per_usd)
    return None if told is None else checked.tokens(told, "actual_cost_tokens", least=0)


def _fenced(fence: int | None) -> dict[str, int]:
    return {} if fence is None else {"fence": checked.count(fence, "fence", most=checked.MOST_NUMBER)}


def _is_clear(assignment: Assignment) -> bool:
    if not isinstance(assignment, Assignment):
        raise InvalidArgument(field="assignment", value=assignment, fact="must be an Assignment of this market")
    return assignment.source == "auction"

"""A task's state inside a transaction: changing it moves the tasks that wait for it, and the bids for all of them."""

from __future__ import annotations

from collections.abc import Iterable

from scidex.exchange.book import competitors
from scidex.store.database import Transaction
from scidex.store.db_writes import Work

BACKLOG = "backlog"
"""The lock that whoever changes tasks shares, and whoever changes what they wait for holds alone."""

_NOT_DONE = ("open", "blocked", "running", "failed", "held")


def lock(tx: Transaction, task_ids: Iterable[str], *, pools: Iterable[str] = ()) -> None:
    """
    Let nobody else change these tasks, those that wait for them, or which bids for any of them may compete.

    `pools` are locked too, beside those in which bids for these tasks are open.
    """
    names = set(task_ids)
    tx.lock([BACKLOG], shared=True)
    competitors.lock_for_change_of(tx, names | set(tx.values("dependents_of", task_ids=sorted(names))), pools=pools)


def start(work: Work, task_id: str) -> bool:
    """Mark a locked task running, if it is open; return whether it was."""
    started = work.tx.run("start_task", task_id=task_id, now=work.now) == 1
    if started:
        competitors.rerank_tasks(work.tx, [task_id], round_bids_too=True)
    return started


def complete(work: Work, task_id: str) -> None:
    """Mark a locked task done; what waited for nothing else opens."""
    _step(work, task_id, "done", from_statuses=_NOT_DONE)


def fail(work: Work, task_id: str, *, most_attempts: int) -> None:
    """Open a locked task again after an attempt that failed, or mark it failed where that was the last one."""
    state = work.tx.row("task_state", task_id=task_id)
    if state is None or state["status"] not in ("open", "running"):
        competitors.rerank_tasks(work.tx, [task_id], round_bids_too=True)
        return
    # An attempt that was never marked as started counts as well.
    attempts = state["attempts"] + (state["status"] == "open")
    to = "failed" if attempts >= most_attempts else "open"
    _step(work, task_id, to, from_statuses=("open", "running"), attempts=attempts)


def reopen(work: Work, task_id: str) -> None:
    """Open a locked task again that ran and came to no end: that it was started does not count as an attempt."""
    state = work.tx.row("task_state", task_id=task_id)
    attempts = None
    # In journals that leave it out such an attempt did count.
    if state is not None and state["status"] == "running" and not work.leaves_out("attempts"):
        attempts = work.make_up("attempts", lambda: max(0, state["attempts"] - 1))
    _step(work, task_id, "open", from_statuses=("running",), attempts=attempts)


def hold(work: Work, task_id: str, reason: str) -> None:
    """Keep the market off a locked task that is not done, until someone opens it again."""
    _step(work, task_id, "held", from_statuses=_NOT_DONE, reason=reason)


def set_status(work: Work, task_id: str, status: str, *, reason: str = "") -> None:
    """Take a locked task to `status` by hand: one that is opened again has all its attempts before it."""
    attempts = 0 if status == "open" else None
    statuses = (*_NOT_DONE, "done")
    _step(work, task_id, status, from_statuses=statuses, attempts=attempts, reason=reason, by="operator")


def status_of(tx: Transaction, task_id: str) -> tuple[str | None, int]:
    """Return a task's state and its attempts; None and 0 for one that the backlog does not know."""
    state = tx.row("task_state", task_id=task_id)
    return (state["status"], state["attempts"]) if state else (None, 0)


def follow(work: Work, task_ids: Iterable[str]) -> None:
    """Block and open locked tasks as what they wait for says, and move the bids for all of them."""
    names = sorted(set(task_ids))
    work.tx.run("block_waiting_tasks", task_ids=names, now=work.now)
    work.tx.run("open_ready_tasks", task_ids=names, now=work.now)
    competitors.rerank_tasks(work.tx, names, round_bids_too=True)


def _step(
    work: Work,
    task_id: str,
    to: str,
    *,
    from_statuses: tuple[str, ...],
    attempts: int | None = None,
    reason: str = "",
    by: str = "market",
) -> None:
    tx = work.tx
    state = tx.row("task_state", task_id=task_id)
    if state is None:  # somebody else's: nothing is known to wait for it
        competitors.rerank_tasks(tx, [task_id], round_bids_too=True)
        return
    tx.run(
        "step_task",
        task_id=task_id,
        status=to,
        attempts=state["attempts"] if attempts is None else attempts,
        from_statuses=list(from_statuses),
        status_reason=reason,
        status_by=by,
        now=work.now,
    )
    follow(work, [task_id, *tx.values("dependents_of", task_ids=[task_id])])

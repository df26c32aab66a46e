"""How runs end, inside their transaction: what is kept of it, and what it means for the task, the worker and others."""

from __future__ import annotations

from datetime import datetime

from scidex.exchange.quests import states
from scidex.exchange.work import pauses
from scidex.mechanism import breaker
from scidex.store.database import Row, Transaction
from scidex.store.db_writes import Work

BLACK_HOLE = "its runs failed at once, again and again, while others' succeeded"
_AT_FAULT = f"{breaker.MOST_QUICK_FAILURES} tasks in a row failed at once on this worker"


def run_of(tx: Transaction, run_id: str) -> Row | None:
    """Return the live lease of a run with what its worker draws on; None for one that was never leased."""
    return tx.row("live_run", run_id=run_id)


def came_to_an_end(
    work: Work, run_id: str, task_id: str, run: Row | None, *, succeeded: bool, cause: str, note: str
) -> None:
    """Keep that a run succeeded or failed; what was paused before it began is not any more."""
    ending = "succeeded" if succeeded else "failed"
    keep(work, run_id, task_id, run, ending, cause=cause, note=note)
    work.tx.post("forget_losses", task_id=task_id)
    if run is None:
        return
    pauses.close(work, run)
    if succeeded or not _is_quick(work, run):
        work.tx.post("forget_failures", worker_id=run["worker_id"])
    else:
        _count_failure(work, run, task_id)


def was_interrupted(
    work: Work, run_id: str, task_id: str, run: Row | None, *, cause: str, note: str, retry_at: datetime | None
) -> None:
    """Keep that a run was interrupted, and pause what it depends on."""
    keep(work, run_id, task_id, run, "interrupted", cause=cause, note=note, retry_at=retry_at)
    work.tx.post("forget_losses", task_id=task_id)
    if run is not None:
        pauses.interrupt(work, run, cause=cause, note=note, retry_at=retry_at)


def was_lost(work: Work, run_id: str, task_id: str, run: Row | None, *, note: str, most_losses: int) -> None:
    """Keep that a run's worker was lost, and hold a task that ended too many workers."""
    keep(work, run_id, task_id, run, "lost", cause="worker_lost", note=note)
    work.tx.run("count_loss", task_id=task_id)
    counted = work.tx.values("losses_of_task", task_id=task_id)
    if counted and counted[0] >= most_losses:
        states.hold(work, task_id, f"{counted[0]} workers in a row were lost while they ran it")
        work.tx.post("forget_losses", task_id=task_id)


def blames_worker(work: Work, run: Row | None, task_id: str) -> str:
    """Return why a run that fails now is its worker's fault and not its task's; '' where it is the task's."""
    if run is None or not _is_quick(work, run):
        return ""
    row = work.tx.row("failures_of_worker", worker_id=run["worker_id"])
    if row is None or row["failures"] < breaker.MOST_QUICK_FAILURES or row["last_task_id"] == task_id:
        return ""
    return _AT_FAULT


def stop_black_hole(work: Work, run: Row | None) -> None:
    """Stop a worker that is at fault, where the same work succeeds elsewhere."""
    if run is None:
        return
    row = work.tx.row("failures_of_worker", worker_id=run["worker_id"])
    since = None if row is None else row["since_at"]
    if since and work.tx.row("others_succeeded_since", worker_id=run["worker_id"], since_at=since):
        work.tx.run("stop_for_good", worker_id=run["worker_id"], because=BLACK_HOLE, now=work.now)


def keep(
    work: Work,
    run_id: str,
    task_id: str,
    run: Row | None,
    ending: str,
    *,
    cause: str,
    note: str,
    retry_at: datetime | None = None,
) -> None:
    """Keep how a run ended."""
    worker_id = None if run is None else run["worker_id"]
    told = {"ending": ending, "cause": cause, "note": note, "retry_at": retry_at}
    work.tx.run("save_ending", run_id=run_id, task_id=task_id, worker_id=worker_id, now=work.now, **told)


def _is_quick(work: Work, run: Row) -> bool:
    return breaker.is_quick(began_at=run["leased_at"], now=work.now)


def _count_failure(work: Work, run: Row, task_id: str) -> None:
    """Count a task that failed at once on a worker, and each task once in a row: a bad task is no bad worker."""
    row = work.tx.row("failures_of_worker", worker_id=run["worker_id"])
    if row is not None and row["last_task_id"] == task_id:
        return
    failures, since = (1, work.now) if row is None else (row["failures"] + 1, row["since_at"])
    counted = {"worker_id": run["worker_id"], "failures": failures, "last_task_id": task_id, "since_at": since}
    work.tx.run("save_failures", **counted)

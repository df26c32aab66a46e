"""Leasing runs to workers, and ending leases that ran out: what the verbs do inside their transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from scidex.errors import NotTheWorkersSlot, UnknownSlot
from scidex.exchange.work import assignments, endings, fences, settlement, sold_slots, workers
from scidex.records import Assignment, Lease
from scidex.store.database import Row
from scidex.store.db_writes import Work, effect


@effect("lease")
def lease(work: Work, *, run_id: str, worker_id: str) -> Lease:
    """Lease a won slot, or an assignment that was given out, to a worker that may run it, and mark it running."""
    worker = workers.lock_alive(work.tx, worker_id)
    given = work.tx.row("assignment", assignment_id=run_id)
    if given is None:
        if work.tx.row("ask", slot_id=run_id) is None:
            raise UnknownSlot(field="run_id", slot_id=run_id)
        return _lease_slot(work, worker, run_id)
    if (given["agent_id"], given["pool"]) != (worker["account_id"], worker["pool"]):
        raise NotTheWorkersSlot(field="run_id", run_id=run_id, worker_id=worker_id)
    assignments.start_assignment(work, assignment_id=run_id)
    return _granted(work, worker, assignments.assignment_of(work.tx, given))


@effect("lease_next")
def lease_next(work: Work, *, worker_id: str) -> Lease | None:
    """Lease the oldest won slot that waits and that a worker may run, past those that others are about to take."""
    worker = workers.lock_alive(work.tx, worker_id)
    slot_id = work.make_up("slot_id", lambda: workers.claim_slot(work.tx, worker))
    work.changed = slot_id is not None
    return None if slot_id is None else _lease_slot(work, worker, slot_id)


@effect("lease_task")
def lease_task(work: Work, *, worker_id: str, mode: str, bucket_tokens: int) -> Lease | None:
    """Give a worker the next task outside the auction, and lease it in the same transaction."""
    worker = workers.lock_alive(work.tx, worker_id)
    asked = {"agent_id": worker["account_id"], "worker_id": worker_id, "pool": worker["pool"], "mode": mode}
    given = assignments.next_task(work, **asked, bucket_tokens=bucket_tokens)
    if given is None:
        return None
    slot_id = work.tx.rows("assignment", assignment_id=given.assignment_id)[0]["slot_id"]
    if slot_id is not None:
        workers.forget(work.tx, slot_id)
    assignments.start_assignment(work, assignment_id=given.assignment_id)
    return _granted(work, worker, given)


@effect("expire_lease")
def expire_lease(work: Work, *, run_id: str, fence: int, source: str, most_losses: int | None = None) -> bool:
    """
    End a lease that ran out: its run is undone, and its task open again. Return whether it had run out.

    A task that ended `most_losses` workers in a row is held.
    """
    run = endings.run_of(work.tx, run_id)
    undo = _undoing_clear(work, run_id) if source == "auction" else _undoing_assignment(work, run_id)
    held = fences.live(work, run_id)
    work.changed = held is not None and held["fence"] == fence and held["ends_at"] <= work.now
    if held is None or not work.changed:
        return False
    fences.end(work, held, "expired")
    note = f"the lease of worker {held['worker_id']} ran out"
    undo(note)
    if most_losses is not None:
        endings.was_lost(work, run_id, held["task_id"], run, note=note, most_losses=most_losses)
    return True


def _undoing_clear(work: Work, slot_id: str) -> Callable[[str], object]:
    clear = settlement.lock_sold(work.tx, slot_id)
    return lambda reason: settlement.void_sold(work, clear, reason)


def _undoing_assignment(work: Work, assignment_id: str) -> Callable[[str], object]:
    row = assignments.locked(work, assignment_id)
    return lambda reason: assignments.undo(work, row, reason)


def _lease_slot(work: Work, worker: Row, slot_id: str) -> Lease:
    clear = settlement.lock_sold(work.tx, slot_id)
    parties = {"bidder_id": clear.bidder_id, "provider_id": clear.provider_id}
    if clear.pool != worker["pool"] or not workers.may_run(worker, **parties):
        raise NotTheWorkersSlot(field="run_id", run_id=slot_id, worker_id=worker["worker_id"])
    sold_slots.start_sold(work, clear)
    workers.forget(work.tx, slot_id)
    return _granted(work, worker, sold_slots.assignment_of(work.tx, slot_id, worker["account_id"]))


def _granted(work: Work, worker: Row, assignment: Assignment) -> Lease:
    lease = Lease(
        fence=fences.draw(work, assignment.task_id),
        worker_id=worker["worker_id"],
        lease_seconds=worker["lease_seconds"],
        leased_at=work.now,
        ends_at=work.now + timedelta(seconds=worker["lease_seconds"]),
        assignment=assignment,
    )
    facts = {name: value for name, value in lease._asdict().items() if name != "assignment"}
    work.tx.run(
        "insert_lease",
        run_id=assignment.assignment_id,
        source=assignment.source,
        task_id=assignment.task_id,
        **facts,
    )
    return lease

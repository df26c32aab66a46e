"""Leases: who may run what until when. A fence number goes with each, and a late result is refused."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from scidex import settings as _settings
from scidex.errors import AlreadyStarted, LeaseLost, TaskNotOpen, UnknownLease
from scidex.exchange import arguments as checked
from scidex.exchange import cycle
from scidex.exchange.book.pools import read_pools
from scidex.exchange.work import assignments, leases, pauses, sold_slots, workers
from scidex.records import Assignment, Lease, LeaseState
from scidex.settings import DEFAULT_POOL
from scidex.store import Database
from scidex.store.database import Row, Transaction
from scidex.store.db_writes import execute_journaled, write_unjournaled

__all__ = [
    "find_lease",
    "get_lease",
    "heartbeat",
    "held_by",
    "lease",
    "lease_next",
    "lease_task",
    "list_leases",
    "note_step",
    "wait_for_round",
]

STEPS = ("started", "exited", "metered")
_MOST_PAGE = 1_000
_MOST_WAIT_SECONDS = 60.0
# A slot that its worker may not start is given back, and the next one is tried, at most so many in one call.
_MOST_TRIED = 100


def lease(run_id: str, worker_id: str, *, now: datetime | None = None, db: Database | None = None) -> Lease:
    """
    Lease a won slot, or an assignment that was given out, to a worker that may run it, and mark it running.

    `run_id` is the slot's id or the assignment's. From now on its end is told with the lease's fence number. Raises
    UnknownWorker, WorkerLost, NotTheWorkersSlot, AlreadyStarted, TaskNotOpen, SlotVoided, AssignmentGivenBack,
    SlotNotSold, UnknownSlot.
    """
    database = checked.database(db)
    arguments = {
        "run_id": checked.identifier(run_id, "run_id"),
        "worker_id": checked.identifier(worker_id, "worker_id"),
    }
    return execute_journaled(database, leases.lease, arguments, now=checked.moment(now, database))


def lease_next(worker_id: str, *, now: datetime | None = None, db: Database | None = None) -> Lease | None:
    """
    Lease the oldest won slot that waits in a worker's pool and that it may run, or return None.

    Those are what its account bought or provides, and what is provided by the account that it works for. Many workers
    may ask at once: each gets another slot, and none waits for the others. A slot whose task may not run now is voided,
    and the next one is tried. Raises UnknownWorker, WorkerLost.
    """
    database = checked.database(db)
    arguments = {"worker_id": checked.identifier(worker_id, "worker_id")}
    moment = checked.moment(now, database)
    for _ in range(_MOST_TRIED):
        with database.reading() as tx:  # mostly nothing waits: that must not cost a write
            worker = workers.alive(tx, worker_id)
            if not workers.has_slot_waiting(tx, worker) or not pauses.may_lease(tx, worker, moment):
                return None
        try:
            return execute_journaled(database, leases.lease_next, arguments, now=moment)
        except TaskNotOpen as refusal:
            why = {"slot_id": refusal.facts["slot_id"], "reason": f"its task is {refusal.facts['status']}"}
            execute_journaled(database, sold_slots.give_back_slot, {**why, "fence": None}, now=moment)
        except AlreadyStarted:  # another worker was a moment sooner
            continue
    return None


def lease_task(worker_id: str, *, now: datetime | None = None, db: Database | None = None) -> Lease | None:
    """
    Lease a worker a task outside the auction, as `services.next_task` gives it one; None where there is none.

    Raises UnknownWorker, WorkerLost.
    """
    database = checked.database(db)
    name = checked.identifier(worker_id, "worker_id")
    moment = checked.moment(now, database)
    with database.reading() as tx:
        worker = workers.alive(tx, name)
        if not pauses.may_lease(tx, worker, moment):
            return None
    given: dict[str, Any] = {
        "mode": cycle.current_mode(worker["pool"], now=moment, db=database),
        "bucket_tokens": _settings.from_environment().daily_bucket_tokens,
    }
    with database.reading() as tx:
        whose = {"agent_id": worker["account_id"], "worker_id": name, "pool": worker["pool"]}
        if assignments.choose(tx, moment, **whose, **given) is None:
            return None
    return execute_journaled(database, leases.lease_task, {"worker_id": name, **given}, now=moment)


def heartbeat(fence: int, *, now: datetime | None = None, db: Database | None = None) -> LeaseState:
    """
    Renew a lease by its own length from now on, and return it.

    Not journaled: what heartbeats said is written down when the lease ends. Raises LeaseLost where the lease has ended,
    which changes nothing, and UnknownLease.
    """
    return _note(fence, {}, now, db)


def note_step(
    fence: int, step: str, note: str = "", *, now: datetime | None = None, db: Database | None = None
) -> LeaseState:
    """
    Note that a run has `started`, `exited` or was `metered`, and renew its lease; return the lease.

    Raises LeaseLost where the lease has ended, which changes nothing, and UnknownLease, InvalidArgument.
    """
    checked.choice(step, "step", STEPS)
    text = checked.text(note, "note")
    return _note(fence, {step: text}, now, db)


def get_lease(fence: int, *, db: Database | None = None) -> LeaseState:
    """Return a lease as it stands. Raises UnknownLease."""
    number = _fence(fence)
    with checked.database(db).reading() as tx:
        return _state(tx, number)


def find_lease(fence: int, *, db: Database | None = None) -> Lease:
    """Return a lease as it was granted, whether or not it has ended. Raises UnknownLease."""
    number = _fence(fence)
    with checked.database(db).reading() as tx:
        return _lease(tx, _state(tx, number)._asdict())


def held_by(worker_id: str, *, db: Database | None = None) -> list[Lease]:
    """
    Return what a worker holds, the oldest first, as it was leased: for one that does not know whether it got it.

    Raises UnknownWorker.
    """
    name = checked.identifier(worker_id, "worker_id")
    with checked.database(db).reading() as tx:
        workers.known(tx, name)
        rows = tx.rows("live_leases_of_worker_page", worker_id=name, page=_MOST_PAGE)
        return [_lease(tx, row) for row in reversed(rows)]


def list_leases(
    *, worker_id: str | None = None, ended_too: bool = False, limit: int = 100, db: Database | None = None
) -> list[LeaseState]:
    """Return live leases, the latest first, and on request those that ended; of one worker or of all."""
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    every = checked.flag(ended_too, "ended_too")
    with checked.database(db).reading() as tx:
        if worker_id is None:
            rows = tx.rows("leases_page" if every else "live_leases_page", page=page)
        else:
            name = checked.identifier(worker_id, "worker_id")
            statement = "leases_of_worker_page" if every else "live_leases_of_worker_page"
            rows = tx.rows(statement, worker_id=name, page=page)
    return [LeaseState(**row) for row in rows]


def wait_for_round(after: int, seconds: float = 10.0, *, pool: str = DEFAULT_POOL, db: Database | None = None) -> int:
    """
    Wait until a pool's open round is another than `after`, at most so many seconds (to 60); return the open round.

    Workers learn by this that a round has cleared. Raises UnknownPool.
    """
    database = checked.database(db)
    name = checked.identifier(pool, "pool")
    known = checked.count(after, "after", least=0, most=checked.MOST_NUMBER)
    ends = time.monotonic() + checked.number(seconds, "seconds", least=0.0, most=_MOST_WAIT_SECONDS)
    while True:
        heard = database.heard(f"round {name}")
        with database.reading() as tx:
            open_round: int = read_pools(tx, [name])[name].open_round_id
        left = ends - time.monotonic()
        if open_round != known or left <= 0:
            return open_round
        database.listen(f"round {name}", heard, left)


def _note(fence: int, steps: dict[str, str], now: datetime | None, db: Database | None) -> LeaseState:
    database, number = checked.database(db), _fence(fence)
    moment = checked.moment(now, database)

    def work(tx: Transaction) -> LeaseState:
        renewed = tx.row("lock_leases_to_renew", fences=[number], now=moment, any_worker=1, worker_id="")
        if renewed is None:
            ended = _state(tx, number)
            status = "expired" if ended.status == "live" else ended.status
            raise LeaseLost(field="fence", run_id=ended.run_id, fence=number, status=status, ended_at=ended.ended_at)
        tx.run("beat_lease", fence=number, now=moment, ends_at=moment + timedelta(seconds=renewed["lease_seconds"]))
        if steps:
            tx.run("note_step", fence=number, **_noted(steps, moment))
        return _state(tx, number)

    return write_unjournaled(database, work)


def _noted(steps: dict[str, str], moment: datetime) -> dict[str, Any]:
    instants = {f"{step}_at": moment if step in steps else None for step in STEPS}
    return {**instants, "exit_note": steps.get("exited", ""), "usage_note": steps.get("metered", "")}


def _state(tx: Transaction, fence: int) -> LeaseState:
    row = tx.row("lease", fence=fence)
    if row is None:
        raise UnknownLease(field="fence", fence=fence)
    return LeaseState(**row)


def _lease(tx: Transaction, row: Row) -> Lease:
    facts = {name: row[name] for name in ("fence", "worker_id", "lease_seconds", "leased_at", "ends_at")}
    return Lease(**facts, assignment=_assignment(tx, row))


def _assignment(tx: Transaction, row: Row) -> Assignment:
    if row["source"] == "auction":
        return sold_slots.assignment_of(tx, row["run_id"], row["account_id"])
    return assignments.assignment_of(tx, tx.rows("assignment", assignment_id=row["run_id"])[0])


def _fence(value: Any) -> int:
    return checked.count(value, "fence", most=checked.MOST_NUMBER)

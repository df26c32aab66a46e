"""Workers and the slots that they offer: what the verbs about them do inside their transaction."""

from __future__ import annotations

from datetime import datetime, timedelta

from scidex.errors import AskNotOpen, UnknownAccount, UnknownWorker, WorkerExists, WorkerLost, WorkerStopped
from scidex.exchange.book import asks as book_asks
from scidex.exchange.book import pools
from scidex.exchange.work import assignments, pauses, settlement
from scidex.records import Ask
from scidex.settings import ISSUANCE
from scidex.store.database import Database, Row, Transaction
from scidex.store.db_writes import Work, effect, execute_journaled


@effect("register_worker")
def register_worker(
    work: Work,
    *,
    worker_id: str,
    account_id: str,
    pool: str,
    seats: int,
    lease_seconds: float,
    provider_id: str | None = None,
    draws_on: str = "",
) -> None:
    """Let a worker be known, or be alive again."""
    tx = work.tx
    try:
        assignments.check_agent(tx, account_id)
    except UnknownAccount:
        raise UnknownAccount(field="account_id", account_id=account_id) from None
    # In journals from before workers offered for the treasury, each sold for its own account.
    provider_id = account_id if provider_id is None else provider_id
    if tx.row("account", account_id=provider_id) is None or provider_id == ISSUANCE:
        raise UnknownAccount(field="provider_id", account_id=provider_id)
    pools.read_pools(tx, [pool])
    before = tx.row("lock_worker_to_end", worker_id=worker_id)
    if before is not None and before["account_id"] != account_id:
        raise WorkerExists(field="worker_id", worker_id=worker_id, account_id=before["account_id"])
    if before is not None and before["stopped_because"]:
        raise WorkerStopped(field="worker_id", worker_id=worker_id, fact=before["stopped_because"])
    tx.run(
        "add_worker",
        worker_id=worker_id,
        account_id=account_id,
        provider_id=provider_id,
        draws_on=draws_on,
        pool=pool,
        seats=seats,
        lease_seconds=lease_seconds,
        now=work.now,
        ends_at=work.now + timedelta(seconds=lease_seconds),
    )
    # What was last heard of it says that it is lost.
    tx.run("forget_worker_heartbeats", worker_id=worker_id)


@effect("keep_offers")
def keep_offers(
    work: Work,
    *,
    worker_id: str,
    wanted: int,
    reserve_price_tokens: int,
    token_allowance: int | None,
    max_seconds: int | None,
) -> list[Ask]:
    """Offer more slots of a worker, or withdraw some, until so many are on offer or wait; return those that are new."""
    tx = work.tx
    worker = lock_alive(tx, worker_id)
    pools.lock_pools(tx, [worker["pool"]])  # no round sells any of them meanwhile
    on_offer, waiting = work.make_up("slots", lambda: slots_of(tx, worker_id))
    most = pauses.claim_trials(work, worker) if wanted else pauses.EVERYTHING
    voided = [slot_id for slot_id in waiting[most:] if _void_unleased(work, slot_id, f"worker {worker_id} pauses")]
    wanted = min(wanted, most)
    missing = wanted - len(on_offer) - len(waiting) + len(voided)
    withdrawn = [slot_id for slot_id in on_offer[: max(0, -missing)] if _withdraw(work, slot_id)]
    asks = _offer(
        work,
        worker,
        max(0, missing),
        reserve_price_tokens=reserve_price_tokens,
        token_allowance=token_allowance,
        max_seconds=max_seconds,
    )
    work.changed = bool(withdrawn or asks or voided)
    return asks


@effect("stop_worker")
def stop_worker(work: Work, *, worker_id: str) -> None:
    """Say that a worker has stopped; what it still has on offer or won is for others to clear away."""
    _lock_to_end(work.tx, worker_id)
    work.changed = work.tx.run("end_worker", worker_id=worker_id, status="stopped", now=work.now) == 1
    pauses.forget(work.tx, worker_id)


@effect("lose_worker")
def lose_worker(work: Work, *, worker_id: str) -> bool:
    """Say that a worker is lost, if it was not heard of in time; return whether it is."""
    tx = work.tx
    worker = _lock_to_end(tx, worker_id)
    unheard = work.make_up("unheard", lambda: tx.rows("worker_end", worker_id=worker_id)[0]["ends_at"] <= work.now)
    work.changed = worker["status"] == "alive" and unheard
    if work.changed:
        tx.run("end_worker", worker_id=worker_id, status="lost", now=work.now)
        pauses.forget(tx, worker_id)
    return work.changed


@effect("clear_away_slot")
def clear_away_slot(work: Work, *, slot_id: str, worker_id: str) -> str | None:
    """End a slot whose worker is gone and that nobody leased: on offer it expires, sold it is voided."""
    tx = work.tx
    worker = _lock_to_end(tx, worker_id)
    ask = tx.rows("ask", slot_id=slot_id)[0]
    work.changed = worker["status"] != "alive"
    if not work.changed:
        return None
    pools.lock_pools(tx, [ask["pool"]])
    tx.rows("lock_ask", slot_id=slot_id)
    if tx.run("expire_ask", slot_id=slot_id):
        forget(tx, slot_id)
        return "expired"
    return _void_unleased(work, slot_id, f"worker {worker_id} {worker['status']}")


def _void_unleased(work: Work, slot_id: str, reason: str) -> str | None:
    if work.tx.rows("ask", slot_id=slot_id)[0]["status"] != "sold":  # withdrawn in the meantime
        forget(work.tx, slot_id)
        return None
    clear = settlement.lock_sold(work.tx, slot_id)
    forget(work.tx, slot_id)
    if clear.status != "won":
        return None
    settlement.void_sold(work, clear, reason)
    return "voided"


def lock_alive(tx: Transaction, worker_id: str) -> Row:
    """Keep a worker as it is, and return it. Raises UnknownWorker, WorkerLost."""
    return _assert_alive(tx.row("lock_worker", worker_id=worker_id), worker_id)


def lock_not_lost(tx: Transaction, worker_id: str) -> Row:
    """The same for one that is alive, or that stopped and still runs what it holds."""
    worker = tx.row("lock_worker", worker_id=worker_id)
    return worker if worker and worker["status"] == "stopped" else _assert_alive(worker, worker_id)


def alive(tx: Transaction, worker_id: str) -> Row:
    """Return a worker that is alive, as it was a moment ago. Raises UnknownWorker, WorkerLost."""
    return _assert_alive(tx.row("worker", worker_id=worker_id), worker_id)


def known(tx: Transaction, worker_id: str) -> Row:
    """Return a worker, alive or not. Raises UnknownWorker."""
    worker = tx.row("worker", worker_id=worker_id)
    if worker is None:
        raise UnknownWorker(field="worker_id", worker_id=worker_id)
    return worker


def clear_away(db: Database, now: datetime, *, most: int) -> dict[str, int]:
    """End the slots of workers that are gone, each in its transaction; return how many expired and were voided."""
    ended = {"expired": 0, "voided": 0}
    with db.reading() as tx:
        found = [*tx.rows("slots_of_ended_workers", most=most), *tx.rows("slots_without_a_worker", most=most)]
    for slot in found:
        end = execute_journaled(db, clear_away_slot, slot, now=now)
        if end is not None:
            ended[end] += 1
    return ended


def has_slot_waiting(tx: Transaction, worker: Row) -> bool:
    """Return whether a won slot that a worker may run waits to be leased."""
    return _first_slot(tx, worker, bought="slot_bought_waiting", provided="slot_provided_waiting") is not None


def claim_slot(tx: Transaction, worker: Row) -> str | None:
    """Return the oldest won slot that a worker may run and no other is about to take; of its own account first."""
    return _first_slot(tx, worker, bought="claim_slot_bought", provided="claim_slot_provided")


def may_run(worker: Row, *, bidder_id: str, provider_id: str) -> bool:
    """Return whether a worker may run a slot: its account bought or provides it, or it works for who provides it."""
    return worker["account_id"] in (bidder_id, provider_id) or worker["provider_id"] == provider_id


def _first_slot(tx: Transaction, worker: Row, *, bought: str, provided: str) -> str | None:
    own, works_for = worker["account_id"], worker["provider_id"]
    looks = [(bought, own), (provided, own), *([(provided, works_for)] if works_for != own else [])]
    for statement, account_id in looks:
        if found := tx.values(statement, account_id=account_id, pool=worker["pool"]):
            return str(found[0])
    return None


def slots_of(tx: Transaction, worker_id: str) -> tuple[list[str], list[str]]:
    """Return a worker's slots that are on offer, the latest first, and those that were sold and not leased."""
    on_offer, waiting = (
        tx.values(statement, worker_id=worker_id)
        for statement in ("slots_on_offer_of_worker", "slots_waiting_for_worker")
    )
    return on_offer, waiting


def forget(tx: Transaction, slot_id: str) -> None:
    """Forget which worker offered a slot that is off the market or leased."""
    tx.run("forget_worker_slots", slot_ids=[slot_id])


def _assert_alive(worker: Row | None, worker_id: str) -> Row:
    if worker is None:
        raise UnknownWorker(field="worker_id", worker_id=worker_id)
    if worker["status"] != "alive":
        raise WorkerLost(field="worker_id", worker_id=worker_id, status=worker["status"])
    return worker


def _lock_to_end(tx: Transaction, worker_id: str) -> Row:
    worker = tx.row("lock_worker_to_end", worker_id=worker_id)
    if worker is None:
        raise UnknownWorker(field="worker_id", worker_id=worker_id)
    return worker


def _offer(work: Work, worker: Row, count: int, **terms: int | None) -> list[Ask]:
    if not count:
        return []
    asks = book_asks.offer_slots(
        work,
        count=count,
        pool=worker["pool"],
        provider_id=worker["provider_id"],
        available_at=None,
        expires_at=None,
        idempotency_key=None,
        **terms,  # type: ignore[arg-type]  # the reserve is a number
    )
    work.tx.run_many("add_worker_slot", [{"slot_id": k.slot_id, "worker_id": worker["worker_id"]} for k in asks])
    return asks


def _withdraw(work: Work, slot_id: str) -> bool:
    try:
        book_asks.withdraw_slot(work, slot_id=slot_id)
    except AskNotOpen:  # given to a task in the meantime
        return False
    forget(work.tx, slot_id)
    return True

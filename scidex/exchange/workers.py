"""Workers: processes that run slots for an account. They register, are heard of, offer their seats, and stop."""

from __future__ import annotations

from datetime import datetime, timedelta

from scidex import settings as _settings
from scidex.exchange import arguments as checked
from scidex.exchange.work import pauses, workers
from scidex.records import Ask, Pause, Worker
from scidex.settings import DEFAULT_POOL, TREASURY
from scidex.store import Database
from scidex.store.database import Transaction
from scidex.store.db_writes import execute_journaled, write_unjournaled

__all__ = ["check_in", "end_pause", "keep_offers", "list_pauses", "list_workers", "register_worker", "stop_worker"]

MOST_SEATS = 10_000
MOST_LEASE_SECONDS = 86_400.0
_MOST_PAGE = 1_000
_MOST_SECONDS_OF_A_RUN = 10 * 365 * 86_400


def register_worker(
    worker_id: str,
    account_id: str,
    *,
    pool: str = DEFAULT_POOL,
    seats: int = 1,
    lease_seconds: float | None = None,
    provider_id: str = TREASURY,
    draws_on: str = "",
    now: datetime | None = None,
    db: Database | None = None,
) -> Worker:
    """
    Let a worker of an account be known, with so many seats in a pool; one that stopped or was lost is alive again.

    Its runs draw on the account at a provider of models that `draws_on` names: what interrupts one of them there pauses
    all workers that draw on it. It offers its slots for `provider_id`, which gets what they sell for: the treasury,
    whose slots any of its workers in that pool runs, unless somebody else sells slots of their own.

    What it leases lasts `lease_seconds` unless renewed (the setting, where it is left out); not heard of for so long it
    is lost, and its slots with it. Raises UnknownAccount, UnknownPool, WorkerExists, WorkerStopped.
    """
    database = checked.database(db)
    seconds = _settings.from_environment().lease_seconds if lease_seconds is None else lease_seconds
    arguments = {
        "worker_id": checked.identifier(worker_id, "worker_id"),
        "account_id": checked.identifier(account_id, "account_id"),
        "pool": checked.identifier(pool, "pool"),
        "seats": checked.count(seats, "seats", most=MOST_SEATS),
        "lease_seconds": checked.number(seconds, "lease_seconds", least=0.05, most=MOST_LEASE_SECONDS),
        "provider_id": checked.identifier(provider_id, "provider_id"),
        "draws_on": "" if draws_on == "" else checked.identifier(draws_on, "draws_on"),
    }
    moment = checked.moment(now, database)
    execute_journaled(database, workers.register_worker, arguments, now=moment)
    with database.reading() as tx:
        return Worker(**tx.rows("worker", worker_id=worker_id)[0])


def check_in(
    worker_id: str, fences: list[int] | tuple[int, ...] = (), *, now: datetime | None = None, db: Database | None = None
) -> list[int]:
    """
    Say that a worker is alive and runs these leases; return those that it still holds, renewed.

    A lease that is not in the answer is lost: its run is to be ended. Not journaled. Raises UnknownWorker, WorkerLost.
    """
    database = checked.database(db)
    name = checked.identifier(worker_id, "worker_id")
    held = checked.numbers(fences, "fences", most=MOST_SEATS)
    moment = checked.moment(now, database)

    def work(tx: Transaction) -> list[int]:
        worker = workers.lock_not_lost(tx, name)
        ends_at = moment + timedelta(seconds=worker["lease_seconds"])
        own = {"any_worker": 0, "worker_id": name}
        renewed = tx.rows("lock_leases_to_renew", fences=held, now=moment, **own) if held else []
        tx.run("beat_worker", worker_id=name, now=moment, ends_at=ends_at, running=len(renewed))
        for lease in renewed:
            tx.run("beat_lease", fence=lease["fence"], now=moment, ends_at=ends_at)
        return [lease["fence"] for lease in renewed]

    return write_unjournaled(database, work)


def keep_offers(
    worker_id: str,
    wanted: int,
    *,
    reserve_price_tokens: int = 0,
    token_allowance: int | None = None,
    max_seconds: int | None = None,
    now: datetime | None = None,
    db: Database | None = None,
) -> list[Ask]:
    """
    Offer more slots of a worker, or withdraw some, until it has `wanted` on offer; return those that are new.

    A worker that pauses, since its runs were interrupted, offers none until that is over, and then one to try; what it
    had sold is voided. Slots that were sold and that nobody has leased yet count as well: their seats are taken. All
    are provided by the account that the worker works for, in its pool. Raises UnknownWorker, WorkerLost, InvalidAmount.
    """
    database = checked.database(db)
    allowance = None if token_allowance is None else checked.tokens(token_allowance, "token_allowance")
    limit = None if max_seconds is None else checked.count(max_seconds, "max_seconds", most=_MOST_SECONDS_OF_A_RUN)
    arguments = {
        "worker_id": checked.identifier(worker_id, "worker_id"),
        "wanted": checked.count(wanted, "wanted", least=0, most=MOST_SEATS),
        "reserve_price_tokens": checked.tokens(reserve_price_tokens, "reserve_price_tokens", least=0),
        "token_allowance": allowance,
        "max_seconds": limit,
    }
    # Mostly as many are on offer as should be: that must not cost a write.
    moment = checked.moment(now, database)
    with database.reading() as tx:
        most = pauses.most_offers(tx, workers.alive(tx, worker_id), moment)
        if sum(map(len, workers.slots_of(tx, worker_id))) == min(wanted, most):
            return []
    return execute_journaled(database, workers.keep_offers, arguments, now=moment)


def stop_worker(worker_id: str, *, now: datetime | None = None, db: Database | None = None) -> None:
    """
    Say that a worker stops: its slots are taken off the market, and those that were sold and not leased are voided.

    What it leased it may still finish. Stopping again does nothing. Raises UnknownWorker.
    """
    database = checked.database(db)
    name = checked.identifier(worker_id, "worker_id")
    moment = checked.moment(now, database)
    execute_journaled(database, workers.stop_worker, {"worker_id": name}, now=moment)
    workers.clear_away(database, moment, most=MOST_SEATS)


def list_workers(*, ended_too: bool = False, limit: int = 1_000, db: Database | None = None) -> list[Worker]:
    """Return the workers that are alive, the latest first, and on request those that ended; at most `limit`."""
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    with checked.database(db).reading() as tx:
        return _page(tx, ended_too=checked.flag(ended_too, "ended_too"), page=page)


def list_pauses(*, limit: int = 1_000, db: Database | None = None) -> list[Pause]:
    """Return the workers and provider accounts that are paused, or were until their next run decides."""
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    with checked.database(db).reading() as tx:
        return [Pause(**row) for row in tx.rows("breakers_page", page=page)]


def end_pause(
    kind: str, name: str, *, provider_id: str = TREASURY, now: datetime | None = None, db: Database | None = None
) -> bool:
    """
    Let a worker, or all that draw on an account, offer slots again at once; return whether there was a pause.

    `kind` is `worker` or `account`, `name` the worker's id or what workers draw on. Raises InvalidArgument, InvalidId.
    """
    database = checked.database(db)
    arguments = {
        "kind": checked.choice(kind, "kind", ("worker", "account")),
        "name": checked.identifier(name, "name"),
        "provider_id": checked.identifier(provider_id, "provider_id"),
    }
    return execute_journaled(database, pauses.end_pause, arguments, now=checked.moment(now, database))


def _page(tx: Transaction, *, ended_too: bool, page: int = _MOST_PAGE) -> list[Worker]:
    return [Worker(**row) for row in tx.rows("workers_page" if ended_too else "workers_alive_page", page=page)]

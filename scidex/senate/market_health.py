"""The market in numbers, for whoever keeps watch over it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from scidex.exchange import cycle
from scidex.records import WalletSummary
from scidex.store import Database
from scidex.store.database import Row, Transaction

_HOURS = 24


class Gauge(NamedTuple):
    """One number: what it is, of what, and how much."""

    name: str
    labels: dict[str, str]
    value: float


class MarketHealth:
    """The numbers of one market. History is read once; after that a look costs what came since the last one."""

    def __init__(self, db: Database) -> None:
        self._db = db
        # By pool: how many rounds were counted, and the last of them.
        self._rounds: dict[str, tuple[int, int]] = {}

    def gauges(self, now: datetime) -> Iterator[Gauge]:
        """Yield the numbers of every pool, and of the books, as they stand."""
        day_ago = now - timedelta(hours=_HOURS)
        with self._db.reading() as tx:
            pools = tx.rows("pool_gauges")
            rounds = {row["pool"]: self._counted(tx, row["pool"]) for row in pools}
            days = {row["pool"]: tx.rows("day_gauges", pool=row["pool"], since_at=day_ago, now=now)[0] for row in pools}
            live = tx.rows("live_slot_gauges")
            leases = tx.rows("lease_gauges")
            tasks = tx.rows("task_gauges")
            ended = tx.rows("ended_task_gauges", since_at=day_ago)
            books = tx.rows("book_gauges")[0]
        for name in ("minted_tokens", "held_tokens", "accounts"):
            yield Gauge(name, {}, books[name])
        for row in pools:
            labels = {"pool": row["pool"]}
            yield Gauge("rounds", labels, rounds[row["pool"]])
            yield Gauge("open_bids", labels, row["open_bids"])
            yield Gauge("open_slots", labels, row["open_slots"])
            yield from _of_day(labels, days[row["pool"]])
            yield from self._of_cycle(labels, now)
        for row in live:
            labels = {"pool": row["pool"], "status": row["status"]}
            yield Gauge("live_slots", labels, row["slots"])
            yield Gauge("oldest_live_slot_seconds", labels, (now - row["oldest_at"]).total_seconds())
        for row in leases:
            labels = {"pool": row["pool"]}
            yield Gauge("live_leases", labels, row["leases"])
            yield Gauge("oldest_lease_seconds", labels, (now - row["oldest_at"]).total_seconds())
            yield Gauge("longest_silence_seconds", labels, (now - row["heard_at"]).total_seconds())
        for name, found in (("tasks", tasks), ("tasks_ended", ended)):
            for row in found:
                yield Gauge(name, {"pool": row["pool"], "status": row["status"]}, row["tasks"])

    def _counted(self, tx: Transaction, pool: str) -> int:
        """Return how many rounds a pool has had: those counted before, and those since. Its rounds have rising ids."""
        counted, last = self._rounds.get(pool, (0, 0))
        since = tx.rows("rounds_after", pool=pool, round_id=last)[0]
        count: int = counted + since["rounds"]
        self._rounds[pool] = count, since["last_round"] or last
        return count

    def _of_cycle(self, labels: dict[str, str], now: datetime) -> Iterator[Gauge]:
        status = cycle.cycle_status(labels["pool"], now=now, db=self._db)
        yield Gauge("missed_rounds", labels, status.missed)
        yield Gauge("fallback", labels, float(status.mode == "fallback"))
        yield Gauge("paused", labels, float(status.paused))


def _of_day(labels: dict[str, str], day: Row) -> Iterator[Gauge]:
    yield Gauge("slots_sold", labels, day["sold"])
    if day["offered"]:
        yield Gauge("fill_rate", labels, day["sold"] / day["offered"])
    if day["last_price_tokens"] is not None:
        yield Gauge("last_price_tokens", labels, day["last_price_tokens"])


class WalletTotals(NamedTuple):
    """All wallets together, and the fullest of them."""

    wallets: int
    in_circulation: int
    held: int
    fullest: list[WalletSummary]
    system: list[WalletSummary]


def wallet_totals(*, most: int, db: Database) -> WalletTotals:
    """Return the sums over all wallets, and the `most` fullest; what was minted less what was burnt circulates."""
    with db.reading() as tx:
        books = tx.rows("book_gauges")[0]
        fullest = [WalletSummary(**row) for row in tx.rows("richest_wallets", page=most)]
        system = [WalletSummary(**row) for row in tx.rows("system_wallets")]
    return WalletTotals(books["accounts"] - len(system), books["minted_tokens"], books["held_tokens"], fullest, system)


class FleetTotals(NamedTuple):
    """All workers together: how many are alive or lost, their seats, and what they run and offer."""

    alive: int
    lost: int
    seats: int
    running: int
    on_offer: int
    workers: int


def fleet_totals(db: Database) -> FleetTotals:
    """Return the sums over all workers."""
    with db.reading() as tx:
        return FleetTotals(**tx.rows("fleet_totals")[0])


class Endings(NamedTuple):
    """How the runs of the last 24 hours ended, and the tasks that wait for a person's word."""

    succeeded: int
    failed: int
    interrupted: int
    lost: int
    failed_tasks: int
    held_tasks: int

    @property
    def failure_rate(self) -> float | None:
        """Of the runs that came to an end of their own, the share that failed; None where there was none."""
        judged = self.succeeded + self.failed
        return self.failed / judged if judged else None


def endings(now: datetime, *, db: Database) -> Endings:
    """Return how runs ended in the 24 hours before a moment, and how many tasks have failed or are held now."""
    with db.reading() as tx:
        runs = {row["ending"]: row["runs"] for row in tx.rows("endings_since", since_at=now - timedelta(hours=_HOURS))}
        tasks = tx.rows("tasks_that_need_a_word")[0]
    return Endings(
        succeeded=runs.get("succeeded", 0),
        failed=runs.get("failed", 0),
        interrupted=runs.get("interrupted", 0),
        lost=runs.get("lost", 0),
        failed_tasks=tasks["failed"],
        held_tasks=tasks["held"],
    )


def endings_of(run_ids: Iterable[str], *, db: Database) -> dict[str, tuple[str, str]]:
    """Return the class of each of these runs' ends, and the word for why, by the run's id."""
    with db.reading() as tx:
        rows = tx.rows("endings_of_runs", run_ids=sorted(set(run_ids)))
    return {row["run_id"]: (row["ending"], row["cause"]) for row in rows}


class IncomeOfDay(NamedTuple):
    """What a pool paid on a UTC day, and what of it paid arrears or was burnt by caps."""

    day: str
    base_tokens: int
    impact_tokens: int
    garnished_tokens: int
    burnt_tokens: int

    @property
    def paid_tokens(self) -> int:
        """Everything that was paid."""
        return self.base_tokens + self.impact_tokens


def income_by_day(pool: str, *, days: int, db: Database) -> tuple[list[IncomeOfDay], dict[str, int]]:
    """Return what a pool paid on its last days of income, newest first, and each account's part of the newest."""
    with db.reading() as tx:
        found = [IncomeOfDay(**row) for row in tx.rows("income_by_day", pool=pool, page=days)]
        rows = tx.rows("income_paid_on", pool=pool, day=found[0].day) if found else []
    return found, {row["account_id"]: row["base_tokens"] + row["impact_tokens"] for row in rows}


def open_bids(pool: str, *, db: Database) -> int:
    """Return how many bids are open in a pool's book, those that may not compete included."""
    with db.reading() as tx:
        return next((int(row["open_bids"]) for row in tx.rows("pool_gauges") if row["pool"] == pool), 0)

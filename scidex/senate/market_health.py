"""The market in numbers, for whoever keeps watch over it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from scidex.exchange import cycle
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

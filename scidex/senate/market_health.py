"""The market in numbers, for whoever keeps watch over it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from scidex.exchange import compute_auction, cycle
from scidex.store import Database


class Gauge(NamedTuple):
    """One number: what it is, of what, and how much."""

    name: str
    labels: dict[str, str]
    value: float


def gauges(now: datetime, *, db: Database) -> Iterator[Gauge]:
    """Yield the numbers of every pool, and of the books, as they stand."""
    with db.reading() as tx:
        pools = tx.rows("pool_gauges")
        live = tx.rows("live_slot_gauges")
        leases = tx.rows("lease_gauges")
        tasks = tx.rows("task_gauges")
        books = tx.rows("count_books")[0]
    yield Gauge("minted_tokens", {}, books["minted"])
    yield Gauge("held_tokens", {}, books["held"])
    yield Gauge("accounts", {}, books["accounts"])
    for row in pools:
        for name in ("rounds", "open_bids", "open_slots"):
            yield Gauge(name, {"pool": row["pool"]}, row[name])
        yield from _of_pool(row["pool"], now, db)
    for row in live:
        labels = {"pool": row["pool"], "status": row["status"]}
        yield Gauge("live_slots", labels, row["slots"])
        yield Gauge("oldest_live_slot_seconds", labels, (now - row["oldest_at"]).total_seconds())
    for row in leases:
        labels = {"pool": row["pool"]}
        yield Gauge("live_leases", labels, row["leases"])
        yield Gauge("oldest_lease_seconds", labels, (now - row["oldest_at"]).total_seconds())
        yield Gauge("longest_silence_seconds", labels, (now - row["heard_at"]).total_seconds())
    for row in tasks:
        yield Gauge("tasks", {"pool": row["pool"], "status": row["status"]}, row["tasks"])


def _of_pool(pool: str, now: datetime, db: Database) -> Iterator[Gauge]:
    stats = compute_auction.get_recent_stats(pool=pool, hours=24, now=now, db=db)
    status = cycle.cycle_status(pool, now=now, db=db)
    known = {
        "last_price_tokens": stats["last_price_tokens"],
        "fill_rate": stats["fill_rate"],
        "slots_sold": stats["slots_sold"],
        "missed_rounds": status.missed,
        "fallback": float(status.mode == "fallback"),
        "paused": float(status.paused),
    }
    for name, value in known.items():
        if value is not None:
            yield Gauge(name, {"pool": pool}, value)

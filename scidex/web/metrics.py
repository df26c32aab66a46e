"""The server and its market in numbers, in the text format of Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from scidex.senate.market_health import MarketHealth
from scidex.store import Database

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# What each number of the market says.
GAUGES = {
    "minted_tokens": "Tokens in circulation.",
    "held_tokens": "Tokens set aside for bids and for slots that are not settled.",
    "accounts": "Accounts, the system's own among them.",
    "rounds": "Rounds that have cleared.",
    "open_bids": "Bids in the book.",
    "open_slots": "Slots on offer.",
    "last_price_tokens": "Price of the last round of the last 24 hours that had one.",
    "fill_rate": "Of the slots offered to rounds in the last 24 hours, the share that was sold.",
    "slots_sold": "Slots sold in the last 24 hours.",
    "missed_rounds": "Cycles that passed without a round.",
    "fallback": "1 while agents go by the proportional split.",
    "paused": "1 while an operator holds the cycle.",
    "live_slots": "Slots sold that are not settled.",
    "oldest_live_slot_seconds": "Since when the oldest of them was sold.",
    "live_leases": "Leases that live.",
    "oldest_lease_seconds": "Since when the oldest of them does.",
    "longest_silence_seconds": "How long ago the one longest silent was heard of.",
    "tasks": "Tasks of the backlog that are not over.",
    "tasks_ended": "Tasks that were done or failed in the last 24 hours.",
}
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The numbers of one server. Safe to share between threads."""

    def __init__(self, db: Database) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._seconds = Histogram(
            "scidex_http_request_seconds",
            "How long requests took.",
            ("method", "route", "status"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._at_work = Gauge(
            "scidex_http_requests_at_work", "Requests that are being answered.", registry=self._registry
        )
        self.bids_waiting = Gauge(
            "scidex_http_bids_waiting", "Single bids that wait for a commit.", registry=self._registry
        )
        self._registry.register(_Market(db))

    def text(self) -> bytes:
        """Return all numbers as they stand."""
        return generate_latest(self._registry)

    @contextmanager
    def timed(self, scope: MutableMapping[str, Any], answer: dict[str, Any]) -> Iterator[None]:
        """Count a request and how long it takes; `answer` has its status when the block ends."""
        began = time.perf_counter()
        self._at_work.inc()
        try:
            yield
        finally:
            self._at_work.dec()
            route = getattr(scope.get("route"), "path_format", "none")  # never the address: it has ids without end
            method = scope["method"] if scope["method"] in _METHODS else "other"
            labels = (method, route, str(answer.get("status", 0)))
            self._seconds.labels(*labels).observe(time.perf_counter() - began)


_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})


class _Market(Collector):
    """Reads the market's numbers when they are asked for."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._market = MarketHealth(db)

    def collect(self) -> Iterator[Metric]:
        families: dict[str, GaugeMetricFamily] = {}
        for gauge in self._market.gauges(self._db.now()):
            if gauge.name not in families:
                families[gauge.name] = GaugeMetricFamily(
                    f"scidex_{gauge.name}", GAUGES[gauge.name], labels=sorted(gauge.labels)
                )
            families[gauge.name].add_metric([gauge.labels[name] for name in sorted(gauge.labels)], gauge.value)
        yield from families.values()

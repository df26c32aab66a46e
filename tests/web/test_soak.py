"""A market under traffic keeps its memory, its files and its threads: the short form of `python -m benchmarks soak`."""

from __future__ import annotations

from benchmarks import soak
from scidex.exchange import compute_auction
from scidex.store import connect

# As many requests as five minutes of twenty a second, sooner: what grows, grows with their number or with that of the
# lulls, in which a server's threads end. Before readers shared connections this took a server from 60 to 250 files.
SECONDS = 110
BUSY_SECONDS = 18
RATE = 80


def test_a_market_under_traffic_does_not_grow(empty_url, tmp_path):
    with connect(empty_url) as db:
        compute_auction.ensure_schema(db=db)
        seen = soak.soak(db, tmp_path, seconds=SECONDS, rate=RATE, busy_seconds=BUSY_SECONDS)

    assert {status for status in seen.statuses if not 200 <= status < 300} == set()
    grown = {
        f"{figure} of the {process}": seen.fifths(process, figure)
        for process in ("server", "worker")
        for figure in ("memory", "files", "threads")
        if seen.grows(process, figure)
    }
    assert grown == {}

"""place_bids against the bare inserts of the same database, and where all are refused."""

from __future__ import annotations

import statistics
from contextlib import suppress
from itertools import count

from benchmarks.markets import LATER, NOW, Bare, open_wallets
from benchmarks.timing import Ratio, alternating, seconds
from scidex.errors import BidsRefused
from scidex.exchange import compute_auction, token_ledger
from scidex.store import Database

_BATCH = 1_000
_REFUSED = 10_000


def batches(db: Database, *, share: float, least_per_second: int) -> Ratio:
    """Measure durable batches of 1,000 bids against inserts of as many bare rows in one commit."""
    wallets, tasks = open_wallets(db, 50), count()
    bare = Bare(db)
    bare.run(
        "CREATE TABLE bare_bids (id BIGINT PRIMARY KEY, bidder TEXT, task TEXT, price BIGINT, value FLOAT, status TEXT)"
    )
    numbers = count()

    def place() -> None:
        compute_auction.place_bids(
            [
                {
                    "bidder_id": wallets[number % 50],
                    "task_id": f"task-{next(tasks)}",
                    "max_price_tokens": 1_000 + number * 7 % 5_000,
                    "expected_value_usd": 3.0,
                    "ttl_at": LATER,
                }
                for number in range(_BATCH)
            ],
            now=NOW,
            db=db,
        )

    def insert() -> None:
        rows = [(next(numbers), wallets[n % 50], f"task-{n}", 1_000 + n, 3.0, "open") for n in range(_BATCH)]
        if bare.dialect == "sqlite":
            bare.run_many("INSERT INTO bare_bids VALUES (?, ?, ?, ?, ?, ?)", rows)
        else:
            bare.run(
                "INSERT INTO bare_bids SELECT * FROM unnest(CAST(? AS bigint[]), CAST(? AS text[]), CAST(? AS text[]),"
                " CAST(? AS bigint[]), CAST(? AS float8[]), CAST(? AS text[]))",
                [list(column) for column in zip(*rows, strict=True)],
            )

    placed, inserted = alternating(place, insert, rounds=15)
    bare.close()
    rate, limit = _BATCH / placed, _BATCH / inserted
    return Ratio(
        name=f"{db.dialect} place_bids in batches of {_BATCH:,}",
        measured=rate,
        limit=limit,
        unit="rows/s",
        wanted=f"at least {least_per_second:,} bids/s or {share:.0%} of bare inserts",
        ratio=rate / limit,
        met=rate >= least_per_second or rate >= share * limit,
    )


def refused(db: Database, *, most_seconds: float) -> Ratio:
    """Measure 10,000 bids of one wallet that is one token short, which are refused while their pool is locked."""
    token_ledger.create_account("short", now=NOW, db=db)
    token_ledger.mint("short", _REFUSED - 1, now=NOW, db=db)
    bids = [
        {"bidder_id": "short", "task_id": f"task-{number}", "max_price_tokens": 1, "ttl_at": LATER}
        for number in range(_REFUSED)
    ]

    def place() -> None:
        with suppress(BidsRefused):
            compute_auction.place_bids(bids, now=NOW, db=db)

    place()
    taken = statistics.median(seconds(place) for _ in range(5))
    return Ratio(
        name=f"{db.dialect} place_bids of {_REFUSED:,} bids, one token short",
        measured=taken,
        limit=most_seconds,
        unit="s",
        wanted=f"refused in at most {most_seconds} s",
        ratio=taken / most_seconds,
        met=taken <= most_seconds,
    )

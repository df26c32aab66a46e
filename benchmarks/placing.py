"""place_bid and place_bids against the bare inserts and commits of the same database."""

from __future__ import annotations

from itertools import count

from benchmarks.markets import LATER, NOW, Bare, open_wallets
from benchmarks.timing import Ratio, alternating
from scidex.exchange import compute_auction
from scidex.store import Database

_BATCH = 1_000
_SINGLE = 200


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


def single(db: Database, *, share: float) -> Ratio:
    """Measure single durable bids of bidders with up to 64 open bids against one-row commits."""
    wallets = open_wallets(db, 20)
    bare = Bare(db)
    bare.run("CREATE TABLE one_row (id BIGINT PRIMARY KEY, number BIGINT)")
    bare.run("INSERT INTO one_row VALUES (1, 0)")
    asked = count()

    def place() -> None:
        for _ in range(_SINGLE):
            number = next(asked)
            compute_auction.place_bid(
                wallets[number % 20], f"task-{number // 20 % 64}", 1_000 + number, 3.0, LATER, now=NOW, db=db
            )

    def commit() -> None:
        for _ in range(_SINGLE):
            bare.run("UPDATE one_row SET number = number + 1 WHERE id = ?", (1,))

    placed, committed = alternating(place, commit, rounds=9)
    bare.close()
    rate, limit = _SINGLE / placed, _SINGLE / committed
    return Ratio(
        name=f"{db.dialect} place_bid alone, up to 64 open bids a bidder",
        measured=rate,
        limit=limit,
        unit="commits/s",
        wanted=f"at least {share:.0%} of one-row commits",
        ratio=rate / limit,
        met=rate >= share * limit,
    )

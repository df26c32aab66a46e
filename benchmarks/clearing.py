"""clear_round of a large book against the bare read and writes of its winners, and against rewriting its losers."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any, NamedTuple

from benchmarks.markets import LATER, NOW, Bare, Lender, open_wallets
from benchmarks.timing import Ratio, seconds
from scidex.exchange import compute_auction
from scidex.store import Database

_BIDDERS = 1_000
_FEW = 100
_PLACED_AT_ONCE = 20_000
_TIMES = 3
_WARM = "warm"
# Whose wallet a bare winner's debit is taken from: one that no other bid has, or its bidder's.
_OF_ITS_OWN, _SHARED = "wallet", "bidder"
_LOSE = "UPDATE bare_book SET status = 'lost' WHERE status = 'open'"


def fill(db: Database, bids: int) -> None:
    """
    Fill a market's book, and bare tables beside it that hold the same bids of the same bidders.

    Copies of it are what is cleared: a round can be cleared but once.
    """
    open_wallets(db, _BIDDERS)
    compute_auction.create_pool(_WARM, now=NOW, db=db)
    for start in range(0, bids, _PLACED_AT_ONCE):
        compute_auction.place_bids(map(_bid, range(start, min(start + _PLACED_AT_ONCE, bids))), now=NOW, db=db)
    bare = Bare(db)
    _fill_bare(bare, bids)
    if db.dialect == "postgres":
        # What the server would do by itself some time later, and rather not while something is measured.
        bare.run("VACUUM ANALYZE")
    bare.close()


def clear_large(lend: Lender, bids: int) -> Iterator[Ratio]:
    """
    Clear a book of `bids` open bids, with few slots and with many, beside the bare work on bare tables.

    The bare work with few slots is the indexed read of the price and the update of the winners; with many it adds the
    debit of each winner's wallet; the rewriting of losers adds an update of every other bid. A round of many winners
    whose bidders are few can be debited at one update a bidder: what that takes is told beside it. Both sides have done
    a small round before, and have read once what they will read. Each figure is the median of several copies of one
    market.
    """
    few = _measure(lend, _FEW, debit=None)
    yield _ratio(few, bids, most=5, wanted="at most 5 × the bare read and winner updates")
    many = _measure(lend, bids // 20, debit=_OF_ITS_OWN)
    yield _ratio(many, bids, most=2, wanted="at most 2 × winners + debit")
    yield Ratio(
        name=f"{many.dialect} the same against rewriting losers",
        measured=many.cleared,
        limit=many.rewritten,
        unit="s",
        wanted="at least 5 × faster",
        ratio=many.cleared / many.rewritten,
        met=many.cleared * 5 <= many.rewritten,
    )
    together = _measure(lend, bids // 20, debit=_SHARED)
    yield _ratio(together, bids, most=None, wanted=f"nothing: {_BIDDERS:,} wallets debited, as the market has them")


class _Measured(NamedTuple):
    """What one copy of a market, or the median of several, took: seconds of clearing and of the bare work."""

    dialect: str
    slots: int
    cleared: float
    limit: float
    rewritten: float


def _ratio(measured: _Measured, bids: int, *, most: int | None, wanted: str) -> Ratio:
    return Ratio(
        name=f"{measured.dialect} clear_round of {bids:,} bids, k = {measured.slots:,}",
        measured=measured.cleared,
        limit=measured.limit,
        unit="s",
        wanted=wanted,
        ratio=measured.cleared / measured.limit,
        met=None if most is None else measured.cleared <= most * measured.limit,
    )


def _measure(lend: Lender, slots: int, *, debit: str | None) -> _Measured:
    turns = []
    for turn in range(_TIMES):
        with lend() as db:
            bare = Bare(db)
            # Either side goes first in turn, for whatever the one leaves to the other.
            first = _clear(db, bare, slots) if turn % 2 else None
            limit = _bare(bare, slots, debit=debit)
            lost = seconds(lambda: bare.run(_LOSE)) if debit else 0.0  # noqa: B023
            turns.append(_Measured(db.dialect, slots, first or _clear(db, bare, slots), limit, limit + lost))
            bare.close()
    return turns[0]._replace(
        cleared=statistics.median(turn.cleared for turn in turns),
        limit=statistics.median(turn.limit for turn in turns),
        rewritten=statistics.median(turn.rewritten for turn in turns),
    )


def _clear(db: Database, bare: Bare, slots: int) -> float:
    _clear_few_of_another_pool(db)
    compute_auction.offer_slots(slots, available_at=NOW, now=NOW, db=db)
    compute_auction.clear_round(NOW, dry_run=True, db=db)
    bare.settle()
    return seconds(lambda: _assert_sold(db, slots))


def _clear_few_of_another_pool(db: Database) -> None:
    bids = [{**_bid(number), "task_id": f"{_WARM}-{number}", "pool": _WARM} for number in range(_FEW + 1)]
    compute_auction.place_bids(bids, now=NOW, db=db)
    compute_auction.offer_slots(_FEW, pool=_WARM, available_at=NOW, now=NOW, db=db)
    compute_auction.clear_round(NOW, pool=_WARM, db=db)


def _assert_sold(db: Database, slots: int) -> None:
    cleared = compute_auction.clear_round(NOW, db=db)
    assert cleared.sold == slots, f"{cleared.sold} of {slots} slots sold"


def _bare(bare: Bare, slots: int, *, debit: str | None) -> float:
    _bare_winners(bare, _FEW, debit=debit)
    _bare_best(bare, slots, debit or _SHARED)
    bare.settle()
    return seconds(lambda: _bare_winners(bare, slots, debit=debit))


def _bid(number: int) -> dict[str, Any]:
    return {
        "bidder_id": _bidder(number),
        "task_id": f"task-{number}",
        "max_price_tokens": _price(number),
        "ttl_at": LATER,
    }


def _bidder(number: int) -> str:
    return f"agent-{number % _BIDDERS}"


def _price(number: int) -> int:
    # A fixed permutation: prices are spread over the book and all differ.
    return 1 + number * 7_368_787 % 15_485_863


def _fill_bare(bare: Bare, bids: int) -> None:
    bare.run(
        "CREATE TABLE bare_book (id BIGINT PRIMARY KEY, bidder TEXT, wallet TEXT, task TEXT, price BIGINT, value FLOAT,"
        " ttl TEXT, status TEXT)"
    )
    bare.run("CREATE INDEX bare_book_price ON bare_book (status, price DESC)")
    bare.run("CREATE TABLE bare_wallets (id TEXT PRIMARY KEY, balance BIGINT)")
    shared = [(_bidder(number),) for number in range(_BIDDERS)]
    bare.run_many("INSERT INTO bare_wallets VALUES (?, 1000000000000)", shared)
    for start in range(0, bids, _PLACED_AT_ONCE):
        numbers = range(start, min(start + _PLACED_AT_ONCE, bids))
        rows = [(n, _bidder(n), f"wallet-{n}", f"task-{n}", _price(n), 0.0, LATER.isoformat(), "open") for n in numbers]
        bare.run_many("INSERT INTO bare_book VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        bare.run_many("INSERT INTO bare_wallets VALUES (?, 1000000000000)", [(f"wallet-{n}",) for n in numbers])


def _bare_best(bare: Bare, slots: int, wallet: str) -> tuple[int, list[str]]:
    price = bare.run(
        "SELECT price FROM bare_book WHERE status = 'open' ORDER BY price DESC LIMIT 1 OFFSET ?", (slots,)
    ).fetchone()[0]
    winners = bare.run(
        f"SELECT id, {wallet} FROM bare_book WHERE status = 'open' ORDER BY price DESC LIMIT ?", (slots,)
    ).fetchall()
    return price, [name for _, name in winners]


def _bare_winners(bare: Bare, slots: int, *, debit: str | None) -> None:
    price, wallets = _bare_best(bare, slots, debit or _SHARED)
    bare.run("BEGIN")
    bare.run("UPDATE bare_book SET status = 'won' WHERE status = 'open' AND price > ?", (price,))
    if debit:
        bare.debit(price, wallets)
    bare.run("COMMIT")

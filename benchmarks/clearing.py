"""clear_round of a large book against the bare read and writes of its winners, and against rewriting its losers."""

from __future__ import annotations

from benchmarks.markets import LATER, NOW, Bare, open_wallets
from benchmarks.timing import Ratio, seconds
from scidex.exchange import compute_auction
from scidex.store import Database

_BIDDERS = 1_000
_PLACED_AT_ONCE = 20_000


def clear_large(db: Database, bids: int) -> list[Ratio]:
    """
    Clear a book of `bids` open bids, with few slots and with many, beside the bare work on bare tables.

    The bare work with few slots is the indexed read of the price and the update of the winners; with many it adds the
    debit of their wallets; the rewriting of losers adds an update of every other bid.
    """
    few, many = 100, bids // 20
    _fill(db, bids)
    bare = Bare(db)
    _fill_bare(bare, bids)
    if db.dialect == "postgres":
        bare.run("ANALYZE")
    ratios = [_few(db, bare, bids, few)]
    _fill(db, bids)
    _fill_bare(bare, bids)
    if db.dialect == "postgres":
        bare.run("ANALYZE")
    ratios += _many(db, bare, bids, many)
    bare.close()
    return ratios


def _few(db: Database, bare: Bare, bids: int, slots: int) -> Ratio:
    limit = min(seconds(lambda: _bare_winners(bare, slots, debit=False)) for _ in range(3))
    cleared = _warm_clear(db, slots)
    return Ratio(
        name=f"{db.dialect} clear_round of {bids:,} bids, k = {slots:,}",
        measured=cleared,
        limit=limit,
        unit="s",
        wanted="at most 5 × the bare read and winner updates",
        ratio=cleared / limit,
        met=cleared <= 5 * limit,
    )


def _many(db: Database, bare: Bare, bids: int, slots: int) -> list[Ratio]:
    cleared = _warm_clear(db, slots)
    _bare_best(bare, slots)
    limit = seconds(lambda: _bare_winners(bare, slots, debit=True))
    rewritten = limit + seconds(lambda: bare.run("UPDATE bare_book SET status = 'lost' WHERE status = 'open'"))
    return [
        Ratio(
            name=f"{db.dialect} clear_round of {bids:,} bids, k = {slots:,}",
            measured=cleared,
            limit=limit,
            unit="s",
            wanted="at most 2 × winners + debit",
            ratio=cleared / limit,
            met=cleared <= 2 * limit,
        ),
        Ratio(
            name=f"{db.dialect} the same against rewriting losers",
            measured=cleared,
            limit=rewritten,
            unit="s",
            wanted="at least 5 × faster",
            ratio=cleared / rewritten,
            met=cleared * 5 <= rewritten,
        ),
    ]


def _warm_clear(db: Database, slots: int) -> float:
    compute_auction.offer_slots(slots, available_at=NOW, now=NOW, db=db)
    # What is read comes from memory on both sides: the bare work runs on pages that it has read before, too.
    compute_auction.clear_round(NOW, dry_run=True, db=db)
    return seconds(lambda: _assert_sold(db, slots))


def _assert_sold(db: Database, slots: int) -> None:
    cleared = compute_auction.clear_round(NOW, db=db)
    assert cleared.sold == slots, f"{cleared.sold} of {slots} slots sold"


def _fill(db: Database, bids: int) -> None:
    wallets = [f"agent-{number}" for number in range(_BIDDERS)]
    if not _has_wallets(db):
        open_wallets(db, _BIDDERS)
    for start in range(0, bids, _PLACED_AT_ONCE):
        compute_auction.place_bids(
            (
                {
                    "bidder_id": wallets[number % _BIDDERS],
                    "task_id": f"task-{number}",
                    "max_price_tokens": _price(number),
                    "ttl_at": LATER,
                }
                for number in range(start, min(start + _PLACED_AT_ONCE, bids))
            ),
            now=NOW,
            db=db,
        )


def _has_wallets(db: Database) -> bool:
    with db.reading() as tx:
        return tx.row("account", account_id="agent-0") is not None


def _price(number: int) -> int:
    # A fixed permutation: prices are spread over the book and all differ.
    return 1 + number * 7_368_787 % 15_485_863


def _fill_bare(bare: Bare, bids: int) -> None:
    bare.run("DROP TABLE IF EXISTS bare_book")
    bare.run("DROP TABLE IF EXISTS bare_wallets")
    bare.run(
        "CREATE TABLE bare_book (id BIGINT PRIMARY KEY, bidder TEXT, task TEXT, price BIGINT, value FLOAT,"
        " ttl TEXT, status TEXT)"
    )
    bare.run("CREATE INDEX bare_book_price ON bare_book (status, price DESC)")
    bare.run("CREATE TABLE bare_wallets (id TEXT PRIMARY KEY, balance BIGINT)")
    for start in range(0, bids, _PLACED_AT_ONCE):
        numbers = range(start, min(start + _PLACED_AT_ONCE, bids))
        rows = [(n, f"agent-{n}", f"task-{n}", _price(n), 0.0, LATER.isoformat(), "open") for n in numbers]
        bare.run_many("INSERT INTO bare_book VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        bare.run_many("INSERT INTO bare_wallets VALUES (?, 1000000000)", [(f"agent-{n}",) for n in numbers])


def _bare_best(bare: Bare, slots: int) -> tuple[int, list[str]]:
    price = bare.run(
        "SELECT price FROM bare_book WHERE status = 'open' ORDER BY price DESC LIMIT 1 OFFSET ?", (slots,)
    ).fetchone()[0]
    winners = bare.run(
        "SELECT id, bidder FROM bare_book WHERE status = 'open' ORDER BY price DESC LIMIT ?", (slots,)
    ).fetchall()
    return price, [bidder for _, bidder in winners]


def _bare_winners(bare: Bare, slots: int, *, debit: bool) -> None:
    price, bidders = _bare_best(bare, slots)
    bare.run("BEGIN")
    bare.run("UPDATE bare_book SET status = 'won' WHERE status = 'open' AND price > ?", (price,))
    if debit:
        _debit(bare, price, bidders)
    bare.run("COMMIT")


def _debit(bare: Bare, price: int, bidders: list[str]) -> None:
    if bare.dialect == "sqlite":
        bare._connection.executemany(
            "UPDATE bare_wallets SET balance = balance - ? WHERE id = ?", [(price, bidder) for bidder in bidders]
        )
    else:
        bare.run("UPDATE bare_wallets SET balance = balance - ? WHERE id = ANY (?)", (price, bidders))

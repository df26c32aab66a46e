"""A round costs what it sells: no row is written per loser, and what cannot win is not read again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import psycopg
import pytest

from scidex.exchange import compute_auction, token_ledger
from scidex.store import Database, connect
from scidex.store.database import Transaction
from scidex.store.postgres import PostgresDatabase
from scidex.store.sqlite import SqliteDatabase
from scidex.store.statements import load
from tests.databases import query

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
POOL = "scidex-agent"
SLOTS = 5

Written = dict[str, int]


def market(db: Database, losers: int, *, rest: bool = False) -> None:
    """Offer five slots, and let five bidders outbid all others."""
    for name in ("winner", "loser"):
        token_ledger.create_account(name, now=NOON, db=db)
        token_ledger.mint(name, 10_000_000, now=NOON, db=db)
    for number in range(3):
        token_ledger.create_account(f"other-{number}", now=NOON, db=db)
        token_ledger.mint(f"other-{number}", 10_000_000, now=NOON, db=db)
    compute_auction.offer_slots(SLOTS, now=NOON, db=db)
    tif = "gtt" if rest else "round"
    bids = [("winner", f"won-{n}", 900 + n) for n in range(SLOTS)]
    bids += [(f"other-{n % 3}" if n % 2 else "loser", f"lost-{n}", 1 + n % 800) for n in range(losers)]
    compute_auction.place_bids(
        [
            {"bidder_id": who, "task_id": task, "max_price_tokens": price, "ttl_at": LATER, "time_in_force": tif}
            for who, task, price in bids
        ],
        now=NOON,
        db=db,
    )


def rows_written(db: Database, act: Callable[[], Any]) -> Written:
    """Count the rows that are inserted, changed or deleted in each table while something is done."""
    counted = _counted_on_sqlite(db) if isinstance(db, SqliteDatabase) else _counted_on_postgres(db)
    act()
    return {table: rows for table, rows in counted().items() if rows}


def _counted_on_sqlite(db: SqliteDatabase) -> Callable[[], Written]:
    made_by_hand = "type = 'table' AND name NOT LIKE 'sqlite%' AND name <> 'number_series'"
    counts: Counter[str] = Counter()
    db._writer.create_function("count_row", 1, lambda table: counts.update([table]))
    for (table,) in query(db, f"SELECT name FROM sqlite_master WHERE {made_by_hand}"):
        for verb in ("INSERT", "UPDATE", "DELETE"):
            db._writer.execute(
                f"CREATE TEMP TRIGGER count_{verb}_{table} AFTER {verb} ON main.{table}"
                f" BEGIN SELECT count_row('{table}'); END"
            )
    return lambda: dict(counts)


def _counted_on_postgres(db: Database) -> Callable[[], Written]:
    tables = [name for (name,) in query(db, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    with psycopg.connect(db.url) as connection:
        connection.execute("CREATE SCHEMA counted")
        connection.execute(
            "CREATE FUNCTION counted.row() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM nextval('counted.' || tg_table_name); RETURN NULL; END $$"
        )
        for table in tables:
            connection.execute(f"CREATE SEQUENCE counted.{table} MINVALUE 0".encode())
            connection.execute(f"SELECT nextval('counted.{table}')".encode())
            connection.execute(
                f"CREATE TRIGGER counted AFTER INSERT OR UPDATE OR DELETE ON {table}"
                " FOR EACH ROW EXECUTE FUNCTION counted.row()".encode()
            )
    return lambda: dict(query(db, "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'counted'"))


@pytest.fixture
def two_markets(db, new_database, postgres_template, tmp_path):
    other = f"sqlite:///{tmp_path}/other.db" if db.dialect == "sqlite" else new_database(template=postgres_template)
    with connect(other) as second:
        compute_auction.ensure_schema(db=second)
        yield db, second


def clear(db: Database, now: datetime = NOON) -> Any:
    return compute_auction.clear_round(now, db=db)


@pytest.mark.parametrize("rest", [False, True], ids=["round bids", "resting bids"])
def test_a_round_writes_as_many_rows_for_2000_losers_as_for_20(two_markets, rest):
    written = []
    for db, losers in zip(two_markets, (20, 2_000), strict=True):
        market(db, losers, rest=rest)
        written.append(rows_written(db, partial(clear, db)))
        assert [sold for (sold,) in query(db, "SELECT sold FROM compute_auction_rounds")] == [SLOTS]

    few, many = written
    assert many == few
    assert few["compute_auction_clears"] == SLOTS
    assert few["token_accounts"] == 1
    assert few.get("compute_auction_bids", 0) == (SLOTS if rest else 0)


def test_a_bid_written_would_be_counted(db):
    market(db, 20)
    terms = {"bidder_id": "loser", "ttl_at": LATER}
    bids = [{**terms, "task_id": f"new-{n}", "max_price_tokens": 3} for n in range(7)]

    written = rows_written(db, lambda: compute_auction.place_bids(bids, now=NOON, db=db))

    assert written["compute_auction_bids"] == 7


def test_a_second_round_reads_nothing_that_the_first_one_decided(db):
    market(db, 300)
    clear(db)
    compute_auction.offer_slots(1, now=NOON, db=db)
    compute_auction.place_bid("loser", "next", 5, ttl_at=LATER, now=NOON, db=db)

    assert read_by_a_round(db) == ["next"]


def test_what_cannot_win_is_not_read(db):
    """Bids that are superseded, barred, suspended, cancelled or expired while they rest are out of the book."""
    market(db, 0)
    [won, *_] = clear(db).clears
    gtt: dict[str, Any] = {"time_in_force": "gtt", "now": NOON, "db": db}
    token_ledger.create_account("poor", now=NOON, db=db)
    token_ledger.mint("poor", 100, now=NOON, db=db)
    compute_auction.place_bid("poor", "dear", 90, ttl_at=LATER, **gtt)
    place = compute_auction.place_bid
    place("loser", "shared", 50, ttl_at=LATER, **gtt)
    place("other-0", "shared", 40, ttl_at=LATER, **gtt)
    place("loser", won.winning_task_id, 60, ttl_at=LATER, **gtt)
    place("other-1", won.winning_task_id, 60, ttl_at=LATER, now=NOON, db=db)
    place("other-1", "short", 70, ttl_at=NOON + timedelta(minutes=1), **gtt)
    compute_auction.cancel_bid(place("other-2", "given up", 80, ttl_at=LATER, **gtt).id, now=NOON, db=db)
    at = NOON + timedelta(minutes=2)
    compute_auction.offer_slots(1, reserve_price_tokens=500, now=NOON, db=db)
    clear(db, at)  # ends what has expired

    assert read_by_a_round(db, at) == ["dear", "shared"]


def read_by_a_round(db: Database, now: datetime = NOON) -> list[str]:
    """Name the tasks of all the bids that the next round's read would return."""
    open_round = compute_auction.get_pool(db=db).open_round_id
    with db.reading() as tx:
        rows = [
            row
            for round_id in (open_round, 0)
            for row in tx.rows("book_range", pool=POOL, round_id=round_id, now=now, most=10_000)
        ]
    return sorted(row["task_id"] for row in rows)


def test_the_read_that_clears_walks_the_book_in_order_and_stops(db):
    """It follows the book's own index: no sort, no other bids, and no more of them than it asks for."""
    market(db, 2_000)
    for cycle in range(3):  # what earlier rounds decided is in the table, and not in the way
        clear(db)
        bids = [
            {"bidder_id": "loser", "task_id": f"{cycle}-{n}", "max_price_tokens": 1 + n, "ttl_at": LATER}
            for n in range(500)
        ]
        compute_auction.place_bids(bids, now=NOON, db=db)
        compute_auction.offer_slots(SLOTS, now=NOON, db=db)
    open_round = compute_auction.get_pool(db=db).open_round_id
    given = {"pool": POOL, "round_id": open_round, "now": NOON, "most": SLOTS + 65}

    plan = plan_of(db, "book_range", given)

    assert "compute_auction_bids_book" in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan
    if db.dialect == "postgres":
        assert bids_touched(db, given) <= SLOTS + 65


def test_what_has_expired_is_found_without_a_look_at_the_others(db):
    market(db, 2_000)
    plan = plan_of(db, "expired_bids", {"pool": POOL, "round_id": 0, "now": NOON})

    assert "compute_auction_bids_expiry" in plan
    assert "pkey" not in plan


def test_a_read_that_was_planned_on_an_empty_table_does_not_scan_it_later(db):
    """A connection plans a statement once, and the first round is cleared when nothing was ever sold."""
    given = {"pool": POOL, "round_id": 1, "now": NOON, "most": SLOTS + 65}
    vacuum(db)

    assert "compute_auction_clears_live_task" in plan_as_run(db, "book_range", given)


def test_a_read_that_was_planned_when_few_slots_were_sold_looks_up_the_task_of_each_bid(db):
    """It would cost little then to go through all live slots for each bid, and very much when both are many."""
    vacuum(db)
    market(db, losers=200)
    compute_auction.offer_slots(100, now=NOON, db=db)
    compute_auction.clear_round(NOON, db=db)

    plan = plan_as_run(db, "book_range", {"pool": POOL, "round_id": 1, "now": NOON, "most": SLOTS + 65})

    assert "compute_auction_clears_live_task" in plan
    assert "winning_task_id = b.task_id" in plan or "winning_task_id=?" in plan
    assert "live_bidder" not in plan


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        ("slot_bought_waiting", "live_bidder"),
        ("claim_slot_bought", "live_bidder"),
        ("slot_provided_waiting", "waiting"),
        ("claim_slot_provided", "waiting"),
    ],
)
def test_a_workers_won_slots_are_not_looked_for_among_all(db, statement, index):
    plan = plan_as_run(db, statement, {"account_id": "winner", "pool": POOL})

    assert f"compute_auction_clears_{index}" in plan
    assert "compute_auction_clears_round" not in plan


@pytest.mark.parametrize("statement", ["slot_provided_waiting", "claim_slot_provided"])
def test_the_oldest_slot_that_waits_is_found_without_sorting_those_that_wait(db, statement):
    plan = plan_as_run(db, statement, {"account_id": "system:treasury", "pool": POOL})

    assert "Sort" not in plan
    assert "TEMP B-TREE" not in plan


def test_an_agents_won_slots_are_not_looked_for_among_all(db):
    plan = plan_as_run(db, "won_slots_of", {"agent_id": "winner"})

    assert "compute_auction_clears_live_bidder" in plan
    assert "compute_auction_clears_waiting" in plan
    assert "compute_auction_clears_round" not in plan


def vacuum(db: Database) -> None:
    """Let PostgreSQL's planner know for sure how many rows there are now."""
    if isinstance(db, PostgresDatabase):
        with db._pool.connection() as connection:
            connection.execute("VACUUM compute_auction_clears")


def plan_as_run(db: Database, statement: str, given: dict[str, Any]) -> str:
    """Return the plan of a statement as the market's own connections make it."""
    if not isinstance(db, PostgresDatabase):
        return plan_of(db, statement, given)
    with db._pool.connection() as connection:
        sql = load("postgres")[statement].sql
        return "\n".join(row[0] for row in connection.execute(f"EXPLAIN {sql}".encode(), given))


def plan_of(db: Database, statement: str, given: dict[str, Any]) -> str:
    sql = load(db.dialect)[statement].sql
    if db.dialect == "sqlite":
        values = {**given, "now": NOON.isoformat(timespec="microseconds")}
        with db.reading() as tx:
            rows = tx._connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)
            return "\n".join(row[-1] for row in rows)
    with psycopg.connect(db.url, autocommit=True) as connection:
        connection.execute("ANALYZE")
        connection.execute("SET plan_cache_mode = force_generic_plan")
        return "\n".join(row[0] for row in connection.execute(f"EXPLAIN {sql}".encode(), given))


def bids_touched(db: Database, given: dict[str, Any]) -> int:
    """Count the index entries of the bids' table that one read of the book fetches."""
    sql = load("postgres")["book_range"].sql
    with psycopg.connect(db.url, autocommit=True) as connection:
        [(plan,)] = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}".encode(), given).fetchall()
    return sum(
        node["Actual Rows"] * node["Actual Loops"]
        for node in _nodes(plan[0]["Plan"])
        if node.get("Relation Name") == "compute_auction_bids"
    )


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", []) for node in _nodes(child))]


def test_a_round_reads_a_few_more_bids_than_it_has_slots(db, monkeypatch):
    market(db, 2_000)
    returned: list[int] = []
    kind = type_of_transactions(db)
    tuples = kind.tuples

    def counted(self: Transaction, statement: str, /, **arguments: Any) -> list[tuple[Any, ...]]:
        rows = tuples(self, statement, **arguments)
        if statement == "book_range":
            returned.append(len(rows))
        return rows

    monkeypatch.setattr(kind, "tuples", counted)
    clear(db)

    assert 0 < sum(returned) <= 100


def type_of_transactions(db: Database) -> Any:
    with db.reading() as tx:
        return type(tx)


def test_losers_wallets_are_free_at_once_without_being_written(db):
    market(db, 40)
    held = token_ledger.get_balance("loser", db=db).held
    stored = query(db, "SELECT held_tokens FROM token_accounts WHERE account_id = 'loser'")
    clear(db)

    assert held > 0
    assert token_ledger.get_balance("loser", db=db).held == 0
    assert query(db, "SELECT held_tokens FROM token_accounts WHERE account_id = 'loser'") == stored
    assert token_ledger.verify(db).ok


def test_what_is_stored_catches_up_in_bounded_chunks(db):
    market(db, 40)
    clear(db)
    stored = "SELECT COUNT(*) FROM compute_auction_bids WHERE status = 'open'"
    lost = compute_auction.get_order_book(now=NOON, db=db)
    left = [query(db, stored)[0][0]]
    while compute_auction.write_decided_bids(most=10, now=NOON, db=db):
        left.append(query(db, stored)[0][0])

    assert left == [45, 35, 25, 15, 5, 0]
    assert lost == compute_auction.get_order_book(now=NOON, db=db) == {"bids": [], "asks": []}
    assert len(clear_statuses(db)) == 2


def clear_statuses(db: Database) -> set[str]:
    return {status for (status,) in query(db, "SELECT status FROM compute_auction_bid_states")}

"""Any database comes to the one schema, however often and by however many it is brought there."""

from __future__ import annotations

import dataclasses
import hashlib
import subprocess
import sys
from functools import partial
from pathlib import Path

import psycopg
import pytest

from scidex.errors import MigrationEdited, SchemaTooNew
from scidex.exchange import compute_auction, token_ledger
from scidex.store import connect
from scidex.store import migrate as migrate_module
from scidex.store.database import Transaction
from scidex.store.migrate import Migration, in_dialect, migrate, migrations
from tests.databases import query, shape
from tests.raw_sql import change

ROOT = Path(__file__).parents[2]
SCHEMA = (ROOT / "scidex" / "store" / "schema.sql").read_text(encoding="utf-8")
BRIEFS_TABLES = ROOT / "migrations" / "20260427_compute_auction_tables.sql"


def schema_in(dialect: str) -> str:
    """Return schema.sql for a dialect; SQLite has no sequences, and triggers of its own, tried elsewhere."""
    if dialect == "postgres":
        return SCHEMA
    tables, _, _ = SCHEMA.partition("CREATE FUNCTION")
    lines = [line for line in tables.splitlines(keepends=True) if not line.startswith("CREATE SEQUENCE")]
    return in_dialect("".join(lines), "sqlite")


def test_all_migrations_make_the_schema_that_is_written_down(empty_url, tmp_path, new_database):
    with connect(empty_url) as migrated:
        migrate(migrated)
        other = f"sqlite:///{tmp_path}/written.db" if migrated.dialect == "sqlite" else new_database()
        with connect(other) as written:
            written.write(lambda tx: tx.script(schema_in(written.dialect)))
            made, stated = shape(migrated), shape(written)

    if "table number_series" in made:
        del made["table number_series"]
        made = {name: sql for name, sql in made.items() if not name.startswith("trigger ")}
    assert made == stated


def test_two_schemas_that_differ_have_different_shapes(empty_url, tmp_path, new_database):
    with connect(empty_url) as db:
        migrate(db)
        before = shape(db)
        db.write(lambda tx: tx.script("DROP INDEX compute_auction_bids_status_price;"))
        assert shape(db) != before
        db.write(
            lambda tx: tx.script(
                "CREATE INDEX compute_auction_bids_status_price ON compute_auction_bids (status, max_price_tokens);"
            )
        )
        assert shape(db) != before


def test_migrations_are_taken_once(empty_url):
    with connect(empty_url) as db:
        taken = migrate(db)
        before = shape(db)

        assert taken == [migration.name for migration in migrations(db.dialect)]
        assert migrate(db) == []
        assert shape(db) == before


def take(tx: Transaction, migration: Migration) -> None:
    tx.script(migration.sql)
    tx.run("note_migration", name=migration.name)


def test_a_database_of_any_age_is_brought_up_to_date(empty_url):
    """Every prefix of the migrations is a database that somebody may have."""
    with connect(empty_url) as db:
        known = migrations(db.dialect)
        db.write(lambda tx: tx.run("create_version_table"))
        for migration in known[:2]:
            db.write(partial(take, migration=migration))

        assert migrate(db) == [migration.name for migration in known[2:]]
        assert compute_auction.ensure_schema(db=db) == []


def script(tx: Transaction, sql: str) -> None:
    tx.script(sql)


@pytest.mark.parametrize("empty_url", ["sqlite"], indirect=True)
def test_a_series_that_bids_ran_ahead_of_catches_up(empty_url):
    """Bids that came alone once kept their number as their id only."""
    with connect(empty_url) as db:
        compute_auction.ensure_schema(db=db)
        token_ledger.create_account("a", db=db)
        token_ledger.mint("a", 100, db=db)
        last = [compute_auction.place_bid("a", f"t{n}", 5, db=db).id for n in range(3)][-1]
        for sql in (
            "UPDATE number_series SET last_number = 0 WHERE series = 'bid_numbers';",
            "DELETE FROM schema_migrations WHERE name = '20260521_bid_numbers.sqlite';",
        ):
            db.write(partial(script, sql=sql))

        assert len(migrate(db)) == 1
        assert compute_auction.place_bid("a", "t", 5, db=db).id == last + 1


def test_a_migration_that_fails_leaves_nothing_behind(empty_url):
    with connect(empty_url) as db:
        # A table that is in the way of the last step only.
        db.write(lambda tx: tx.script("CREATE TABLE token_holds (in_the_way TEXT);"))
        before = shape(db)
        with pytest.raises(Exception, match="token_holds"):
            migrate(db)
        assert shape(db) == before

        db.write(lambda tx: tx.script("DROP TABLE token_holds;"))
        migrate(db)


ENSURE = """
import sys
from scidex.exchange import compute_auction
from scidex.store import connect
sys.stdin.readline()
with connect(sys.argv[1]) as db:
    print(len(compute_auction.ensure_schema(db=db)))
"""


def test_many_processes_may_bring_one_database_up_to_date_at_once(empty_url):
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", ENSURE, empty_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(4)
    ]
    # They have loaded everything and wait for the word, so that they go at once.
    for program in programs:
        assert program.stdin is not None
        program.stdin.write("go\n")
        program.stdin.flush()
    answers = [program.communicate(timeout=60) for program in programs]

    assert [errors for _, errors in answers if errors] == []
    assert sorted(int(taken) for taken, _ in answers)[:-1] == [0, 0, 0]
    with connect(empty_url) as db:
        assert compute_auction.ensure_schema(db=db) == []
        assert token_ledger.verify(db).ok
        assert query(db, "SELECT verb FROM journal") == [("open_market",)]


def test_a_database_from_the_future_is_refused_and_left_alone(db):
    db.write(lambda tx: tx.run("note_migration", name="29990101_flying_cars"))
    before = shape(db)

    with pytest.raises(SchemaTooNew) as refused:
        compute_auction.ensure_schema(db=db)

    assert refused.value.facts == {"unknown_migration": "29990101_flying_cars"}
    assert shape(db) == before


def test_a_migration_that_was_edited_after_it_was_taken_is_refused(db, monkeypatch):
    known = migrations(db.dialect)
    edited = dataclasses.replace(known[3], digest="0" * 64)
    monkeypatch.setattr(migrate_module, "migrations", lambda _: (*known[:3], edited, *known[4:]))
    before = shape(db)

    with pytest.raises(MigrationEdited) as refused:
        compute_auction.ensure_schema(db=db)

    with pytest.raises(MigrationEdited):
        migrate_module.check_schema(db)
    assert refused.value.facts == {"migration": known[3].name}
    assert shape(db) == before


def test_a_database_that_kept_no_digests_is_given_those_of_today(db):
    change(db, "UPDATE schema_migrations SET digest = NULL")

    assert compute_auction.ensure_schema(db=db) == []
    kept = dict(query(db, "SELECT name, digest FROM schema_migrations"))
    assert kept == {migration.name: migration.digest for migration in migrations(db.dialect)}


def test_a_digest_is_that_of_the_file(db):
    for migration in migrations(db.dialect):
        files = (ROOT / "migrations").glob(f"{migration.name}.*")
        assert migration.digest in {hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# --- the two tables that others read by name


def test_the_auctions_tables_run_as_they_stand_on_an_empty_postgresql(new_database):
    """As `psql -f` does: the whole file, each statement on its own, and once more for good measure."""
    url = new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        for _ in range(2):
            connection.execute(BRIEFS_TABLES.read_bytes())
        columns = connection.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
        ).fetchall()

    of = {table: {c: kind for t, c, kind in columns if t == table} for table, _, _ in columns}
    assert set(of) == {"compute_auction_bids", "compute_auction_clears"}
    assert list(of["compute_auction_bids"])[:7] == [
        "id",
        "bidder_id",
        "task_id",
        "max_price_tokens",
        "expected_value_usd",
        "ttl_at",
        "status",
    ]
    assert list(of["compute_auction_clears"])[:6] == [
        "slot_id",
        "clearing_price_tokens",
        "winning_task_id",
        "runner_up_task_id",
        "slot_started_at",
        "slot_finished_at",
    ]
    assert of["compute_auction_bids"]["max_price_tokens"] == "bigint"
    assert of["compute_auction_bids"]["ttl_at"] == "timestamp with time zone"
    with connect(url) as db:
        assert len(compute_auction.ensure_schema(db=db)) == len(migrations("postgres"))
        assert compute_auction.get_order_book(db=db) == {"bids": [], "asks": []}


def test_bids_are_indexed_by_status_and_falling_price(db):
    if db.dialect == "sqlite":
        found = query(
            db, "SELECT name, \"desc\" FROM pragma_index_xinfo('compute_auction_bids_status_price') WHERE key = 1"
        )
        assert found == [("status", 0), ("max_price_tokens", 1)]
        return
    descending = 1  # the lowest bit of an index column's options
    found = query(
        db,
        "SELECT a.attname, o.option & %s FROM pg_index i"
        " CROSS JOIN LATERAL unnest(i.indkey::int[], i.indoption::int[]) WITH ORDINALITY o (column_number, option, n)"
        " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = o.column_number"
        " WHERE i.indexrelid = 'compute_auction_bids_status_price'::regclass ORDER BY o.n",
        descending,
    )
    assert found == [("status", 0), ("max_price_tokens", 1)]


def test_the_keys_are_those_of_the_brief(db):
    keys = {"compute_auction_bids": ["id"], "compute_auction_clears": ["slot_id"]}
    for table, columns in keys.items():
        if db.dialect == "sqlite":
            found = query(db, "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", table)
        else:
            found = query(
                db,
                "SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid"
                " AND a.attnum = ANY (i.indkey) WHERE i.indisprimary AND i.indrelid = %s::regclass",
                table,
            )
        assert [name for (name,) in found] == columns

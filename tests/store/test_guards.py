"""What is append-only refuses to be changed, by whoever has the database's password too."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import psycopg
import pytest

from scidex.errors import StoreError
from scidex.exchange import compute_auction, sealing, token_ledger
from scidex.store import Database, connect
from scidex.store.db_writes import replay
from tests.databases import contents, path_of, query

APPEND_ONLY = ("token_transfers", "journal", "journal_seals", "refused_attempts")


@pytest.fixture
def market(db: Database) -> Database:
    """A market with a row in each of these tables."""
    token_ledger.create_account("ada", db=db)
    token_ledger.mint("ada", 9, db=db)
    sealing.seal_journal(db=db)
    attempt = "1, '2026-05-01T12:00:00+00:00', NULL, NULL, 'GET', '/', 401, 'NotAuthenticated', '', '', 1"
    db.write(lambda tx: tx.script(f"INSERT INTO refused_attempts VALUES ({attempt});"))
    return db


def run(db: Database, sql: str) -> None:
    """Run a statement as the database's owner."""
    if db.dialect == "postgres":
        with psycopg.connect(db.url) as connection:
            connection.execute(sql.encode())
        return
    with closing(sqlite3.connect(path_of(db))) as connection:
        connection.execute(sql)
        connection.commit()


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("sql", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {}"])
def test_what_is_append_only_refuses_to_be_changed(market, table, sql):
    if sql.startswith("TRUNCATE") and market.dialect == "sqlite":
        return  # it has no such statement
    before = contents(market), query(market, "SELECT * FROM journal_seals")
    column = {"token_transfers": "reason", "journal": "actor", "journal_seals": "marks"}.get(table, "error")

    with pytest.raises((sqlite3.Error, psycopg.Error), match="append-only"):
        run(market, sql.format(table, column, column))

    assert (contents(market), query(market, "SELECT * FROM journal_seals")) == before


def test_the_program_itself_is_refused_with_the_fact(market):
    with pytest.raises(StoreError) as refused:
        market.write(lambda tx: tx.run("forget_journal"))

    assert refused.value.facts["fact"] == "journal is append-only"


def test_only_of_a_market_that_nobody_used_the_journal_gives_way_to_another(market, tmp_path, new_database):
    url = f"sqlite:///{tmp_path}/opened.db" if market.dialect == "sqlite" else new_database()
    with connect(url) as opened:
        compute_auction.ensure_schema(db=opened)
        assert replay(market, into=opened) == 3
        with pytest.raises((sqlite3.Error, psycopg.Error), match="append-only"):
            run(opened, "DELETE FROM journal WHERE verb = 'open_market'")

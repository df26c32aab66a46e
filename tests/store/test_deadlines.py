"""No call to a database takes longer than its deadline, whatever became of the database."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from scidex.errors import DatabaseBusy, DatabaseUnavailable
from scidex.exchange import compute_auction, token_ledger
from scidex.settings import Settings
from scidex.store import connect
from tests.databases import query
from tests.store.networks import network_to

DEADLINE = 1.0
IMPATIENT = Settings(database_deadline_seconds=DEADLINE)
# Room for a slow machine; far below the quarter of an hour after which a kernel gives a dead connection up.
GRACE = 6.0


@contextmanager
def within_the_deadline() -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < DEADLINE + GRACE


def eventually(act: Callable[[], Any]) -> Any:
    """Act until the database is there again."""
    for _ in range(10):
        with suppress(DatabaseUnavailable):
            return act()
    return act()


@pytest.fixture
def postgres_url(postgres_template, new_database) -> str:
    return new_database(template=postgres_template)


def test_a_silent_network_is_unavailable_before_the_deadline(postgres_url):
    with network_to(postgres_url) as network, connect(network.url, settings=IMPATIENT) as db:
        token_ledger.create_account("ada", db=db)
        network.fall_silent()

        with within_the_deadline(), pytest.raises(DatabaseUnavailable):
            token_ledger.mint("ada", 5, db=db)
        with within_the_deadline(), pytest.raises(DatabaseUnavailable):
            token_ledger.get_balance("ada", db=db)

        network.heal()
        assert eventually(lambda: token_ledger.get_balance("ada", db=db).balance) == 0
        token_ledger.mint("ada", 7, db=db)
        assert token_ledger.get_balance("ada", db=db).balance == 7


def test_a_network_that_falls_silent_in_a_transaction_is_unavailable(postgres_url):
    with network_to(postgres_url) as network, connect(network.url, settings=IMPATIENT) as db:

        def work(tx):
            rows = tx.rows("all_pools")
            network.fall_silent()
            return rows, tx.rows("all_pools")

        with within_the_deadline(), pytest.raises(DatabaseUnavailable):
            db.write(work)
        with within_the_deadline(), pytest.raises(DatabaseUnavailable), db.reading() as tx:
            tx.rows("all_pools")


def test_a_network_that_is_silent_from_the_start_is_unavailable(postgres_url):
    with network_to(postgres_url) as network, connect(network.url, settings=IMPATIENT) as db:
        network.fall_silent()

        with within_the_deadline(), pytest.raises(DatabaseUnavailable):
            token_ledger.get_balance("ada", db=db)


def test_an_acknowledgement_that_is_lost_leaves_whole_writes(postgres_url):
    """Commits that were sent and never answered have happened or have not; the same key tells, and pays once."""
    with network_to(postgres_url) as network, connect(network.url, settings=IMPATIENT) as db:
        token_ledger.create_account("ada", db=db)
        network.fall_silent()
        with pytest.raises(DatabaseUnavailable):
            token_ledger.mint("ada", 5, idempotency_key="one", db=db)
        network.heal()
        eventually(lambda: token_ledger.mint("ada", 5, idempotency_key="one", db=db))

        assert token_ledger.get_balance("ada", db=db).balance == 5
        assert token_ledger.verify(db).ok


def test_rows_that_another_keeps_locked_are_busy_before_the_deadline(postgres_url):
    import psycopg

    with connect(postgres_url, settings=IMPATIENT) as db, psycopg.connect(postgres_url) as other:
        token_ledger.create_account("ada", db=db)
        other.execute("SELECT * FROM token_accounts WHERE account_id = 'ada' FOR UPDATE")

        with within_the_deadline(), pytest.raises(DatabaseBusy):
            token_ledger.mint("ada", 5, db=db)

        other.rollback()
        token_ledger.mint("ada", 5, db=db)


def test_a_connection_that_the_server_ends_is_unavailable_once(postgres_url):
    with connect(postgres_url, settings=IMPATIENT) as db:

        def work(tx):
            tx.rows("all_pools")
            end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            assert query(db, end + " AND state = 'idle in transaction'") == [(True,)]
            return tx.rows("all_pools")

        with pytest.raises(DatabaseUnavailable):
            db.write(work)

        assert eventually(lambda: compute_auction.get_pool(db=db).pool) == "scidex-agent"


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_file_that_another_process_writes_is_busy_before_the_deadline(tmp_path):
    path = tmp_path / "market.db"
    with connect(f"sqlite:///{path}", settings=IMPATIENT) as db:
        compute_auction.ensure_schema(db=db)
        token_ledger.create_account("ada", db=db)
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "locked\n"

            with within_the_deadline(), pytest.raises(DatabaseBusy):
                token_ledger.mint("ada", 5, db=db)
            assert token_ledger.get_balance("ada", db=db).balance == 0
            assert holder.stdin is not None
            holder.stdin.close()

        token_ledger.mint("ada", 5, db=db)
        assert token_ledger.get_balance("ada", db=db).balance == 5


def test_the_server_keeps_the_time_in_utc_and_a_deadline_of_its_own(postgres_url):
    names = ("TimeZone", "statement_timeout", "synchronous_commit", "transaction_isolation")
    asked = ", ".join(f"current_setting('{name}')" for name in names)
    with connect(postgres_url, settings=IMPATIENT) as db:
        db.write(lambda tx: tx.script(f"CREATE TABLE seen AS SELECT ARRAY[{asked}] AS settings"))

        assert query(db, "SELECT settings FROM seen") == [(["UTC", "800ms", "on", "read committed"],)]

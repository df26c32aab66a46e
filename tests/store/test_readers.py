"""Reading connections of SQLite: a few for any number of threads, however long the database is open."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from scidex.errors import DatabaseBusy, DatabaseUnavailable
from scidex.exchange import token_ledger
from scidex.settings import Settings
from scidex.store import Database, connect
from scidex.store.sqlite import _MOST_READERS

pytestmark = pytest.mark.parametrize("db", ["sqlite"], indirect=True)


def open_files(db: Database) -> int:
    """Return how many files of this database this process has open."""
    path = db.url.removeprefix("sqlite:///")
    return sum(str(file.resolve()).startswith(path) for file in Path("/proc/self/fd").iterdir())


def accounts(db: Database) -> int:
    return len(token_ledger.list_accounts(db=db))


def test_threads_that_come_and_go_leave_nothing_open(db):
    accounts(db)
    before = open_files(db)
    for _ in range(200):
        thread = threading.Thread(target=accounts, args=(db,))
        thread.start()
        thread.join()

    assert open_files(db) == before


def test_a_crowd_of_readers_shares_a_few_connections(db):
    everybody = threading.Barrier(100)

    def read(_: int) -> int:
        everybody.wait()
        return accounts(db)

    with ThreadPoolExecutor(100) as crowd:
        assert len(set(crowd.map(read, range(100)))) == 1

    assert open_files(db) <= 2 * (_MOST_READERS + 1) + 1  # two for each connection, and one that they share


def test_a_reader_for_whom_there_is_no_connection_waits_and_is_refused_in_time(db):
    ready, over = threading.Barrier(_MOST_READERS + 1), threading.Event()

    def hold(impatient: Database) -> None:
        with impatient.reading():
            ready.wait()
            over.wait()

    with connect(db.url, settings=Settings(database_deadline_seconds=0.2)) as impatient:
        with ThreadPoolExecutor(_MOST_READERS) as readers:
            held = [readers.submit(hold, impatient) for _ in range(_MOST_READERS)]
            ready.wait()
            try:
                with pytest.raises(DatabaseBusy):
                    accounts(impatient)
            finally:
                over.set()
        assert [one.result() for one in held] == [None] * _MOST_READERS
        assert accounts(impatient) == accounts(db)


def test_a_read_within_a_read_sees_the_same_state_and_takes_no_other_connection(db):
    with db.reading() as outer, db.reading() as inner:
        assert inner is outer

    with db.reading() as tx:
        assert tx.rows("all_pools")


def test_a_connection_that_fails_is_not_lent_again(db):
    def break_it() -> None:
        with db.reading() as tx:
            tx._connection.close()
            tx.rows("all_pools")

    with pytest.raises(DatabaseUnavailable):
        break_it()

    assert accounts(db)


def test_what_is_lent_when_a_database_closes_is_closed_when_it_comes_back(db):
    other = connect(db.url)
    with other.reading() as tx:
        other.close()
        assert tx.rows("all_pools")

    with pytest.raises(sqlite3.ProgrammingError):
        tx._connection.execute("SELECT 1")

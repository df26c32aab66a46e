"""SQLite's one writer: many threads' writes share a commit, and none of them feels the others' failures."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from scidex.errors import DatabaseUnavailable, ScidexError
from scidex.exchange import compute_auction
from scidex.store import connect
from scidex.store.database import Transaction
from scidex.store.sqlite import SqliteDatabase, _Job
from tests.databases import query

T0 = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.fixture
def db(tmp_path) -> Iterator[SqliteDatabase]:
    with connect(f"sqlite:///{tmp_path}/market.db") as database:
        assert isinstance(database, SqliteDatabase)
        compute_auction.ensure_schema(db=database)
        yield database


def add(tx: Transaction, name: str) -> None:
    tx.run("add_account", account_id=name, kind="agent", owner_id=name, created_at=T0)


def names(db: SqliteDatabase) -> list[str]:
    return [
        name for (name,) in query(db, "SELECT account_id FROM token_accounts WHERE kind = 'agent' ORDER BY account_id")
    ]


def together(db: SqliteDatabase, *works: Callable[[Transaction], Any]) -> list[Any]:
    """Have each work written by a thread of its own, all in one group; return their results or errors."""
    outcomes: list[Any] = [None] * len(works)
    started, may_go_on = threading.Event(), threading.Event()

    def hold_the_turn(_tx: Transaction) -> None:
        started.set()
        assert may_go_on.wait(10)

    def write(place: int, work: Callable[[Transaction], Any]) -> None:
        try:
            outcomes[place] = db.write(work)
        except BaseException as error:
            outcomes[place] = error

    threads = [threading.Thread(target=write, args=item) for item in enumerate(works)]
    first = threading.Thread(target=lambda: db.write(hold_the_turn))
    first.start()
    assert started.wait(10)
    for place, thread in enumerate(threads):
        thread.start()
        while len(db._waiting) <= place:
            threading.Event().wait(0.001)
    may_go_on.set()
    for thread in (first, *threads):
        thread.join(10)
    return outcomes


def commits(db: SqliteDatabase, act: Callable[[], Any]) -> int:
    seen: list[str] = []
    db._writer.set_trace_callback(seen.append)
    act()
    db._writer.set_trace_callback(None)
    return seen.count("COMMIT")


def test_writes_that_wait_together_share_one_commit(db):
    works = [lambda tx, n=n: add(tx, f"a{n}") for n in range(8)]

    assert commits(db, lambda: together(db, *works)) == 2  # one for the write that held the turn
    assert names(db) == [f"a{n}" for n in range(8)]


def test_one_refusal_does_not_undo_its_neighbours(db):
    def refuse(tx: Transaction) -> None:
        add(tx, "ghost")
        raise ScidexError

    def break_a_rule(tx: Transaction) -> None:
        add(tx, "ghost")
        tx.run("add_account", account_id="x", kind="ghost", owner_id="x", created_at=T0)

    outcomes = together(db, lambda tx: add(tx, "ada"), refuse, lambda tx: add(tx, "bob"), break_a_rule)

    assert [type(outcome).__name__ for outcome in outcomes] == ["NoneType", "ScidexError", "NoneType", "StoreError"]
    assert names(db) == ["ada", "bob"]


def test_a_write_inside_a_write_is_refused(db):
    with pytest.raises(RuntimeError, match="inside another"):
        db.write(lambda _tx: db.write(lambda tx: add(tx, "ada")))

    assert names(db) == []
    db.write(lambda tx: add(tx, "bob"))
    assert names(db) == ["bob"]


def test_an_interrupt_in_one_leaves_the_others_to_be_done_once(db):
    neighbours = [waiting(db, lambda tx: add(tx, "ada")), waiting(db, lambda tx: add(tx, "bob"))]

    def interrupted(tx: Transaction) -> None:
        add(tx, "ghost")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        db.write(interrupted)
    assert names(db) == []
    db.write(lambda tx: add(tx, "eve"))

    assert names(db) == ["ada", "bob", "eve"]
    assert [job.done for job in neighbours] == [True, True]
    assert not db._waiting


def waiting(db: SqliteDatabase, work: Callable[[Transaction], Any]) -> _Job:
    """Queue a write as a thread does that has not got its turn yet."""
    job = _Job(work)
    db._waiting.append(job)
    return job


class Interrupting:
    """A connection on which Ctrl-C arrives right after a statement has been done."""

    def __init__(self, connection: sqlite3.Connection, after: str) -> None:
        self._connection = connection
        self._after = after

    def execute(self, statement: str) -> Any:
        result = self._connection.execute(statement)
        if statement == self._after:
            self._after = ""
            raise KeyboardInterrupt
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@pytest.mark.parametrize("point", ["BEGIN IMMEDIATE", "SAVEPOINT job", "RELEASE job", "COMMIT"])
def test_an_interrupt_of_the_writer_does_no_neighbours_work_twice_or_never(db, point):
    runs: list[int] = []
    started, may_go_on, held = threading.Event(), threading.Event(), threading.Event()

    def work(tx: Transaction) -> None:
        runs.append(1)
        last = tx.tuples("draw_numbers", series="slot_numbers", count=1)[0][0]
        add(tx, f"numbered-{last}")

    def hold_the_turn(_tx: Transaction) -> None:
        started.set()
        assert may_go_on.wait(10)

    def write() -> None:
        try:
            db.write(work)
        except KeyboardInterrupt:
            held.set()

    first = threading.Thread(target=lambda: db.write(hold_the_turn))
    first.start()
    assert started.wait(10)
    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(db._waiting) < 4:
        threading.Event().wait(0.001)
    # The write that holds the turn is alone in its group and has begun already, so the next group is the one hit.
    db._writer = Interrupting(db._writer, after=point if point != "COMMIT" else "")
    if point == "COMMIT":
        arm_after_first_commit(db)
    may_go_on.set()
    for thread in (first, *threads):
        thread.join(10)

    assert held.is_set()
    # The interrupted thread's own work is given up, unless it had been committed; the others' is there, once.
    assert len(names(db)) == (4 if point == "COMMIT" else 3)
    assert not db._waiting


def arm_after_first_commit(db: SqliteDatabase) -> None:
    connection: Any = db._writer
    count = 0
    plain = connection.execute

    def execute(statement: str) -> Any:
        nonlocal count
        result = plain(statement)
        if statement == "COMMIT":
            count += 1
            if count == 2:
                raise KeyboardInterrupt
        return result

    connection.execute = execute


def test_a_refusal_before_an_interrupt_is_forgotten_when_the_work_is_done_again(db):
    tries: list[int] = []

    def sulks_once(tx: Transaction) -> str:
        tries.append(1)
        if len(tries) == 1:
            raise ScidexError
        add(tx, "ada")
        return "done"

    def interrupted(_tx: Transaction) -> None:
        raise KeyboardInterrupt

    job = waiting(db, sulks_once)
    with pytest.raises(KeyboardInterrupt):
        db.write(interrupted)
    db.write(lambda tx: add(tx, "bob"))

    assert (job.result, job.error, names(db)) == ("done", None, ["ada", "bob"])


def test_a_commit_that_fails_refuses_the_whole_group(db):
    query_only = "PRAGMA query_only = ON"
    db._writer.execute(query_only)
    with pytest.raises(DatabaseUnavailable):
        db.write(lambda tx: add(tx, "ada"))
    db._writer.execute(query_only.replace("ON", "OFF"))

    db.write(lambda tx: add(tx, "bob"))
    assert names(db) == ["bob"]


def test_the_file_keeps_what_it_must(db):
    def pragma(name: str) -> Any:
        return [c.execute(f"PRAGMA {name}").fetchone()[0] for c in (db._writer, db._connect_reader())]

    assert pragma("journal_mode") == ["wal", "wal"]
    assert pragma("synchronous") == [2, 2]  # FULL
    assert pragma("foreign_keys") == [1, 1]
    strict = query(db, "SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
    assert [name for name, is_strict in strict if not is_strict and not name.startswith("sqlite_")] == []


def test_memory_in_one_process_is_as_safe_as_a_file():
    with connect("sqlite:///:memory:") as db:
        compute_auction.ensure_schema(db=db)
        assert query(db, "PRAGMA foreign_keys") == [(1,)]


def test_writes_of_one_thread_share_a_commit(db):
    def add_and_fail(tx: Transaction) -> None:
        add(tx, "b")
        raise KeyError("b")

    commits: list[str] = []
    db._writer.set_trace_callback(lambda sql: commits.append(sql) if sql in ("BEGIN IMMEDIATE", "COMMIT") else None)
    with db.together():
        db.write(lambda tx: add(tx, "a"))
        with pytest.raises(KeyError):
            db.write(add_and_fail)
        db.write(lambda tx: add(tx, "c"))
        assert names(db) == []
    assert commits == ["BEGIN IMMEDIATE", "COMMIT"]
    assert names(db) == ["a", "c"]


def test_a_shared_commit_that_sqlite_undoes_keeps_nothing(db):
    def lose_the_transaction(tx: Transaction) -> None:
        db._writer.execute("ROLLBACK")
        raise sqlite3.OperationalError("disk I/O error")

    def share() -> None:
        with db.together():
            db.write(lambda tx: add(tx, "a"))
            for work in (lose_the_transaction, lambda tx: add(tx, "c")):
                with pytest.raises(DatabaseUnavailable):
                    db.write(work)

    with pytest.raises(DatabaseUnavailable):
        share()
    assert names(db) == []
    db.write(lambda tx: add(tx, "d"))
    assert names(db) == ["d"]

"""Sealing: the journal's entries are chained behind their backs, and whatever a hand changes in them is named."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from datetime import timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scidex.errors import InvalidArgument
from scidex.exchange import auditing, sealing, token_ledger
from scidex.exchange.journal import chain
from scidex.records import SealReport
from scidex.store import Database, connect, seals
from scidex.store.database import Transaction
from scidex.store.db_writes import read_journal, replay
from tests.databases import contents, query
from tests.market import NOON, bid, clear, fund, offer
from tests.raw_sql import change

pytestmark = pytest.mark.tampers


@pytest.fixture
def market(db: Database) -> Database:
    """A market whose journal has a dozen entries and a gap between two of them, all sealed, in steps of five."""
    fund(db, 100, "a", "b")
    bid(db, "a", "t1", 50)
    bid(db, "b", "t2", 40)
    fund(db, 100, "c")
    change(db, "DELETE FROM journal WHERE verb = 'create_account' AND arguments LIKE '%\"c\"%'")
    offer(db)
    clear(db)
    fund(db, 10, "d", "e")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealing, "MOST_IN_A_SEAL", 5)
        assert sealing.seal_journal(now=NOON, db=db) == len(list(read_journal(db)))
    return db


def told(db: Database, expected: str | None = None) -> SealReport:
    with db.reading() as tx:
        return chain.verify_seals(tx, expect_seal=expected)


def numbers(db: Database) -> list[int]:
    return [entry.entry_id for entry in read_journal(db)]


# --- what is sealed


def test_every_entry_is_sealed_once_and_the_chain_holds(market):
    found = told(market)

    assert found.problems == ()
    assert (found.entries, found.waiting, found.seals) == (len(numbers(market)), 0, 3)
    assert found.head.startswith(f"{numbers(market)[-1]}:")
    sealed = query(market, "SELECT marks FROM journal_seals ORDER BY seal_number")
    assert [int(one.partition(":")[0]) for (marks,) in sealed for one in marks.split()] == numbers(market)


def test_what_is_not_sealed_yet_is_counted_and_sealed_next(market):
    before = told(market)
    fund(market, 5, "f")

    assert (told(market).waiting, told(market).head) == (2, before.head)
    assert sealing.seal_journal(least=3, now=NOON, db=market) == 0
    assert sealing.seal_journal(least=2, now=NOON, db=market) == 2
    assert sealing.seal_journal(now=NOON, db=market) == 0
    assert told(market).problems == ()
    assert told(market).seals == before.seals + 1


def test_sealing_changes_nothing_that_the_journal_tells(market):
    fund(market, 5, "f")
    before = contents(market)
    sealing.seal_journal(db=market)

    assert contents(market) == before


def test_a_replayed_journal_is_sealed_to_the_same_digest_on_any_database(db):
    fund(db, 100, "a", "b")
    bid(db, "a", "t1", 50)
    sealing.seal_journal(db=db)
    with connect("sqlite:///:memory:") as again:
        replay(db, again)
        assert told(again).seals == 0
        sealing.seal_journal(now=NOON + timedelta(days=1), most=1, db=again)

        assert told(again).head == told(db).head


@pytest.mark.parametrize("db", ["postgres"], indirect=True)
def test_no_seal_passes_an_entry_that_is_still_to_be_committed(db):
    fund(db, 100, "a")
    sealing.seal_journal(db=db)
    sealed = told(db).entries
    with psycopg.connect(db.url) as slow:
        # A number can be drawn before its transaction has an id, and the next one be committed meanwhile.
        (number,) = slow.execute("SELECT nextval('journal_numbers')").fetchone() or (0,)
        fund(db, 100, "b")
        assert sealing.seal_journal(db=db) == 0
        slow.execute(
            "INSERT INTO journal SELECT %s, verb, actor, arguments, generated, made_at FROM journal LIMIT 1", (number,)
        )
        assert sealing.seal_journal(db=db) == 0
        slow.commit()

    assert sealing.seal_journal(db=db) == 3
    assert (told(db).entries, told(db).problems) == (sealed + 3, ())


def test_a_loop_seals_what_there_is_now_and_then(db, monkeypatch):
    monkeypatch.setattr(sealing, "_SEAL_SECONDS", 0.0)
    monkeypatch.setattr(sealing, "_TURN_SECONDS", 0.01)
    with sealing.SealRunner(db).loop():
        fund(db, 100, "a")
        while told(db).waiting:
            time.sleep(0.01)

    assert told(db).problems == ()


def test_many_who_seal_at_once_seal_each_entry_once(db, monkeypatch):
    monkeypatch.setattr(sealing, "MOST_IN_A_SEAL", 7)
    token_ledger.create_account("a", db=db)
    for _ in range(120):
        token_ledger.mint("a", 1, db=db)
    begin = threading.Barrier(4)
    counts = []

    def seal() -> None:
        with connect(db.url) as own:
            begin.wait(30)
            counts.append(sealing.seal_journal(db=own))

    threads = [threading.Thread(target=seal) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sealing.seal_journal(db=db)

    assert told(db).problems == ()
    assert (told(db).entries, told(db).waiting) == (len(numbers(db)), 0)
    assert sum(counts) <= len(numbers(db))


def test_an_entry_that_is_still_to_come_is_waited_for(new_database, postgres_template):
    """On PostgreSQL a later number may be committed first; what is sealed has no gap that could be filled."""
    url = new_database(template=postgres_template)
    with connect(url) as db, psycopg.connect(url) as slow:
        fund(db, 100, "a")
        slow.execute(
            "INSERT INTO journal SELECT nextval('journal_numbers'), verb, actor, arguments, generated, made_at"
            " FROM journal WHERE verb = 'mint'"
        )
        late = numbers(db)[-1] + 1
        fund(db, 100, "b")
        sealing.seal_journal(db=db)
        before = told(db)
        slow.commit()
        sealing.seal_journal(db=db)

        assert before.head.startswith(f"{late - 1}:")
        assert (before.problems, before.waiting) == ((), 2)
        assert (told(db).problems, told(db).waiting) == ((), 0)
        assert late in numbers(db)


def test_a_number_that_will_never_come_is_passed_over(new_database, postgres_template):
    url = new_database(template=postgres_template)
    with connect(url) as db:
        fund(db, 100, "a")
        with psycopg.connect(url) as other:
            other.execute("SELECT nextval('journal_numbers')")
            other.rollback()
        fund(db, 100, "b")
        sealing.seal_journal(db=db)

        assert (told(db).problems, told(db).waiting) == ((), 0)


# --- what a hand changes is named


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("UPDATE journal SET actor = 'eve' WHERE entry_id = 7", "entry 7 was altered"),
        ("UPDATE journal SET arguments = replace(arguments, '100', '900') WHERE entry_id = 3", "entry 3 was altered"),
        ("UPDATE journal SET made_at = '2026-05-01T12:00:00.000001+00:00' WHERE entry_id = 2", "entry 2 was altered"),
        ("DELETE FROM journal WHERE entry_id = 4", "entry 4 was removed"),
        ("DELETE FROM journal WHERE entry_id > 5", "entry 6 was removed"),
        ("UPDATE journal SET entry_id = 8 WHERE entry_id = 9", "entry 8 was inserted"),
        (
            "INSERT INTO journal SELECT -5, verb, actor, arguments, generated, made_at FROM journal WHERE entry_id = 7",
            "entry -5 was inserted",
        ),
        (
            "INSERT INTO journal SELECT 8, verb, actor, arguments, generated, made_at FROM journal WHERE entry_id = 7",
            "entry 8 was inserted",
        ),
        (
            """UPDATE journal SET entry_id = -1 WHERE entry_id = 5; UPDATE journal SET entry_id = 5 WHERE entry_id = 6;
            UPDATE journal SET entry_id = 6 WHERE entry_id = -1""",
            "entry 5 was altered",
        ),
        ("DELETE FROM journal_seals WHERE seal_number = 2", "seal 2 was removed"),
        ("UPDATE journal_seals SET digest = substr(digest, 2) || 'x' WHERE seal_number = 2", "seal 2 was altered"),
        ("UPDATE journal_seals SET marks = replace(marks, '7:', '7:0') WHERE seal_number = 2", "seal 2 was altered"),
        ("UPDATE journal_seals SET marks = 'x' WHERE seal_number = 2", "seal 2 was altered"),
        ("UPDATE journal_seals SET last_entry = last_entry - 1 WHERE seal_number = 2", "seal 2 was altered"),
        ("UPDATE journal_seals SET first_entry = first_entry - 1 WHERE seal_number = 2", "seal 2 was altered"),
    ],
)
def test_an_audit_names_the_first_that_was_changed(market, sql, named):
    change(market, sql)

    assert named in told(market).problems[0]
    assert any(named in problem for problem in auditing.audit(db=market).problems)


def test_whoever_seals_anew_is_found_by_a_digest_that_was_kept_elsewhere(market):
    noted = told(market).head
    fund(market, 5, "f")
    sealing.seal_journal(db=market)
    assert told(market, noted).problems == ()
    assert auditing.audit(expect_seal=noted, db=market).seals.problems == ()

    change(market, "UPDATE journal SET actor = 'eve' WHERE entry_id = 7; DELETE FROM journal_seals")
    sealing.seal_journal(db=market)

    assert told(market).problems == ()
    assert "is not the one whose digest was noted" in told(market, noted).problems[0]


def test_a_digest_noted_of_what_was_cut_off_is_missed(market):
    noted = told(market).head
    change(market, "DELETE FROM journal WHERE entry_id > 5; DELETE FROM journal_seals WHERE seal_number > 1")

    assert told(market).problems == ()
    assert told(market, noted).problems != ()


def test_a_digest_may_be_noted_before_anything_is_sealed(db):
    noted = told(db).head
    assert noted == f"0:{seals.NOTHING}"
    fund(db, 1, "a")
    sealing.seal_journal(db=db)

    assert told(db, noted).problems == ()


@pytest.mark.parametrize(
    "expected", ["", "7", "7:", "x:y", f"7:{'A' * 64}", f"-7:{'a' * 64}", f"7:{'a' * 64}\n", 7, b"7"]
)
def test_what_is_no_head_is_refused(market, expected):
    with pytest.raises(InvalidArgument) as refused:
        told(market, expected)

    assert refused.value.facts["field"] == "expect_seal"


class _Undo(Exception):
    pass


TEXTS = ("verb", "actor", "arguments", "generated")


@pytest.mark.parametrize("kind", ["altered", "removed", "inserted", "exchanged"])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_single_change_of_a_sealed_journal_is_found(market, kind, data):
    there = [number for number in numbers(market) if number > 0]
    one = data.draw(st.sampled_from(there))
    sql = {
        "altered": f"UPDATE journal SET {data.draw(st.sampled_from(TEXTS))} = 'x' WHERE entry_id = {one}",
        "removed": f"DELETE FROM journal WHERE entry_id = {one}",
        "inserted": "INSERT INTO journal SELECT 8, verb, actor, arguments, generated, made_at FROM journal"
        f" WHERE entry_id = {one}",
        "exchanged": f"UPDATE journal SET entry_id = -1 WHERE entry_id = {one};"
        f" UPDATE journal SET entry_id = {one} WHERE entry_id = {(other := data.draw(st.sampled_from(there)))};"
        f" UPDATE journal SET entry_id = {other} WHERE entry_id = -1",
    }[kind]
    found: list[tuple[str, ...]] = []

    def tamper(tx: Transaction) -> None:
        for statement in (*UNGUARDED[market.dialect], *sql.split(";")):
            tx.script(f"{statement};")
        found.append(chain.verify_seals(tx).problems)
        raise _Undo

    with suppress(_Undo):
        market.write(tamper)

    unchanged = kind == "exchanged" and one == other
    assert (found[0] == ()) is unchanged
    assert told(market).problems == ()


UNGUARDED = {
    "sqlite": ("DROP TRIGGER journal_keeps_what_it_says", "DROP TRIGGER journal_keeps_all"),
    "postgres": ("ALTER TABLE journal DISABLE TRIGGER USER",),
}


# --- the digest itself


ENTRIES = st.lists(
    st.tuples(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5), st.text(max_size=5)),
    min_size=1,
    max_size=6,
).map(lambda rows: [(number, *row, "2026") for number, row in enumerate(rows, start=1)])


@given(one=ENTRIES, other=ENTRIES)
def test_two_journals_have_one_digest_only_if_they_are_the_same(one, other):
    ends = [seals.links(seals.NOTHING, journal)[-1].digest for journal in (one, other)]

    assert (ends[0] == ends[1]) is (one == other)


@given(journal=ENTRIES, cut=st.integers(0, 6))
def test_a_chain_is_the_same_in_however_many_steps_it_is_made(journal, cut):
    whole = seals.links(seals.NOTHING, journal)
    first = seals.links(seals.NOTHING, journal[:cut])
    rest = seals.links(first[-1].digest if first else seals.NOTHING, journal[cut:])

    assert [*first, *rest] == whole

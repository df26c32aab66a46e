"""What every database promises its verbs: the whole of a transaction or nothing, and one view for a reader."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest

from scidex.errors import ScidexError, StoreError
from scidex.store import Database
from scidex.store.database import Transaction
from tests.databases import query

T0 = datetime(2026, 5, 4, 12, 0, 0, 7, tzinfo=UTC)


class Refused(ScidexError):
    """A verb said no."""


def add(tx: Transaction, name: str, at: datetime = T0) -> int:
    return tx.run("add_account", account_id=name, kind="agent", owner_id=name, created_at=at)


def names(db: Database) -> list[str]:
    with db.reading() as tx:
        return [row["account_id"] for row in tx.rows("accounts_page", after="", page=1000) if row["kind"] != "system"]


def test_what_work_returns_is_returned_and_what_it_wrote_stays(db):
    assert db.write(lambda tx: (add(tx, "ada"), "done")) == (1, "done")
    assert names(db) == ["ada"]


@pytest.mark.parametrize("error", [Refused(), ValueError("odd"), MemoryError()])
def test_whatever_work_raises_undoes_it_and_is_raised(db, error):
    def work(tx: Transaction) -> None:
        add(tx, "ada")
        raise error

    with pytest.raises(type(error)) as raised:
        db.write(work)

    assert raised.value is error
    assert names(db) == []
    db.write(lambda tx: add(tx, "bob"))
    assert names(db) == ["bob"]


def test_an_interrupt_undoes_the_work_and_leaves_the_database_usable(db):
    def work(tx: Transaction) -> None:
        add(tx, "ada")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        db.write(work)

    db.write(lambda tx: add(tx, "bob"))
    assert names(db) == ["bob"]


def test_what_the_schema_forbids_is_a_refusal_and_undoes_all(db):
    def work(tx: Transaction) -> None:
        add(tx, "ada")
        tx.run("add_account", account_id="bob", kind="ghost", owner_id="bob", created_at=T0)

    with pytest.raises(StoreError):
        db.write(work)

    assert names(db) == []


def test_readers_see_one_state_while_writers_commit(db):
    db.write(lambda tx: add(tx, "ada"))
    with db.reading() as tx:
        before = tx.rows("accounts_page", after="", page=10)
        writer = threading.Thread(target=lambda: db.write(lambda tx: add(tx, "bob")))
        writer.start()
        writer.join()

        assert tx.rows("accounts_page", after="", page=10) == before
    assert names(db) == ["ada", "bob"]


def test_a_reader_sees_nothing_uncommitted(db):
    seen: list[list[str]] = []

    def work(tx: Transaction) -> None:
        add(tx, "ada")
        reader = threading.Thread(target=lambda: seen.append(names(db)))
        reader.start()
        reader.join()

    db.write(work)

    assert seen == [[]]


def test_a_reader_cannot_write(db):
    with pytest.raises(StoreError), db.reading() as tx:
        add(tx, "ada")

    assert names(db) == []


def test_an_error_of_the_reader_is_its_own(db):
    with pytest.raises(Refused), db.reading():
        raise Refused

    with db.reading() as tx:
        assert tx.rows("all_pools")


def test_instants_come_back_in_utc_to_the_microsecond(db):
    elsewhere = T0.astimezone(timezone(timedelta(hours=5, minutes=45)))
    db.write(lambda tx: add(tx, "ada", elsewhere))

    with db.reading() as tx:
        at = tx.rows("account", account_id="ada")[0]["created_at"]

    assert at == T0
    assert at.utcoffset() == timedelta(0)


def test_instants_are_compared_as_times_however_they_are_written(db):
    whole = datetime(2026, 5, 4, 12, tzinfo=UTC)
    for second, at in enumerate([whole, whole + timedelta(microseconds=1), whole + timedelta(seconds=1)]):
        row = {
            "entry_id": 100 + second,
            "verb": "test",
            "actor": "test",
            "arguments": "{}",
            "generated": "{}",
            "made_at": at,
        }
        db.write(lambda tx, row=row: tx.run("restore_journal", **row))

    rows = query(db, "SELECT entry_id FROM journal WHERE entry_id >= 100 ORDER BY made_at")

    assert [entry_id for (entry_id,) in rows] == [100, 101, 102]


def test_lists_are_arguments_however_long_and_odd(db):
    odd = ["it's", 'a "quote"', "com,ma", "back\\slash", "{brace}", "NULL", "Ω", "%s :x"]
    db.write(lambda tx: [add(tx, name) for name in odd])

    with db.reading() as tx:
        holds = tx.rows("bid_holds_of", account_ids=odd)
        pools = tx.rows("pools_named", pools=[*odd, "scidex-agent"])
        nothing = tx.rows("pools_named", pools=[])

    for name in odd:
        alone = db.write(lambda tx, name=name: tx.rows("lock_accounts", account_ids=[name, "plain"]))
        assert [row["account_id"] for row in alone] == [name]
    assert (holds, nothing) == ([], [])
    assert [row["pool"] for row in pools] == ["scidex-agent"]
    locked = db.write(lambda tx: tx.rows("lock_accounts", account_ids=[*odd, *map(str, range(2000))]))
    assert sorted(row["account_id"] for row in locked) == sorted(odd)


def test_rows_by_the_thousand_are_written_in_one_call(db):
    rows = [
        {"account_id": f"a{n:05}", "kind": "agent", "owner_id": "o", "created_at": T0 + timedelta(seconds=n)}
        for n in range(3000)
    ]
    db.write(lambda tx: tx.run_many("add_account", rows))
    db.write(lambda tx: tx.run_many("add_account", []))
    saved = [
        {"account_id": r["account_id"], "balance_tokens": n, "held_tokens": 0, "entries": n} for n, r in enumerate(rows)
    ]
    db.write(lambda tx: tx.run_many("save_accounts", saved))

    assert query(db, "SELECT COUNT(*), SUM(balance_tokens) FROM token_accounts WHERE kind = 'agent'") == [
        (3000, sum(range(3000)))
    ]


def test_columns_are_written_a_row_for_each_item_and_the_same_in_all_of_them(db):
    odd = ["it's", 'a "quote"', "com,ma", "back\\slash", "{brace}", "NULL", "Ω", "%s :x"]
    prices = list(range(len(odd)))
    columns = {
        "slot_id": odd,
        "clearing_price_tokens": prices,
        "winning_task_id": [name.upper() for name in odd],
        "runner_up_task_id": 'x","y',
        "slot_started_at": T0,
        "pool": "scidex-agent",
        "round_id": 7,
        "bid_id": prices,
        "bidder_id": odd,
        "provider_id": ["p"] * len(odd),
        "max_price_tokens": [2 * price for price in prices],
        "provider_proceeds_tokens": prices,
        "runner_up_price_tokens": None,
    }
    none = {name: [] if isinstance(column, list) else column for name, column in columns.items()}

    db.write(lambda tx: tx.run_columns("insert_clears", **columns))
    db.write(lambda tx: tx.run_columns("insert_clears", **none))

    with db.reading() as tx:
        written = [tx.rows("clear", slot_id=name)[0] for name in odd]
    assert [row["bid_id"] for row in written] == prices
    assert [row["bidder_id"] for row in written] == odd
    assert [row["winning_premium_tokens"] for row in written] == prices
    assert {(row["runner_up_task_id"], row["slot_started_at"], row["runner_up_price_tokens"]) for row in written} == {
        ('x","y', T0, None)
    }
    assert query(db, "SELECT COUNT(*) FROM compute_auction_clears") == [(len(odd),)]


def test_run_tells_how_many_rows_changed(db):
    assert db.write(lambda tx: (add(tx, "ada"), add(tx, "ada"))) == (1, 0)


def test_gather_answers_each_call_in_order(db):
    db.write(lambda tx: add(tx, "ada"))

    with db.reading() as tx:
        accounts, pools = tx.gather([("account", {"account_id": "ada"}), ("all_pools", {})])

    assert [row["account_id"] for row in accounts] == ["ada"]
    assert [row["pool"] for row in pools] == ["scidex-agent"]


def test_numbers_rise_and_never_come_twice(db):
    first = db.write(lambda tx: tx.draw_numbers("bid_numbers", 3))
    second = db.write(lambda tx: tx.draw_numbers("bid_numbers", 2))

    assert first + second == sorted(set(first + second))
    assert first == list(range(first[0], first[0] + 3))


def test_numbers_noted_are_never_drawn(db):
    db.write(lambda tx: tx.note_numbers("slot_numbers", 50))
    db.write(lambda tx: tx.note_numbers("slot_numbers", 7))

    assert db.write(lambda tx: tx.draw_numbers("slot_numbers", 2)) == [51, 52]


def test_a_noted_first_number_is_not_drawn_again(db):
    db.write(lambda tx: tx.note_numbers("slot_numbers", 1))

    assert db.write(lambda tx: tx.draw_numbers("slot_numbers", 1)) == [2]


def test_many_threads_write_at_once_and_each_write_is_there_once(db):
    def write(thread: int) -> None:
        for n in range(10):
            db.write(lambda tx, n=n: add(tx, f"t{thread:02}-{n}"))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert names(db) == sorted(f"t{thread:02}-{n}" for thread in range(12) for n in range(10))


def test_what_was_first_said_behind_a_refusal_can_be_said_again(db):
    def work(tx: Transaction) -> None:
        tx.post("add_account", account_id="bob", kind="ghost", owner_id="bob", created_at=T0)
        tx.post("add_account", account_id="eve", kind="agent", owner_id="eve", created_at=T0)
        tx.rows("all_pools")

    for _ in range(3):
        with pytest.raises(StoreError, match="kind"):
            db.write(work)
        assert db.write(lambda tx: [row["pool"] for row in tx.rows("all_pools")]) == ["scidex-agent"]
    assert names(db) == []


def test_a_refusal_that_nobody_waited_for_is_raised_by_the_commit(db):
    def work(tx: Transaction) -> str:
        add(tx, "ada")
        tx.post("add_account", account_id="bob", kind="ghost", owner_id="bob", created_at=T0)
        return "fine so far"

    with pytest.raises(StoreError, match="kind"):
        db.write(work)
    assert names(db) == []


def test_many_more_statements_than_fit_into_a_socket_are_written(db):
    long = "x" * 5_000

    def work(tx: Transaction) -> None:
        for n in range(2_000):
            tx.post("claim_key", scope=f"{long}-{n}", idempotency_key="k", arguments_digest=long, made_at=T0)

    db.write(work)

    assert query(db, "SELECT COUNT(*) FROM idempotency_keys") == [(2_000,)]

"""A bid that comes alone is placed with fewer statements, and as a batch would place it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scidex.errors import InsufficientTokens, ScidexError, TooManyOpenBids
from scidex.exchange import compute_auction
from scidex.exchange.book import plain_bid
from scidex.store import Database, connect
from scidex.store.database import Transaction
from tests.databases import differences
from tests.histories import STEPS, History, Step, steps
from tests.market import NOON, after, bid, clear, fund, know_task, offer, status, wallet
from tests.raw_sql import query, row_counts


@contextmanager
def reads_noted() -> Iterator[list[Any]]:
    """Note what each bid that was placed alone came to; None where it was left to the batch."""
    placed: list[Any] = []
    place = plain_bid.place

    def noting(*arguments: Any) -> Any:
        placed.append(place(*arguments))
        return placed[-1]

    with mock.patch.object(plain_bid, "place", noting):
        yield placed


def answers(db: Database, script: list[Step]) -> list[Any]:
    history = History(db)
    history.open()
    taken = [history.take(step) for step in script]
    return [repr(answer) for answer in taken]


# Bids for rounds by bidders with few that rest, for the most part: those that may be placed alone.
_plain = STEPS["bid"].map(lambda told: ("bid", *told[:4], False, *told[5:]))


@settings(max_examples=150)
@given(script=st.lists(st.one_of(_plain, _plain, steps()), min_size=5, max_size=40))
def test_it_is_placed_as_the_batch_would_place_it(script):
    with connect("sqlite:///:memory:") as alone, connect("sqlite:///:memory:") as together:
        told = answers(alone, script)
        with mock.patch.object(plain_bid, "place", return_value=None):
            assert told == answers(together, script)
        assert differences(alone, together) == []


# --- which bids are placed so


def test_a_plain_bid_is(db):
    fund(db, 100, "a")
    with reads_noted() as placed:
        first = bid(db, "a", "t", 30)
        amended = bid(db, "a", "t", 40)
        kept = bid(db, "a", "t", 40, expected_value_usd=2.0)
        keyed = bid(db, "a", "t2", 20, idempotency_key="k")

    assert placed == [first, amended, kept, keyed]
    assert (first.id, first.sequence < amended.sequence) == (amended.id, True)
    assert (kept.sequence, kept.expected_value_usd) == (amended.sequence, 2.0)
    assert wallet(db, "a") == (100, 40)


def test_a_bid_for_a_task_that_waits_is(db):
    fund(db, 100, "a")
    know_task(db, "t", "blocked", account_id="a")
    with reads_noted() as placed:
        waiting = bid(db, "a", "t", 30)

    assert placed == [waiting]
    assert waiting.reason == "task_blocked"
    offer(db)
    assert clear(db).sold == 0


def test_a_bid_for_a_task_that_holds_a_slot_is(db):
    fund(db, 100, "a")
    bid(db, "a", "t", 30)
    offer(db)
    clear(db)
    with reads_noted() as placed:
        again = bid(db, "a", "t", 30)

    assert placed == [again]
    assert again.reason == "task_running"


@pytest.mark.parametrize(
    ("terms", "held"),
    [({"time_in_force": "gtt"}, 18), ({"task_id": "rests"}, 9), ({"task_id": "other"}, 18)],
    ids=["one that rests", "one instead of it", "one beside it"],
)
def test_a_bid_of_a_bidder_with_bids_that_rest_is_left_to_the_batch(db, terms, held):
    fund(db, 100, "a")
    bid(db, "a", "rests", 10, time_in_force="gtt")
    with reads_noted() as placed:
        compute_auction.place_bid(
            **{"bidder_id": "a", "task_id": "t", "max_price_tokens": 9, "now": NOON, **terms}, db=db
        )

    assert placed == [None]
    assert wallet(db, "a") == (100, held)


def test_a_bid_whose_bidder_has_bids_in_another_pool_is(db):
    compute_auction.create_pool("gpu", now=NOON, db=db)
    fund(db, 100, "a")
    bid(db, "a", "t", 30, pool="gpu")
    lost = bid(db, "a", "t2", 60)
    offer(db)
    clear(db)
    with reads_noted() as placed:
        more = bid(db, "a", "t3", 40)

    assert placed == [more]
    # 30 stand in the other pool, the round that has cleared sold at 0, and 40 stand in the open one.
    assert wallet(db, "a") == (100, 70)
    assert status(db, lost) == "won"


# --- what it refuses is refused by the batch, and nothing is written


def test_what_the_wallet_does_not_cover_is_refused(db):
    fund(db, 100, "a")
    bid(db, "a", "t", 60)
    before = row_counts(db)

    with pytest.raises(InsufficientTokens) as refused:
        bid(db, "a", "t2", 51)

    assert refused.value.facts == {"field": "max_price_tokens", "account_id": "a", "needed": 42, "available": 40}
    assert (wallet(db, "a"), row_counts(db)) == ((100, 60), before)
    assert bid(db, "a", "t2", 50).status == "open"


def test_one_bid_too_many_is_refused_and_an_amendment_is_not(db, monkeypatch):
    monkeypatch.setenv("SCIDEX_MOST_OPEN_BIDS", "2")
    fund(db, 100, "a")
    bid(db, "a", "t", 10)
    bid(db, "a", "t2", 10)

    with pytest.raises(TooManyOpenBids):
        bid(db, "a", "t3", 10)
    assert bid(db, "a", "t2", 20).max_price_tokens == 20


def test_a_bid_that_would_end_at_once_is_refused_unplaced(db):
    fund(db, 100, "a")
    with reads_noted() as placed, pytest.raises(Exception, match="ttl_at must lie after now"):
        bid(db, "a", "t", 10, now=after(1), ttl_at=after(1))

    assert placed == [None]


# --- at few statements


_ASKING = {"rows", "rows_committed", "tuples", "run", "run_many", "gather", "lock", "draw_numbers"}


@contextmanager
def statements_noted(db: Database) -> Iterator[list[str]]:
    """Note which statements are waited for."""
    asked: list[str] = []
    kind: Any = type(_transaction(db))
    with ExitStack() as patches:
        for method in _ASKING if db.dialect == "postgres" else _ASKING - {"rows_committed"}:
            whole = getattr(kind, method)

            def noting(self: Transaction, what: Any, *rest: Any, whole: Any = whole, **arguments: Any) -> Any:
                asked.extend([what] if isinstance(what, str) else [statement for statement, _ in what])
                return whole(self, what, *rest, **arguments)

            patches.enter_context(mock.patch.object(kind, method, noting))
        yield asked


def test_it_reads_once_and_writes_at_once(db):
    """PostgreSQL, which is a journey away, decides it in the one statement that writes it."""
    fund(db, 100, "a")
    bid(db, "a", "t", 30)

    with statements_noted(db) as asked:
        bid(db, "a", "t2", 20)

    assert asked == ["place_plain_bid" if db.dialect == "postgres" else "ground_of_bid"]
    assert len(query(db, "SELECT 1 FROM compute_auction_bids")) == 2


def test_one_with_an_idempotency_key_reads_once_too(db):
    fund(db, 100, "a")

    with statements_noted(db) as asked:
        bid(db, "a", "t2", 20, idempotency_key="k")

    assert [one for one in asked if one != "lock_for_bid"] == ["claim_key", "ground_of_bid", "store_answer"]


def test_only_a_bid_that_is_sure_to_be_accepted_draws_its_number_while_it_is_decided(db):
    # PostgreSQL keeps what is drawn for a bid that is refused.
    late = ["bid_numbers", "draw_numbers"] if db.dialect == "postgres" else []
    fund(db, 100, "a")
    bid(db, "a", "t", 60)

    with statements_noted(db) as asked:  # 60 and 50 are more than there is, but no two slots can cost more than 2 × 50
        accepted = bid(db, "a", "t2", 50, idempotency_key="k")

    assert [one for one in asked if one != "lock_for_bid"] == ["claim_key", "ground_of_bid", *late, "store_answer"]
    assert (accepted.id, wallet(db, "a")) == (2, (100, 100))


def refused_by_wallet(db):
    bid(db, "a", "t", 101)


def refused_beside_others(db):
    bid(db, "a", "t0", 60)
    bid(db, "a", "t", 51)


def refused_as_one_too_many(db):
    compute_auction.place_bids(
        [{"bidder_id": "a", "task_id": f"t{n}", "max_price_tokens": 1} for n in range(3)], now=NOON, db=db
    )
    bid(db, "a", "t", 1)


def refused_since_nobody(db):
    bid(db, "nobody", "t", 1)


def refused_as_the_system(db):
    bid(db, "system:treasury", "t", 1)


def refused_without_a_pool(db):
    bid(db, "a", "t", 1, pool="none")


def refused_beside_what_rests(db):
    bid(db, "a", "t0", 60, time_in_force="gtt")
    bid(db, "a", "t", 51)


def refused_too_late(db):
    bid(db, "a", "t", 1, now=after(1), ttl_at=after(1))


@pytest.mark.parametrize(
    "refused",
    [
        refused_by_wallet,
        refused_beside_others,
        refused_as_one_too_many,
        refused_since_nobody,
        refused_as_the_system,
        refused_without_a_pool,
        refused_beside_what_rests,
        refused_too_late,
    ],
)
def test_a_refused_bid_leaves_no_gap_between_the_numbers(db, monkeypatch, refused):
    monkeypatch.setenv("SCIDEX_MOST_OPEN_BIDS", "3")
    fund(db, 100, "a", "b")
    with pytest.raises(ScidexError):
        refused(db)
    numbers = [row["id"] for row in query(db, "SELECT id FROM compute_auction_bids ORDER BY id")]

    assert bid(db, "b", "t9", 1).id == len(numbers) + 1
    assert numbers == list(range(1, len(numbers) + 1))


def test_numbers_drawn_alone_and_in_batches_follow_each_other(db):
    fund(db, 1_000, "a")
    first = bid(db, "a", "t", 30)
    more = compute_auction.place_bids(
        [{"bidder_id": "a", "task_id": f"t{n}", "max_price_tokens": 5} for n in range(2)], now=NOON, db=db
    )
    dearer = bid(db, "a", "t", 40)  # keeps its id, and takes a new place in the queue
    last = bid(db, "a", "t5", 1)
    again = bid(db, "a", "t5", 1)

    assert [first.id, *(one.id for one in more), dearer.sequence, last.id] == [1, 2, 3, 4, 5]
    assert (dearer.id, again.id, again.sequence) == (1, 5, 5)
    assert bid(db, "a", "t6", 1).id == 6


def test_a_bid_that_changes_no_hold_writes_no_wallet(db):
    fund(db, 100, "a")
    bid(db, "a", "t", 30)
    statements: list[str] = []
    kind: Any = type(_transaction(db))
    together = kind.run_together

    def noting(self: Transaction, calls: Any) -> None:
        statements.extend(statement for statement, rows in calls if rows)
        together(self, calls)

    with mock.patch.object(kind, "run_together", noting):
        bid(db, "a", "t2", 10, idempotency_key="k2")
    assert statements == ["insert_bids", "count_bids"]
    assert wallet(db, "a") == (100, 30)
    with mock.patch.object(kind, "run_together", noting):
        bid(db, "a", "t3", 29, idempotency_key="k3")
    assert statements[2:] == ["insert_bids", "save_accounts", "save_bid_holds", "count_bids"]
    assert wallet(db, "a") == (100, 58)


def _transaction(db: Database) -> Transaction:
    with db.reading() as tx:
        return tx

"""Placing bids, one or many, and amending those that are open."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest import mock

import psycopg
import pytest

from scidex.errors import (
    BidsRefused,
    InsufficientTokens,
    InvalidArgument,
    InvalidId,
    InvalidTime,
    TooManyOpenBids,
    UnknownAccount,
    UnknownPool,
)
from scidex.exchange import compute_auction, token_ledger
from scidex.exchange.book import bids
from scidex.mechanism.hold import covered
from scidex.store.database import Transaction
from tests.market import NOON, TREASURY, after, bid, clear, fund, offer, prices, status, wallet, won_tasks
from tests.raw_sql import query, row_counts


def test_a_bid_is_told_in_full(db):
    fund(db, 100, "a")

    placed = bid(db, "a", "t", 30, expected_value_usd=1.5, ttl_at=after(60))

    assert (placed.bidder_id, placed.task_id, placed.max_price_tokens) == ("a", "t", 30)
    assert (placed.expected_value_usd, placed.ttl_at, placed.placed_at) == (1.5, after(60), NOON)
    assert (placed.status, placed.pool, placed.time_in_force, placed.reason) == ("open", "scidex-agent", "round", "")
    assert placed.round_id == compute_auction.get_pool(db=db).open_round_id
    assert compute_auction.get_bid(placed.id, db=db) == placed


def test_a_bid_without_a_time_to_live_stands_for_a_day(db):
    fund(db, 100, "a")

    assert bid(db, "a", "t", 30).ttl_at == after(24 * 60)


def test_unknown_accounts_and_pools_are_named(db):
    fund(db, 100, "a")

    with pytest.raises(UnknownAccount) as nobody:
        bid(db, "ghost", "t", 30)
    with pytest.raises(UnknownPool) as nowhere:
        bid(db, "a", "t", 30, pool="nowhere")

    assert nobody.value.facts == {"field": "bidder_id", "account_id": "ghost"}
    assert nowhere.value.facts == {"field": "pool", "pool": "nowhere"}


def test_the_system_does_not_bid(db):
    token_ledger.mint(TREASURY, 100, now=NOON, db=db)

    with pytest.raises(InvalidId, match="bidder_id must not be a system account"):
        bid(db, TREASURY, "t", 30)


# --- amending


def test_an_open_bid_for_the_same_task_and_pool_is_amended_and_keeps_its_id(db):
    fund(db, 100, "a")
    first = bid(db, "a", "t", 30)

    amended = bid(db, "a", "t", 45, expected_value_usd=2.0, ttl_at=after(5), now=after(1))

    assert amended.id == first.id
    assert (amended.max_price_tokens, amended.expected_value_usd, amended.ttl_at) == (45, 2.0, after(5))
    assert compute_auction.get_bid(first.id, db=db) == amended
    assert row_counts(db)["compute_auction_bids"] == 1


def test_the_hold_grows_and_shrinks_with_an_amended_bid(db):
    fund(db, 100, "a")
    bid(db, "a", "t", 30)
    bid(db, "a", "t", 100)
    assert wallet(db, "a") == (100, 100)
    bid(db, "a", "t", 10)
    assert wallet(db, "a") == (100, 10)

    with pytest.raises(InsufficientTokens) as refused:
        bid(db, "a", "t", 101)

    # The old hold frees up for the new one: 91 more than the 10 that are held.
    assert (refused.value.needed, refused.value.available) == (91, 90)
    assert wallet(db, "a") == (100, 10)


def sold_to(db, slots=1):
    offer(db, slots)
    return {clear.bidder_id for clear in clear(db).clears}


def test_a_bid_amended_at_its_price_keeps_its_place(db):
    fund(db, 100, "a", "b")
    bid(db, "a", "t1", 30)
    bid(db, "b", "t2", 30)

    bid(db, "a", "t1", 30, expected_value_usd=9.0, ttl_at=after(90), now=after(1))

    assert sold_to(db) == {"a"}


@pytest.mark.parametrize("there_and_back", [(40, 30), (20, 30)])
def test_a_bid_amended_to_another_price_goes_to_the_end_of_the_queue(db, there_and_back):
    fund(db, 100, "a", "b")
    bid(db, "a", "t1", 30)
    bid(db, "b", "t2", 30)

    for price in there_and_back:
        bid(db, "a", "t1", price)

    assert sold_to(db) == {"b"}


def test_a_bid_amended_to_another_time_in_force_goes_to_the_end_of_the_queue(db):
    fund(db, 100, "a", "b")
    for who, task in (("a", "t1"), ("b", "t2")):
        bid(db, who, task, 30, time_in_force="gtt")
    before = compute_auction.get_order_book(now=NOON, db=db)["bids"]

    for time_in_force in ("round", "gtt"):
        bid(db, "a", "t1", 30, time_in_force=time_in_force)

    book = compute_auction.get_order_book(now=NOON, db=db)["bids"]
    assert [one["bidder_id"] for one in before] == ["a", "b"]
    assert [one["bidder_id"] for one in book] == ["b", "a"]
    assert sold_to(db) == {"b"}


def test_a_bid_amended_between_round_and_gtt_is_counted_once(db):
    fund(db, 100, "a")
    for time_in_force in ("round", "gtt", "round", "gtt"):
        bid(db, "a", "t1", 30, time_in_force=time_in_force)
    offer(db)

    assert clear(db).bids == 1


def test_a_bid_that_rests_after_an_amendment_survives_its_round(db):
    fund(db, 100, "a", "b")
    rests = bid(db, "a", "t1", 30)
    bid(db, "a", "t1", 30, time_in_force="gtt")
    bid(db, "b", "t2", 40)
    offer(db)
    clear(db)

    assert (status(db, rests), wallet(db, "a")) == ("open", (100, 30))


def test_after_a_bid_has_lost_the_next_one_for_its_task_is_new(db):
    fund(db, 100, "a", "b")
    lost = bid(db, "a", "t1", 30)
    bid(db, "b", "t2", 40)
    offer(db)
    clear(db)

    again = bid(db, "a", "t1", 30)

    assert again.id != lost.id
    assert (status(db, lost), status(db, again)) == ("lost", "open")


def test_bids_for_one_task_in_two_pools_are_two_bids(db):
    fund(db, 100, "a")
    compute_auction.create_pool("gpu", now=NOON, db=db)

    assert bid(db, "a", "t", 30).id != bid(db, "a", "t", 50, pool="gpu").id
    assert wallet(db, "a") == (100, 80)


# --- batches


def test_a_batch_answers_in_its_own_order(db):
    fund(db, 100, "a", "b")
    batch = [
        {"bidder_id": who, "task_id": f"t{n}", "max_price_tokens": n + 1, "ttl_at": after(n + 1)}
        for n, who in enumerate("abab")
    ]

    placed = compute_auction.place_bids(batch, now=NOON, db=db)

    assert [(one.bidder_id, one.task_id, one.max_price_tokens, one.ttl_at) for one in placed] == [
        tuple(one.values()) for one in batch
    ]
    assert [one.sequence for one in placed] == sorted(one.sequence for one in placed)
    assert [compute_auction.get_bid(one.id, db=db) for one in placed] == placed


def test_a_batch_may_be_any_iterable_and_may_be_empty(db):
    fund(db, 100, "a")

    assert compute_auction.place_bids([], db=db) == []
    assert compute_auction.place_bids(iter(()), db=db) == []
    one = {"bidder_id": "a", "task_id": "t", "max_price_tokens": 1}
    assert len(compute_auction.place_bids((one for _ in range(1)), now=NOON, db=db)) == 1


def test_a_batch_is_placed_all_or_none_and_names_each_refused_bid(db):
    fund(db, 100, "a", "b")
    before = row_counts(db)

    with pytest.raises(BidsRefused) as refused:
        compute_auction.place_bids(
            [
                {"bidder_id": "a", "task_id": "t1", "max_price_tokens": 50},
                {"bidder_id": "ghost", "task_id": "t2", "max_price_tokens": 50},
                {"bidder_id": "b", "task_id": "t3", "max_price_tokens": 50},
                {"bidder_id": "b", "task_id": "t4", "max_price_tokens": 5, "ttl_at": NOON},
                {"bidder_id": "b", "task_id": "t3", "max_price_tokens": 60},
            ],
            now=NOON,
            db=db,
        )

    errors = refused.value.errors
    assert {index: type(error) for index, error in errors.items()} == {
        1: UnknownAccount,
        3: InvalidTime,
        4: InvalidArgument,
    }
    assert [error.facts["field"] for error in errors.values()] == ["bidder_id", "ttl_at", "task_id"]
    assert row_counts(db) == before
    assert wallet(db, "a") == wallet(db, "b") == (100, 0)


def test_a_batch_names_the_pool_that_nobody_opened(db):
    fund(db, 100, "a")
    one = {"bidder_id": "a", "task_id": "t1", "max_price_tokens": 5}

    with pytest.raises(BidsRefused) as refused:
        compute_auction.place_bids([one, {**one, "pool": "nowhere"}], now=NOON, db=db)

    assert {index: type(error) for index, error in refused.value.errors.items()} == {1: UnknownPool}


def test_a_batch_that_a_wallet_does_not_cover_names_the_bids_past_its_end(db):
    fund(db, 100, "a", "b")

    with pytest.raises(BidsRefused) as refused:
        compute_auction.place_bids(
            [
                {"bidder_id": "a", "task_id": "t1", "max_price_tokens": 50},
                {"bidder_id": "a", "task_id": "t2", "max_price_tokens": 50},
                {"bidder_id": "b", "task_id": "t9", "max_price_tokens": 100},
                {"bidder_id": "a", "task_id": "t3", "max_price_tokens": 40},
                {"bidder_id": "a", "task_id": "t4", "max_price_tokens": 20},
            ],
            now=NOON,
            db=db,
        )

    # Three slots could cost 40 each; the bid at 20 adds nothing to what two at 50 may cost.
    [(index, error)] = refused.value.errors.items()
    assert (index, error.facts["account_id"], error.facts["field"]) == (3, "a", "max_price_tokens")
    # All of its bids together could cost 120.
    assert (error.facts["needed"], error.facts["available"]) == (120, 100)


@pytest.mark.parametrize("number", [2, 40])
def test_what_a_wallet_covers_is_asked_once_however_many_bids_are_refused(db, number):
    fund(db, 2 * number - 1, "a")
    batch = [{"bidder_id": "a", "task_id": f"t{n}", "max_price_tokens": 2} for n in range(number)]

    with mock.patch.object(bids, "covered", wraps=covered) as asked, pytest.raises(BidsRefused) as refused:
        compute_auction.place_bids(batch, now=NOON, db=db)

    assert asked.call_count == 1
    assert list(refused.value.errors) == [number - 1]
    assert refused.value.errors[number - 1].facts["needed"] == 2 * number


def test_a_batch_in_two_pools_that_a_wallet_does_not_cover_names_the_bids_of_the_later_one(db):
    compute_auction.create_pool("gpu", now=NOON, db=db)
    fund(db, 100, "a")
    bid(db, "a", "t0", 30)
    with pytest.raises(BidsRefused) as refused:
        compute_auction.place_bids(
            [
                {"bidder_id": "a", "task_id": "t1", "max_price_tokens": 60},
                {"bidder_id": "a", "task_id": "t1", "max_price_tokens": 50, "pool": "gpu"},
                {"bidder_id": "a", "task_id": "t0", "max_price_tokens": 20},
            ],
            now=NOON,
            db=db,
        )

    # The pools in the order of their names: 50 are covered in the first, and 60 not beside them in the second.
    [(index, error)] = refused.value.errors.items()
    assert (index, error.facts["needed"], error.facts["available"]) == (0, 80, 70)
    assert wallet(db, "a") == (100, 30)


def test_a_batch_may_use_what_its_own_amendments_free(db):
    fund(db, 100, "a")
    compute_auction.create_pool("gpu", now=NOON, db=db)
    bid(db, "a", "t1", 90)

    compute_auction.place_bids(
        [
            {"bidder_id": "a", "task_id": "t2", "max_price_tokens": 80, "pool": "gpu"},
            {"bidder_id": "a", "task_id": "t1", "max_price_tokens": 20},
        ],
        now=NOON,
        db=db,
    )

    assert wallet(db, "a") == (100, 100)


@pytest.mark.parametrize(
    ("terms", "field", "fact"),
    [
        ({"bidder_id": "a", "task_id": "t"}, "max_price_tokens", "is missing"),
        ({"bidder_id": "a", "task_id": "t", "max_price_tokens": 1, "colour": 1}, "colour", "is no argument"),
        ({"bidder_id": "a", "task_id": "t", "max_price_tokens": 1, 7: 1}, "7", "is no argument"),
        ("not a bid", "bid", "must be a mapping"),
        (None, "bid", "must be a mapping"),
    ],
)
def test_what_is_no_bid_is_refused_by_its_index(db, terms, field, fact):
    good = {"bidder_id": "a", "task_id": "t", "max_price_tokens": 1}

    with pytest.raises(BidsRefused) as refused:
        compute_auction.place_bids([good, terms], db=db)

    [(index, error)] = refused.value.errors.items()
    assert (index, error.facts["field"]) == (1, field)
    assert fact in str(error)


def test_a_batch_has_an_end(db):
    one = {"bidder_id": "a", "task_id": "t", "max_price_tokens": 1}

    with pytest.raises(InvalidArgument, match="bids must be at most 100000 bids"):
        compute_auction.place_bids((one for _ in range(100_001)), db=db)


def test_a_bidder_has_a_limit_of_open_bids_in_a_pool(db, monkeypatch):
    monkeypatch.setenv("SCIDEX_MOST_OPEN_BIDS", "2")
    fund(db, 100, "a")
    bid(db, "a", "t1", 10)
    bid(db, "a", "t2", 10)

    with pytest.raises(TooManyOpenBids) as refused:
        bid(db, "a", "t3", 10)

    assert (refused.value.facts["field"], refused.value.facts["most"]) == ("bidder_id", 2)
    assert bid(db, "a", "t2", 11).max_price_tokens == 11  # amending adds none
    compute_auction.cancel_bid(compute_auction.get_order_book(now=NOON, db=db)["bids"][0]["id"], now=NOON, db=db)
    assert bid(db, "a", "t3", 10).status == "open"


@pytest.mark.parametrize(
    ("terms", "refusal"),
    [
        ({"max_price_tokens": 101}, InsufficientTokens),
        ({"max_price_tokens": 51}, InsufficientTokens),
        ({"bidder_id": "nobody"}, UnknownAccount),
        ({"bidder_id": TREASURY}, InvalidId),
        ({"pool": "none"}, UnknownPool),
        ({"ttl_at": NOON}, InvalidTime),
    ],
    ids=["by its wallet", "beside another", "of nobody", "of the system", "for no pool", "too late"],
)
def test_a_refused_bid_leaves_no_gap_between_the_numbers(db, terms, refusal):
    fund(db, 100, "a")
    first = bid(db, "a", "t", 60)
    with pytest.raises(refusal):
        compute_auction.place_bid(
            **{"bidder_id": "a", "task_id": "t2", "max_price_tokens": 1, "now": NOON, **terms}, db=db
        )

    assert bid(db, "a", "t3", 10).id == first.id + 1


def test_a_bid_that_changes_no_hold_writes_no_wallet(db):
    fund(db, 100, "a")
    bid(db, "a", "t", 30)
    saved: list[str] = []
    with db.reading() as tx:
        kind: Any = type(tx)
    whole = kind.run_many

    def noting(self: Transaction, statement: str, rows: Any) -> None:
        saved.extend(statement for _ in rows if statement in ("save_accounts", "save_bid_holds"))
        whole(self, statement, rows)

    with mock.patch.object(kind, "run_many", noting):
        bid(db, "a", "t2", 10)
        assert (saved, wallet(db, "a")) == ([], (100, 30))
        bid(db, "a", "t3", 29)
    assert (saved, wallet(db, "a")) == (["save_accounts", "save_bid_holds"], (100, 58))


def test_numbers_drawn_alone_and_in_batches_follow_each_other(db):
    fund(db, 1_000, "a")
    first = bid(db, "a", "t", 30)
    more = compute_auction.place_bids(
        [{"bidder_id": "a", "task_id": f"t{n}", "max_price_tokens": 5} for n in range(2)], now=NOON, db=db
    )
    dearer = bid(db, "a", "t", 40)  # keeps its id, and takes a new place in the queue
    last = bid(db, "a", "t5", 1)

    assert [first.id, *(one.id for one in more), dearer.sequence, last.id] == [1, 2, 3, 4, 5]
    assert dearer.id == first.id


# --- holds that are over


@pytest.mark.parametrize("db", ["postgres"], indirect=True)
def test_the_round_of_another_pool_that_holds_does_not_end_while_a_bid_is_decided(db):
    """Else the journal could tell of its end before the bid, and a replay would find the wallet freer."""
    compute_auction.create_pool("gpu", now=NOON, db=db)
    fund(db, 100, "a", "b")
    bid(db, "a", "t", 30, pool="gpu")
    with psycopg.connect(db.url) as ending:
        # As a round that clears just now: it is over, and not committed.
        ending.execute("UPDATE compute_auction_pools SET open_round_id = 1000 WHERE pool = 'gpu'")
        with ThreadPoolExecutor(1) as elsewhere:
            waiting = elsewhere.submit(bid, db, "a", "t3", 10)
            while not query(
                db, "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ):
                assert not waiting.done(), "it did not wait"
            ending.rollback()
            assert waiting.result().status == "open"
    assert wallet(db, "a") == (100, 40)


def test_a_loser_may_bid_its_whole_wallet_again_at_once(db):
    fund(db, 100, "a", "b")
    bid(db, "a", "t1", 99)
    bid(db, "b", "t2", 100)
    offer(db)
    clear(db)

    assert wallet(db, "a") == (100, 0)
    assert bid(db, "a", "t1", 100).status == "open"
    assert wallet(db, "a") == (100, 100)


def test_a_loser_may_give_its_whole_wallet_away_at_once(db):
    fund(db, 100, "a", "b")
    bid(db, "a", "t1", 100)
    bid(db, "b", "t2", 100)
    compute_auction.create_pool("gpu", now=NOON, db=db)
    offer(db)
    loser = ({"a", "b"} - {clear(db).clears[0].bidder_id}).pop()

    token_ledger.transfer(loser, TREASURY, 100, now=NOON, db=db)

    assert wallet(db, loser) == (0, 0)


def test_a_loser_may_bid_its_whole_wallet_in_another_pool_at_once(db):
    fund(db, 100, "a", "b")
    compute_auction.create_pool("gpu", now=NOON, db=db)
    bid(db, "a", "t1", 99)
    bid(db, "b", "t2", 100)
    offer(db)
    clear(db)

    assert bid(db, "a", "t1", 100, pool="gpu").status == "open"


def test_a_winner_may_bid_all_but_the_price_again_at_once(db):
    fund(db, 100, "a", "b")
    bid(db, "a", "t1", 100)
    bid(db, "a", "t2", 40)
    bid(db, "b", "t3", 30)
    offer(db, 1)
    assert prices(clear(db)) == {"t1": 40}

    with pytest.raises(InsufficientTokens):
        bid(db, "a", "t4", 61)
    assert bid(db, "a", "t4", 60).status == "open"
    assert wallet(db, "a") == (100, 100)


def test_holds_of_many_lost_rounds_do_not_pile_up(db):
    fund(db, 10, "a")
    fund(db, 100, "b")
    for number in range(6):
        bid(db, "a", f"a{number}", 10)
        bid(db, "b", f"b{number}", 11)
        offer(db)
        assert won_tasks(clear(db, after(number))) == {f"b{number}"}

    assert wallet(db, "a") == (10, 0)
    assert wallet(db, "b") == (100, 60)

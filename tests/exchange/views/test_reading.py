"""What the market tells its readers: the order book, and what it did of late."""

from __future__ import annotations

import pytest

from scidex.errors import InvalidArgument, UnknownPool
from scidex.exchange import compute_auction
from tests.market import NOON, after, bid, clear, fund, know_task, offer, settle, void


def book(db, **terms):
    return compute_auction.get_order_book(**{"now": NOON, **terms}, db=db)


def stats(db, **terms):
    return compute_auction.get_recent_stats(**{"now": after(10), **terms}, db=db)


# --- the order book


def test_the_order_book_has_the_best_bids_and_the_soonest_asks_first(db):
    fund(db, 100, "a", "b", "c")
    bids = [bid(db, "a", "t1", 20), bid(db, "b", "t2", 30, time_in_force="gtt"), bid(db, "c", "t3", 20)]
    asks = [offer(db, 1, **terms)[0] for terms in ({"available_at": after(5)}, {"reserve_price_tokens": 9}, {})]

    told = book(db)

    assert [one["id"] for one in told["bids"]] == [bids[1].id, bids[0].id, bids[2].id]
    assert told["bids"][0] == bids[1]._asdict()
    assert [one["slot_id"] for one in told["asks"]] == [asks[2].slot_id, asks[1].slot_id, asks[0].slot_id]
    assert {"slot_id", "available_at"} <= told["asks"][0].keys()


def test_an_empty_order_book_is_told_as_such(db):
    assert book(db) == {"bids": [], "asks": []}


def test_the_order_book_leaves_out_what_is_over(db):
    fund(db, 100, "a", "b", "c")
    bid(db, "a", "won", 50)
    bid(db, "b", "lost", 40)
    offer(db, 1)
    clear(db)
    compute_auction.cancel_bid(bid(db, "a", "cancelled", 20).id, now=NOON, db=db)
    bid(db, "b", "expires", 20, ttl_at=after(1))
    stays = bid(db, "c", "stays", 10, ttl_at=after(9))
    offer(db, 1, expires_at=after(1))

    told = book(db, now=after(1))

    assert [one["id"] for one in told["bids"]] == [stays.id]
    assert told["asks"] == []


def test_bids_that_may_not_compete_stand_last_in_the_order_book(db):
    fund(db, 100, "q1", "b")
    know_task(db, "t1", "blocked", account_id="q1")
    bid(db, "q1", "t1", 90)
    bid(db, "b", "t2", 1)

    assert [(one["task_id"], one["reason"]) for one in book(db)["bids"]] == [("t2", ""), ("t1", "task_blocked")]


def test_the_order_book_is_read_up_to_a_limit(db):
    fund(db, 100, "a")
    for number in range(3):
        bid(db, "a", f"t{number}", 10 + number)
    offer(db, 3)

    told = book(db, limit=2)

    assert [one["max_price_tokens"] for one in told["bids"]] == [12, 11]
    assert len(told["asks"]) == 2


def test_the_order_book_of_an_unknown_pool_is_refused(db):
    for read in (book, stats):
        with pytest.raises(UnknownPool):
            read(db, pool="nowhere")


# --- what happened of late


@pytest.fixture
def two_rounds(db):
    """Three slots sold in two rounds of which four were offered: at 30 and at 0."""
    fund(db, 1_000, *"abcd")
    for who, price in zip("abc", (60, 50, 30), strict=True):
        bid(db, who, f"t-{who}", price)
    offer(db, 2)
    first = clear(db, after(1))
    bid(db, "d", "t-d", 55)
    offer(db, 2)
    second = clear(db, after(5))
    return first, second


def test_stats_tell_prices_fill_rate_and_sums(db, two_rounds):
    first, second = two_rounds
    settle(db, first.clears[0], cost=100, impact=2.5)
    settle(db, first.clears[1], cost=50, impact=1.0)
    void(db, second.clears[0])

    told = stats(db)

    assert [(p["round_id"], p["clearing_price_tokens"], p["slots"], p["sold"]) for p in told["prices"]] == [
        (first.round_id, 30, 2, 2),
        (second.round_id, 0, 2, 1),
    ]
    assert (told["rounds"], told["slots_offered"], told["slots_sold"], told["fill_rate"]) == (2, 4, 3, 0.75)
    assert (told["last_price_tokens"], told["tokens_cleared"], told["premium_tokens"]) == (0, 60, 105)
    assert (told["settled"], told["voided"]) == (2, 1)
    assert (told["actual_cost_tokens"], told["actual_impact"]) == (150, 3.5)


def test_the_top_wins_are_told_against_their_realised_impact(db, two_rounds):
    settle(db, two_rounds[0].clears[0], cost=100, impact=2.5)

    top = stats(db)["top_wins"]

    assert [(win["max_price_tokens"], win["actual_impact"], win["roi"]) for win in top] == [
        (60, 2.5, 25.0),
        (55, None, None),
        (50, None, None),
    ]


def test_stats_cover_their_hours_alone(db, two_rounds):
    _, second = two_rounds

    told = stats(db, now=after(60.9), hours=1)
    none = stats(db, now=after(66), hours=1)

    assert [p["round_id"] for p in told["prices"]] == [two_rounds[0].round_id, second.round_id]
    assert [p["round_id"] for p in stats(db, now=after(61), hours=1)["prices"]] == [second.round_id]
    assert (none["prices"], none["fill_rate"], none["last_price_tokens"], none["top_wins"]) == ([], None, None, [])


def test_stats_tell_ten_top_wins_at_most(db):
    fund(db, 1_000, "a")
    for number in range(12):
        bid(db, "a", f"t{number}", 10 + number)
    offer(db, 12)
    clear(db)

    assert [win["max_price_tokens"] for win in stats(db)["top_wins"]] == list(range(21, 11, -1))


@pytest.mark.parametrize("hours", [0, 0.0001, -1, 10**9])
def test_hours_out_of_bounds_are_refused(db, hours):
    with pytest.raises(InvalidArgument, match="hours"):
        stats(db, hours=hours)

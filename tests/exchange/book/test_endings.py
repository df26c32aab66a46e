"""Bids that end unsold: cancelled, expired, or decided and written down later."""

from __future__ import annotations

import pytest

from scidex.errors import BidNotOpen, UnknownBid, UnknownPool
from scidex.exchange import compute_auction, token_ledger
from scidex.store.db_writes import read_journal
from tests.market import NOON, after, bid, clear, fund, offer, settle, status, void, wallet, won_tasks
from tests.raw_sql import query


def cancel(db, one, **terms):
    return compute_auction.cancel_bid(one.id, **{"now": NOON, **terms}, db=db)


def test_a_cancelled_bid_frees_its_hold_at_once_and_never_wins(db):
    fund(db, 100, "a", "b")
    gone = bid(db, "a", "t1", 60)
    bid(db, "b", "t2", 30)

    cancelled = cancel(db, gone, reason="changed my mind")

    assert (cancelled.status, cancelled.reason) == ("cancelled", "changed my mind")
    assert compute_auction.get_bid(gone.id, db=db) == cancelled
    assert wallet(db, "a") == (100, 0)
    offer(db, 2)
    cleared = clear(db)
    assert (won_tasks(cleared), cleared.bids) == ({"t2"}, 1)
    assert status(db, gone) == "cancelled"


def test_cancelling_one_of_many_keeps_what_the_others_may_cost(db):
    fund(db, 30, "a")
    first = bid(db, "a", "t1", 20)
    second = bid(db, "a", "t2", 12)
    assert wallet(db, "a") == (30, 24)

    cancel(db, first)
    assert wallet(db, "a") == (30, 12)
    cancel(db, second)
    assert wallet(db, "a") == (30, 0)


def test_only_open_bids_are_cancelled(db):
    fund(db, 100, "a", "b", "c")
    won, lost = bid(db, "a", "t1", 60), bid(db, "b", "t2", 30)
    expired = bid(db, "c", "t3", 90, ttl_at=after(1))
    offer(db)
    slot = clear(db, after(1)).clears[0]
    cancelled = bid(db, "b", "t4", 30)
    cancel(db, cancelled)

    for one, state in ((won, "won"), (lost, "lost"), (expired, "expired"), (cancelled, "cancelled")):
        with pytest.raises(BidNotOpen) as refused:
            cancel(db, one)
        assert refused.value.facts == {"field": "bid_id", "bid_id": one.id, "status": state}
    settle(db, slot)
    with pytest.raises(BidNotOpen, match="settled"):
        cancel(db, won)


def test_a_bid_that_nobody_placed_is_unknown(db):
    for bid_id in (1, 0, -1, 2**63 - 1, "ghost"):
        with pytest.raises(UnknownBid) as refused:
            compute_auction.cancel_bid(bid_id, db=db)
        assert refused.value.facts == {"field": "bid_id", "bid_id": bid_id}


def test_an_expired_bid_frees_its_hold_when_it_is_swept(db):
    fund(db, 100, "a")
    bid(db, "a", "t1", 60, ttl_at=after(1))
    bid(db, "a", "t2", 50, ttl_at=after(2))
    assert wallet(db, "a") == (100, 100)

    assert compute_auction.refund_unfilled(after(1), db=db) == 1
    assert wallet(db, "a") == (100, 50)
    assert compute_auction.refund_unfilled(after(2), db=db) == 1
    assert wallet(db, "a") == (100, 0)


def test_a_sweep_covers_every_pool(db):
    fund(db, 100, "a")
    compute_auction.create_pool("gpu", now=NOON, db=db)
    bid(db, "a", "t1", 30, ttl_at=after(1))
    bid(db, "a", "t1", 30, ttl_at=after(1), pool="gpu")

    assert compute_auction.refund_unfilled(after(1), db=db) == 2


def test_a_sweep_does_not_count_bids_that_a_round_decided(db):
    fund(db, 100, "a", "b")
    bid(db, "a", "t1", 30, ttl_at=after(5))
    bid(db, "b", "t2", 40, ttl_at=after(5))
    offer(db)
    clear(db)

    assert compute_auction.refund_unfilled(after(60), db=db) == 0


def test_a_sweep_that_finds_nothing_leaves_no_trace(db):
    fund(db, 100, "a")
    bid(db, "a", "t1", 30)
    before = list(read_journal(db))

    assert compute_auction.refund_unfilled(after(1), db=db) == 0

    assert list(read_journal(db)) == before


def test_a_sweep_ends_offers_that_are_over(db):
    [short] = offer(db, 1, expires_at=after(5))

    compute_auction.refund_unfilled(after(5), db=db)

    assert query(db, "SELECT slot_id, status FROM compute_auction_asks") == [
        {"slot_id": short.slot_id, "status": "expired"}
    ]


# --- writing down what rounds decided


@pytest.fixture
def decided(db):
    """Bids with every end that a round can give them, and one that is open."""
    fund(db, 1_000, *"abcdef")
    bids = [
        bid(db, "a", "settled", 90),
        bid(db, "b", "voided", 80),
        bid(db, "c", "won", 70),
        bid(db, "d", "lost", 60),
        bid(db, "e", "expired", 99, ttl_at=after(1)),
        bid(db, "f", "rests", 50, time_in_force="gtt"),
        bid(db, "f", "won-resting", 85, time_in_force="gtt"),
    ]
    offer(db, 4)
    slots = {clear.winning_task_id: clear for clear in clear(db, after(2)).clears}
    settle(db, slots["settled"], cost=4, impact=1.0)
    void(db, slots["voided"])
    return [*bids, bid(db, "d", "later", 60)]


def everything_told(db, bids):
    """All that readers say of a market."""
    return (
        [compute_auction.get_bid(one.id, db=db) for one in bids],
        [compute_auction.explain(one.id, db=db) for one in bids],
        [wallet(db, account) for account in "abcdef"],
        compute_auction.get_order_book(now=after(2), db=db),
        compute_auction.get_recent_stats(now=after(2), db=db),
        compute_auction.get_round(bids[0].round_id, db=db),
        compute_auction.recompute(bids[0].round_id, db=db),
        compute_auction.quote(now=after(2), db=db),
        token_ledger.verify(db),
    )


def test_writing_decided_bids_down_changes_no_readers_answer(db, decided):
    before = everything_told(db, decided)
    assert {one.status for one in before[0]} == {"settled", "voided", "won", "lost", "expired", "open"}

    written = [compute_auction.write_decided_bids(most=2, now=after(3), db=db) for _ in range(4)]

    assert written == [2, 2, 1, 0]
    assert everything_told(db, decided) == before
    stored = {row["task_id"]: row["status"] for row in query(db, "SELECT task_id, status FROM compute_auction_bids")}
    assert stored == {
        **dict.fromkeys(("settled", "voided", "won", "won-resting"), "won"),
        **dict.fromkeys(("later", "rests"), "open"),
        "lost": "lost",
        "expired": "expired",
    }


def test_losers_are_not_written_by_their_round(db):
    fund(db, 100, *"abcde")
    for place, who in enumerate("abcde"):
        bid(db, who, f"t-{who}", 10 + place)
    offer(db)
    before = query(db, "SELECT * FROM compute_auction_bids ORDER BY id")
    accounts = query(db, "SELECT * FROM token_accounts WHERE account_id IN ('a', 'b', 'c', 'd') ORDER BY account_id")

    clear(db)

    assert query(db, "SELECT * FROM compute_auction_bids ORDER BY id") == before
    assert accounts == query(
        db, "SELECT * FROM token_accounts WHERE account_id IN ('a', 'b', 'c', 'd') ORDER BY account_id"
    )
    assert {wallet(db, who) for who in "abcd"} == {(100, 0)}


def test_writing_down_in_an_unknown_pool_is_refused(db):
    with pytest.raises(UnknownPool):
        compute_auction.write_decided_bids(pool="nowhere", db=db)

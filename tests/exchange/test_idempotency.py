"""The same key and arguments answer the same; other arguments are refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from scidex.errors import BidsRefused, IdempotencyConflict
from scidex.exchange import compute_auction, token_ledger
from tests.market import NOON, after, bid, clear, fund, offer, status, wallet
from tests.raw_sql import row_counts


def test_a_bid_placed_again_is_the_same_bid(db):
    fund(db, 100, "a")
    first = bid(db, "a", "t", 30, idempotency_key="k")

    again = bid(db, "a", "t", 30, idempotency_key="k", now=after(2))

    assert again == first
    assert wallet(db, "a") == (100, 30)
    assert row_counts(db)["compute_auction_bids"] == 1


def test_a_bid_placed_again_answers_as_it_did_even_when_it_has_lost_since(db):
    fund(db, 100, "a", "b")
    first = bid(db, "a", "t", 30, idempotency_key="k", ttl_at=after(1))
    bid(db, "b", "t2", 40)
    offer(db)
    clear(db)
    assert status(db, first) == "lost"

    assert bid(db, "a", "t", 30, idempotency_key="k", ttl_at=after(1), now=after(5)) == first
    assert (wallet(db, "a"), row_counts(db)["compute_auction_bids"]) == ((100, 0), 2)


@pytest.mark.parametrize(
    "other",
    [
        {"max_price_tokens": 31},
        {"task_id": "t2"},
        {"expected_value_usd": 2.0},
        {"ttl_at": after(7)},
        {"time_in_force": "gtt"},
        {"pool": "gpu"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_key_used_with_other_terms_is_refused(db, other):
    fund(db, 100, "a")
    compute_auction.create_pool("gpu", now=NOON, db=db)
    terms = {"bidder_id": "a", "task_id": "t", "max_price_tokens": 30, "idempotency_key": "k", "now": NOON}
    first = compute_auction.place_bid(**terms, db=db)

    with pytest.raises(IdempotencyConflict) as refused:
        compute_auction.place_bid(**{**terms, **other}, db=db)

    assert refused.value.facts == {"field": "idempotency_key", "idempotency_key": "k"}
    assert compute_auction.get_bid(first.id, db=db) == first


def test_a_key_belongs_to_its_bidder(db):
    fund(db, 100, "a", "b")

    bids = [bid(db, who, "t", 30, idempotency_key="k") for who in ("a", "b")]

    assert bids[0].id != bids[1].id


def test_a_refused_bid_does_not_use_up_its_key(db):
    fund(db, 10, "a")
    with pytest.raises(Exception, match="fewer available tokens"):
        bid(db, "a", "t", 30, idempotency_key="k")

    token_ledger.mint("a", 20, now=NOON, db=db)

    assert bid(db, "a", "t", 30, idempotency_key="k").max_price_tokens == 30


def test_an_amendment_repeated_late_does_not_undo_a_newer_one(db):
    fund(db, 100, "a")
    bid(db, "a", "t", 30, idempotency_key="k1")
    second = bid(db, "a", "t", 50, idempotency_key="k2")

    assert bid(db, "a", "t", 30, idempotency_key="k1").max_price_tokens == 30
    assert compute_auction.get_bid(second.id, db=db).max_price_tokens == 50
    assert wallet(db, "a") == (100, 50)


def test_a_batch_sent_again_answers_the_same_and_places_only_what_is_new(db):
    fund(db, 100, "a", "b")
    one = {"bidder_id": "a", "task_id": "t1", "max_price_tokens": 10, "idempotency_key": "k1"}
    two = {"bidder_id": "b", "task_id": "t2", "max_price_tokens": 20, "idempotency_key": "k2"}
    three = {"bidder_id": "b", "task_id": "t3", "max_price_tokens": 15}
    first = compute_auction.place_bids([one, two], now=NOON, db=db)

    again = compute_auction.place_bids([three, two, one], now=after(1), db=db)

    assert again[1:] == [first[1], first[0]]
    assert again[0].task_id == "t3"
    assert row_counts(db)["compute_auction_bids"] == 3


def test_a_batch_names_each_bid_whose_key_was_used_with_other_terms(db):
    fund(db, 100, "a")
    bid(db, "a", "t1", 10, idempotency_key="k1")
    bids = [
        {"bidder_id": "a", "task_id": "t0", "max_price_tokens": 10},
        {"bidder_id": "a", "task_id": "t1", "max_price_tokens": 11, "idempotency_key": "k1"},
    ]

    with pytest.raises(BidsRefused) as refused:
        compute_auction.place_bids(bids, now=NOON, db=db)

    assert {index: type(error) for index, error in refused.value.errors.items()} == {1: IdempotencyConflict}
    assert row_counts(db)["compute_auction_bids"] == 1


def test_one_key_twice_in_one_batch_is_refused(db):
    fund(db, 100, "a")
    one = {"bidder_id": "a", "task_id": "t1", "max_price_tokens": 10, "idempotency_key": "k"}

    with pytest.raises(BidsRefused) as refused:
        compute_auction.place_bids([one, {**one, "task_id": "t2"}], now=NOON, db=db)

    assert set(refused.value.errors) == {1}


@pytest.mark.parametrize("move", ["mint", "burn", "transfer"])
def test_tokens_move_once_for_a_key(db, move):
    fund(db, 100, "a", "b", "c")

    def act(amount=7, other="b", **more):
        accounts = {"mint": (other,), "burn": ("a",), "transfer": ("a", other)}[move]
        return getattr(token_ledger, move)(*accounts, amount, idempotency_key="k", **{"now": NOON, **more}, db=db)

    first = act()
    transfers = row_counts(db)["token_transfers"]

    assert act(now=after(3)) == first
    assert row_counts(db)["token_transfers"] == transfers
    for other in ({"amount": 8}, {"reason": "another"}, *([{"other": "c"}] if move != "burn" else [])):
        with pytest.raises(IdempotencyConflict):
            act(**other)
    assert row_counts(db)["token_transfers"] == transfers


def test_names_with_spaces_do_not_share_keys(db):
    fund(db, 100, "a b", "c", "a", "b c")

    first = token_ledger.transfer("a b", "c", 5, idempotency_key="k", now=NOON, db=db)
    second = token_ledger.transfer("a", "b c", 5, idempotency_key="k", now=NOON, db=db)

    assert first.transfer_id != second.transfer_id


def test_slots_are_offered_once_for_a_key(db):
    fund(db, 0, "w", kind="worker")
    terms = {"provider_id": "w", "idempotency_key": "k", "expires_at": after(10), "reserve_price_tokens": 3}
    first = offer(db, 2, **terms)

    assert offer(db, 2, **terms, now=after(1)) == first
    assert offer(db, 2, **terms, now=after(11)) == first  # a late repetition is no new offer
    assert row_counts(db)["compute_auction_asks"] == 2
    for other in ({"reserve_price_tokens": 4}, {"expires_at": after(12)}, {"max_seconds": 60}, {"token_allowance": 9}):
        with pytest.raises(IdempotencyConflict):
            offer(db, 2, **{**terms, **other})
    with pytest.raises(IdempotencyConflict):
        offer(db, 3, **terms)
    assert offer(db, 2, idempotency_key="k")[0].provider_id == "system:treasury"  # another provider's key


def test_one_key_from_many_threads_at_once_acts_once(db):
    fund(db, 1_000, "a", "b")

    with ThreadPoolExecutor(6) as threads:
        bids = list(threads.map(lambda _: bid(db, "a", "t", 30, idempotency_key="k"), range(12)))
        minted = list(threads.map(lambda _: token_ledger.mint("b", 5, idempotency_key="k", now=NOON, db=db), range(12)))
        offers = list(threads.map(lambda _: offer(db, 2, idempotency_key="k"), range(12)))

    assert len(set(bids)) == len(set(minted)) == len(set(map(tuple, offers))) == 1
    assert (wallet(db, "a"), wallet(db, "b")) == ((1_000, 30), (1_005, 0))
    assert row_counts(db)["compute_auction_asks"] == 2


def test_one_key_with_different_terms_from_many_threads_acts_once(db):
    fund(db, 1_000, "a")

    def attempt(price):
        try:
            return bid(db, "a", "t", price, idempotency_key="k").max_price_tokens
        except IdempotencyConflict:
            return None

    with ThreadPoolExecutor(6) as threads:
        outcomes = list(threads.map(attempt, range(10, 22)))

    placed = [price for price in outcomes if price is not None]
    assert len(placed) == 1
    assert wallet(db, "a") == (1_000, placed[0])

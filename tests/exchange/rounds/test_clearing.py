"""Clearing a round: which asks and bids are in it, in which order, and what is kept of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from scidex.errors import UnknownPool, UnknownRound
from scidex.exchange import compute_auction
from scidex.mechanism.tie_breaking import commitment
from scidex.store.db_writes import read_journal
from tests.databases import contents
from tests.market import NOON, after, bid, clear, fund, offer, prices, status, wallet, won_tasks
from tests.raw_sql import query


def winners(cleared):
    return [sold.bidder_id for sold in cleared.clears]


# --- asks


def test_slots_are_sold_from_when_they_are_available(db):
    fund(db, 100, "a")
    bid(db, "a", "t", 30, time_in_force="gtt")
    offer(db, 1, available_at=after(10))

    assert clear(db, after(9)).round_id is None
    assert won_tasks(clear(db, after(10))) == {"t"}


def test_slots_are_sold_until_just_before_their_offer_ends(db):
    fund(db, 100, "a")
    bid(db, "a", "t", 30, time_in_force="gtt")
    offer(db, 1, expires_at=after(10))
    offer(db, 1, expires_at=after(20))

    assert clear(db, after(10)).slots == 1
    assert clear(db, after(20)).round_id is None


def test_an_offer_that_ended_is_written_down_by_the_next_clearing(db):
    offer(db, 1, expires_at=after(10))

    clear(db, after(10))

    # The journal tells of it too: the books are replayed from it when this test ends.
    assert [row["status"] for row in query(db, "SELECT status FROM compute_auction_asks")] == ["expired"]


def test_unsold_slots_stay_on_offer(db):
    fund(db, 100, "a", "b")
    first, second = offer(db, 2)
    bid(db, "a", "t1", 30)
    assert [sold.slot_id for sold in clear(db).clears] == [first.slot_id]

    bid(db, "b", "t2", 30)

    assert [sold.slot_id for sold in clear(db, after(1)).clears] == [second.slot_id]


def test_a_slot_is_sold_once(db):
    fund(db, 100, "a", "b")
    offer(db, 1)
    bid(db, "a", "t1", 30)
    assert clear(db).sold == 1

    bid(db, "b", "t2", 30)

    assert clear(db, after(1)).round_id is None


def test_pools_are_separate_books(db):
    fund(db, 100, "a", "b")
    compute_auction.create_pool("gpu", now=NOON, db=db)
    bid(db, "a", "t1", 30)
    bid(db, "b", "t2", 50, pool="gpu")
    offer(db, 1)

    assert won_tasks(clear(db)) == {"t1"}
    assert clear(db, pool="gpu").round_id is None
    offer(db, 1, pool="gpu")
    assert won_tasks(clear(db, pool="gpu")) == {"t2"}


def test_an_unknown_pool_does_not_clear(db):
    with pytest.raises(UnknownPool):
        clear(db, pool="nowhere")


# --- one task, one slot, over all pools


def test_a_task_that_won_in_one_pool_does_not_win_in_another(db):
    fund(db, 1_000, "a", "b", "c")
    compute_auction.create_pool("gpu", now=NOON, db=db)
    bid(db, "a", "shared", 90)
    second = bid(db, "b", "shared", 80, pool="gpu")
    bid(db, "c", "other", 10, pool="gpu")
    offer(db, 1)
    offer(db, 2, pool="gpu")
    assert won_tasks(clear(db)) == {"shared"}

    cleared = clear(db, pool="gpu")

    assert prices(cleared) == {"other": 0}
    assert status(db, second) == "lost"
    assert compute_auction.explain(second.id, db=db).reason == "task_running"
    assert wallet(db, "b") == (1_000, 0)


def test_a_bid_placed_for_a_task_that_has_a_slot_does_not_compete(db):
    fund(db, 1_000, "a", "b")
    bid(db, "a", "shared", 90)
    offer(db, 2)
    clear(db)

    late = bid(db, "b", "shared", 80)

    assert (late.status, late.reason) == ("open", "task_running")
    assert clear(db, after(1)).clears == ()


def test_a_resting_bid_that_competes_again_after_its_task_ran_elsewhere(db):
    fund(db, 1_000, "a", "b")
    compute_auction.create_pool("gpu", now=NOON, db=db)
    resting = bid(db, "a", "shared", 90, time_in_force="gtt", pool="gpu")
    bid(db, "b", "shared", 80)
    offer(db, 1)
    offer(db, 1, pool="gpu")
    [slot] = clear(db).clears
    assert clear(db, pool="gpu").clears == ()
    assert compute_auction.get_bid(resting.id, db=db).reason == "task_running"

    compute_auction.settle(slot.slot_id, 1, now=after(1), db=db)

    assert winners(clear(db, after(2), pool="gpu")) == ["a"]


# --- ties


def test_of_equal_bids_resting_ones_come_first(db):
    fund(db, 100, "early", "rests")
    bid(db, "early", "t1", 50)
    bid(db, "rests", "t2", 50, time_in_force="gtt")
    offer(db)

    assert winners(clear(db)) == ["rests"]


def test_a_lottery_is_drawn_by_a_seed_that_was_committed_to(db):
    compute_auction.create_pool("draw", tie_rule="lottery", now=NOON, db=db)
    fund(db, 100, *"abcdefgh")
    for who in "abcdefgh":
        bid(db, who, f"t-{who}", 50, pool="draw")
    promised = compute_auction.get_pool("draw", db=db).seed_commitment
    offer(db, 3, pool="draw")

    cleared = clear(db, pool="draw")

    assert cleared.seed is not None
    assert commitment(cleared.seed) == promised
    assert compute_auction.get_pool("draw", db=db).seed_commitment != promised
    assert set(prices(cleared).values()) == {50}


def test_a_lottery_gives_every_owner_the_same_chance_whatever_its_name_or_haste(db):
    compute_auction.create_pool("draw", tie_rule="lottery", now=NOON, db=db)
    fund(db, 100, *"abcd")
    seen = set()
    for number in range(40):
        for who in "abcd":
            bid(db, who, f"t-{who}-{number}", 1, pool="draw")
        offer(db, 1, pool="draw")
        seen |= set(winners(clear(db, after(number), pool="draw")))
        if len(seen) == 4:
            break

    # That one of four is never drawn in 40 rounds has a chance of 1 in 25,000.
    assert seen == set("abcd")


def test_in_a_lottery_an_owners_bids_stand_together_by_expected_value(db):
    compute_auction.create_pool("draw", tie_rule="lottery", now=NOON, db=db)
    fund(db, 1_000, "a1", "a2", owner_id="team-a")
    fund(db, 1_000, "b", owner_id="team-b")
    bid(db, "a1", "low", 50, expected_value_usd=1.0, pool="draw")
    bid(db, "a2", "high", 50, expected_value_usd=9.0, pool="draw")
    bid(db, "b", "alone", 50, pool="draw")
    offer(db, 2, pool="draw")

    won = won_tasks(clear(db, pool="draw"))

    assert won in ({"high", "low"}, {"alone", "high"})


def test_a_higher_bid_wins_whatever_the_lottery_says(db):
    compute_auction.create_pool("draw", tie_rule="lottery", now=NOON, db=db)
    fund(db, 100, *"abcdef")
    for who in "abcde":
        bid(db, who, f"t-{who}", 50, pool="draw")
    bid(db, "f", "best", 51, pool="draw")
    offer(db, 1, pool="draw")

    assert prices(clear(db, pool="draw")) == {"best": 50}


# --- a dry run


def test_a_dry_run_tells_the_round_and_writes_nothing(db):
    fund(db, 100, "a", "b")
    bid(db, "a", "t1", 50)
    bid(db, "b", "t2", 40, time_in_force="gtt", ttl_at=after(1))
    offer(db, 1)
    offer(db, 1, expires_at=after(1))
    before = contents(db)

    told = clear(db, after(1), dry_run=True)

    assert contents(db) == before
    assert clear(db, after(1)) == told
    assert (told.slots, prices(told)) == (1, {"t1": 0})


def test_a_dry_run_without_slots_is_no_round(db):
    before = contents(db)

    assert clear(db, dry_run=True).round_id is None
    assert contents(db) == before


# --- what is kept


def test_a_round_is_told_as_it_was(db):
    fund(db, 100, "a", "b", "c")
    for who, price in (("a", 50), ("b", 40), ("c", 30)):
        bid(db, who, f"t-{who}", price)
    offer(db, 2)

    cleared = clear(db, after(1))

    assert compute_auction.get_round(cleared.round_id, db=db) == cleared
    assert (cleared.slots, cleared.bids, cleared.sold, cleared.clearing_price_tokens) == (2, 3, 2, 30)
    assert (cleared.cleared_at, cleared.mechanism, cleared.tie_rule) == (after(1), "uniform_price", "arrival")


def test_rounds_of_a_pool_are_chained_by_their_digests(db):
    fund(db, 100, "a")
    rounds = []
    for number in range(3):
        bid(db, "a", f"t{number}", 10)
        offer(db)
        rounds.append(clear(db, after(number)))

    assert [r.previous_digest for r in rounds] == ["", rounds[0].digest, rounds[1].digest]
    assert len({r.digest for r in rounds}) == 3


def test_an_unknown_round_is_refused(db):
    for read in (compute_auction.get_round, compute_auction.recompute):
        with pytest.raises(UnknownRound) as refused:
            read(999, db=db)
        assert refused.value.facts == {"field": "round_id", "round_id": 999}


def test_the_open_round_is_not_a_cleared_one(db):
    with pytest.raises(UnknownRound):
        compute_auction.get_round(compute_auction.get_pool(db=db).open_round_id, db=db)


def test_a_clearing_that_finds_no_slots_leaves_no_trace(db):
    fund(db, 100, "a")
    bid(db, "a", "t", 10)
    before = list(read_journal(db))

    clear(db)

    assert list(read_journal(db)) == before


def test_a_round_of_very_many_sales_is_told_as_it_was(db):
    """They are written in two parts."""
    count = 1_100
    fund(db, 10**7, "a")
    compute_auction.place_bids(
        [
            {"bidder_id": "a", "task_id": f"t-{n}", "max_price_tokens": 10 + n * 37 % 1_201, "ttl_at": after(9)}
            for n in range(count + 1)
        ],
        now=NOON,
        db=db,
    )
    slots = [slot.slot_id for slot in offer(db, count)]

    cleared = clear(db)

    assert [sold.slot_id for sold in cleared.clears] == slots
    assert compute_auction.get_round(cleared.round_id, db=db) == cleared
    assert compute_auction.recompute(cleared.round_id, db=db) == cleared
    assert {row["status"] for row in query(db, "SELECT status FROM compute_auction_asks")} == {"sold"}


def test_clearers_at_once_sell_each_slot_once(db):
    fund(db, 1_000, *"abcdefgh")
    for place, who in enumerate("abcdefgh"):
        bid(db, who, f"t-{who}", 10 + place, time_in_force="gtt")
    offer(db, 6)

    with ThreadPoolExecutor(4) as threads:
        rounds = list(threads.map(lambda _: clear(db), range(8)))

    held = [r for r in rounds if r.round_id is not None]
    assert len({r.round_id for r in held}) == len(held)
    assert sum(r.sold for r in held) == 6
    assert len({sold.slot_id for r in held for sold in r.clears}) == 6


@pytest.mark.parametrize("count", [65, 300])
def test_many_bids_for_one_task_do_not_hide_the_others(db, count):
    fund(db, 1_000, *(f"shared-{n}" for n in range(count)), "other")
    compute_auction.place_bids(
        [
            {"bidder_id": f"shared-{n}", "task_id": "shared", "max_price_tokens": 1_000 - n, "ttl_at": after(9)}
            for n in range(count)
        ],
        now=NOON,
        db=db,
    )
    bid(db, "other", "alone", 3)
    offer(db, 1)

    assert prices(clear(db)) == {"shared": 3}

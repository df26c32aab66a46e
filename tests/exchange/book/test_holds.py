"""Bids that rest: they wait their turn, follow a better bid for their task, and sleep when their wallet is empty."""

from __future__ import annotations

import pytest

from scidex.exchange import compute_auction, token_ledger
from scidex.exchange.rounds import clearing
from scidex.store.db_writes import execute_journaled
from tests.databases import assert_journal_tells_all
from tests.market import (
    NOON,
    after,
    bid,
    clear,
    fund,
    know_task,
    offer,
    prices,
    settle,
    status,
    void,
    wallet,
    won_tasks,
)

LATER = after(24 * 60)


def rest(db, bidder_id, task_id, tokens, **terms):
    return bid(db, bidder_id, task_id, tokens, **{"time_in_force": "gtt", "ttl_at": LATER, **terms})


def reason(db, one):
    return compute_auction.get_bid(one.id, db=db).reason


def test_a_resting_bid_that_loses_stays_with_its_hold(db):
    fund(db, 100, "a", "b")
    stays = rest(db, "a", "t1", 30)
    bid(db, "b", "t2", 40)
    offer(db)
    clear(db)

    assert (status(db, stays), wallet(db, "a")) == ("open", (100, 30))
    offer(db)
    assert won_tasks(clear(db, after(1))) == {"t1"}
    assert (status(db, stays), wallet(db, "a")) == ("won", (100, 0))


def test_a_resting_bid_ends_with_its_time_to_live(db):
    fund(db, 100, "a")
    short = rest(db, "a", "t1", 30, ttl_at=after(5))
    offer(db)

    assert clear(db, after(5)).clears == ()
    assert (status(db, short), wallet(db, "a")) == ("expired", (100, 0))


def test_what_round_bids_hold_beside_resting_ones_is_free_after_the_round(db):
    fund(db, 100, "a")
    fund(db, 1_000, "b")
    rest(db, "a", "t1", 40)
    bid(db, "a", "t2", 50)
    assert wallet(db, "a") == (100, 80)  # two slots at 40
    bid(db, "b", "t3", 90)
    offer(db)
    clear(db)

    assert wallet(db, "a") == (100, 40)


def test_a_winner_keeps_holding_for_its_resting_bids(db):
    fund(db, 100, "a", "b")
    rest(db, "a", "t1", 40)
    bid(db, "a", "t2", 50)
    bid(db, "b", "t3", 10)
    offer(db)

    assert prices(clear(db)) == {"t2": 40}
    assert wallet(db, "a") == (100, 80)


# --- followers


def test_of_resting_bids_for_one_task_the_best_leads_and_the_others_follow(db):
    fund(db, 100, "a", "b", "c")
    low = rest(db, "a", "t", 30)
    assert reason(db, low) == ""
    high = rest(db, "b", "t", 50)
    middle = rest(db, "c", "t", 40)

    assert [reason(db, one) for one in (low, middle, high)] == ["superseded", "superseded", ""]
    assert middle.reason == "superseded"


def leader_ends(db, leader, how):
    if how == "cancelled":
        compute_auction.cancel_bid(leader.id, now=NOON, db=db)
    elif how == "expired":
        compute_auction.refund_unfilled(after(5), db=db)
    elif how == "amended":
        rest(db, "leader", "t", 1)
    elif how == "moved to the round":
        bid(db, "leader", "t", 50)
        compute_auction.cancel_bid(leader.id, now=NOON, db=db)
    elif how in ("settled", "voided"):
        offer(db, 1)
        [slot] = clear(db).clears
        assert slot.bid_id == leader.id
        {"settled": settle, "voided": void}[how](db, slot)


@pytest.mark.parametrize("how", ["cancelled", "expired", "amended", "moved to the round", "settled", "voided"])
def test_a_follower_leads_once_its_leader_is_gone(db, how):
    fund(db, 100, "leader", "next", "last")
    leader = rest(db, "leader", "t", 50, ttl_at=after(5))
    follower = rest(db, "next", "t", 40)
    third = rest(db, "last", "t", 30)

    leader_ends(db, leader, how)

    assert (reason(db, follower), reason(db, third)) == ("", "superseded")
    offer(db, 1)
    assert [sold.bid_id for sold in clear(db, after(6)).clears] == [follower.id]


def test_followers_wait_while_their_task_runs(db):
    fund(db, 100, "leader", "next")
    rest(db, "leader", "t", 50)
    follower = rest(db, "next", "t", 40)
    offer(db, 2)
    [slot] = clear(db).clears

    assert reason(db, follower) == "task_running"
    assert clear(db, after(1)).clears == ()
    assert status(db, follower) == "open"
    settle(db, slot)
    assert reason(db, follower) == ""


def test_a_leader_that_expires_within_the_round_makes_room_in_that_round(db):
    fund(db, 100, "leader", "next")
    rest(db, "leader", "t", 50, ttl_at=after(5))
    follower = rest(db, "next", "t", 40)
    offer(db, 1)

    assert [sold.bid_id for sold in clear(db, after(5)).clears] == [follower.id]


def test_followers_are_promoted_in_each_pool_for_itself(db):
    fund(db, 200, "a", "b")
    compute_auction.create_pool("gpu", now=NOON, db=db)
    rest(db, "a", "t", 50)
    elsewhere = rest(db, "b", "t", 40, pool="gpu")

    assert reason(db, elsewhere) == ""
    offer(db, 1, pool="gpu")
    assert [sold.bid_id for sold in clear(db, pool="gpu").clears] == [elsewhere.id]


def test_a_sold_task_bars_bids_that_rest_for_it_in_another_pool(db):
    fund(db, 100, "a", "b")
    compute_auction.create_pool("other", db=db)
    waits = rest(db, "a", "t1", 30, pool="other")
    bid(db, "b", "t1", 40)
    offer(db)

    assert won_tasks(clear(db)) == {"t1"}
    assert (status(db, waits), reason(db, waits)) == ("open", "task_running")


def test_a_round_bid_and_a_resting_bid_for_one_task_compete_in_the_round(db):
    fund(db, 100, "a", "b", "c")
    resting = rest(db, "a", "t", 40)
    round_bid = bid(db, "b", "t", 60)
    bid(db, "c", "other", 10)
    offer(db, 1)

    assert prices(clear(db)) == {"t": 10}
    assert (status(db, round_bid), status(db, resting)) == ("won", "open")


def sellers(db):
    """Two who sell a slot at a price that nobody pays, each with an account that bids."""
    for lab in ("lab", "other lab"):
        token_ledger.create_account(f"{lab} worker", "worker", lab, now=NOON, db=db)
        fund(db, 1_000, f"{lab} bidder", owner_id=lab)
        offer(db, provider_id=f"{lab} worker", reserve_price_tokens=900)


def test_a_bid_that_may_not_compete_keeps_none_out_that_follows_it(db):
    """Anybody could keep anybody out: with an ask that is never bought, and a high bid that never competes."""
    sellers(db)
    fund(db, 100, "a", "b", "c")
    first = rest(db, "lab bidder", "t", 90)
    second = rest(db, "other lab bidder", "t", 80)
    follows, below = rest(db, "a", "t", 50), rest(db, "b", "t", 40)
    bid(db, "c", "other", 10)
    assert [reason(db, one) for one in (first, second, follows)] == ["", "superseded", "superseded"]
    offer(db)

    cleared = clear(db)

    assert prices(cleared) == {"t": 10}
    assert [status(db, one) for one in (first, second, follows, below)] == ["open", "open", "won", "open"]
    assert [reason(db, one) for one in (first, follows)] == ["task_running", ""]
    assert wallet(db, "a") == (100, 10)
    assert compute_auction.recompute(cleared.round_id, db=db).digest == cleared.digest
    settle(db, cleared.clears[0])


@pytest.mark.parametrize("mechanism", ["uniform_price", "vickrey"])
def test_a_bid_behind_one_that_may_not_compete_sets_a_price(db, mechanism):
    compute_auction.create_pool("gpu", mechanism=mechanism, now=NOON, db=db)
    token_ledger.create_account("worker", "worker", "lab", now=NOON, db=db)
    fund(db, 1_000, "lab bidder", owner_id="lab")
    fund(db, 100, "a", "b")
    offer(db, provider_id="worker", reserve_price_tokens=900, pool="gpu")
    rest(db, "lab bidder", "t", 90, pool="gpu")
    follows = rest(db, "a", "t", 30, pool="gpu")
    bid(db, "b", "best", 50, pool="gpu")
    offer(db, pool="gpu")

    cleared = clear(db, pool="gpu")

    assert (prices(cleared), cleared.runner_up_bid_id) == ({"best": 30}, follows.id)
    assert (status(db, follows), reason(db, follows)) == ("open", "superseded")
    assert compute_auction.recompute(cleared.round_id, db=db).digest == cleared.digest


def test_a_round_bid_behind_one_that_may_not_compete_competes(db):
    sellers(db)
    fund(db, 100, "a")
    bid(db, "lab bidder", "t", 90)
    bid(db, "a", "t", 50)
    offer(db)

    assert clear(db).clears[0].bidder_id == "a"


def test_a_round_of_an_earlier_journal_leaves_followers_out_as_it_did(db):
    sellers(db)
    fund(db, 100, "a")
    rest(db, "lab bidder", "t", 90)
    rest(db, "a", "t", 50)
    offer(db)
    execute_journaled(db, clearing.clear_round, {"pool": "scidex-agent"}, now=NOON)  # as it was journaled then
    assert compute_auction.list_rounds(db=db)[0].sold == 0

    assert_journal_tells_all(db)
    assert won_tasks(clear(db, after(1))) == {"t"}


# --- suspension


def suspended_bid(db):
    """A resting bid of `a` that its wallet does not cover after a round in which another bid of it won."""
    fund(db, 100, "a")
    fund(db, 1_000, "b")
    waits = rest(db, "a", "rests", 50)
    bid(db, "a", "wins", 60)
    bid(db, "b", "x", 55)
    bid(db, "b", "y", 54)
    offer(db, 1)
    [slot] = clear(db).clears
    assert (slot.winning_task_id, slot.clearing_price_tokens) == ("wins", 55)
    return waits, slot


def test_a_resting_bid_that_the_wallet_does_not_cover_any_more_sleeps(db):
    waits, _ = suspended_bid(db)

    assert (status(db, waits), reason(db, waits)) == ("open", "suspended")
    assert wallet(db, "a") == (100, 55)
    offer(db, 1)
    assert clear(db, after(1)).clears == ()


def test_a_suspended_bid_wakes_when_its_slot_is_voided(db):
    waits, slot = suspended_bid(db)

    void(db, slot)

    assert (reason(db, waits), wallet(db, "a")) == ("", (100, 50))


@pytest.mark.parametrize("how", ["mint", "transfer", "sale"])
def test_a_suspended_bid_wakes_when_tokens_come(db, how):
    waits, slot = suspended_bid(db)
    if how == "mint":
        token_ledger.mint("a", 4, now=NOON, db=db)
        assert reason(db, waits) == "suspended"  # 49 are not 50
        token_ledger.mint("a", 1, now=NOON, db=db)
    elif how == "transfer":
        token_ledger.transfer("b", "a", 5, now=NOON, db=db)
    else:
        bid(db, "b", "z", 30)
        offer(db, 1, provider_id="a", reserve_price_tokens=20)
        [own] = clear(db, after(1)).clears
        settle(db, own)

    assert reason(db, waits) == ""
    assert wallet(db, "a")[1] == 105
    settle(db, slot)
    offer(db, 1)
    assert won_tasks(clear(db, after(2))) == {"rests"}


def test_a_suspended_bid_is_amended_to_what_the_wallet_covers(db):
    waits, _ = suspended_bid(db)

    amended = rest(db, "a", "rests", 45)

    assert (amended.id, amended.reason) == (waits.id, "")
    assert wallet(db, "a") == (100, 100)


def test_a_suspended_bid_is_cancelled_like_any_other(db):
    waits, _ = suspended_bid(db)

    compute_auction.cancel_bid(waits.id, now=NOON, db=db)

    assert (status(db, waits), wallet(db, "a")) == ("cancelled", (100, 55))
    token_ledger.mint("a", 100, now=NOON, db=db)
    assert wallet(db, "a") == (200, 55)


def test_a_suspended_leader_lets_its_follower_lead(db):
    fund(db, 1_000, "next")
    waits, _ = suspended_bid(db)

    follower = rest(db, "next", "rests", 10)

    assert (reason(db, waits), reason(db, follower)) == ("suspended", "")
    token_ledger.mint("a", 100, now=NOON, db=db)
    assert (reason(db, waits), reason(db, follower)) == ("", "superseded")


def test_the_best_resting_bids_are_kept_when_not_all_are_covered(db):
    fund(db, 100, "a")
    fund(db, 1_000, "b")
    small, large = rest(db, "a", "small", 10), rest(db, "a", "large", 50)
    bid(db, "a", "wins", 60)
    bid(db, "b", "x", 45)
    bid(db, "b", "y", 45)
    offer(db, 1)
    offer(db, 1, reserve_price_tokens=48)

    # Both slots could be sold at 50 to a; the other bids set the price at the reserve of the second.
    assert prices(clear(db)) == {"wins": 48, "large": 48}
    assert (status(db, large), reason(db, small)) == ("won", "suspended")
    assert wallet(db, "a") == (100, 96)


# --- tasks of the backlog


@pytest.mark.parametrize(
    ("state", "why"), [("blocked", "task_blocked"), ("done", "task_done"), ("failed", "task_failed")]
)
@pytest.mark.parametrize("time_in_force", ["round", "gtt"])
def test_a_bid_for_a_task_that_cannot_run_does_not_compete(db, state, why, time_in_force):
    fund(db, 100, "q1", "b")
    know_task(db, "t1", state, account_id="q1")
    waits = bid(db, "q1", "t1", 90, time_in_force=time_in_force)
    bid(db, "b", "t2", 20)
    offer(db, 1)

    assert waits.reason == why
    assert prices(clear(db)) == {"t2": 0}
    told = compute_auction.explain(waits.id, now=NOON, db=db)
    assert (told.status, told.reason) == ("lost" if time_in_force == "round" else "open", why)


def test_a_bid_for_an_open_task_of_the_backlog_competes(db):
    fund(db, 100, "q1")
    know_task(db, "t1", "open", account_id="q1")
    bid(db, "q1", "t1", 90)
    offer(db, 1)

    assert won_tasks(clear(db)) == {"t1"}

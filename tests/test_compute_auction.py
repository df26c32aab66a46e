"""The story of the market, as it was first told: ten bids, five slots, one price."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scidex.errors import (
    AlreadySettled,
    InsufficientTokens,
    InvalidTime,
    SlotNotSold,
    SlotVoided,
    UnknownSlot,
)
from scidex.exchange import compute_auction, token_ledger
from scidex.records import Bid, Round
from scidex.store import Database
from tests.market import (
    NOON,
    TREASURY,
    after,
    available,
    bid,
    clear,
    fund,
    offer,
    prices,
    prove,
    settle,
    status,
    void,
    wallet,
    won_tasks,
)
from tests.raw_sql import query

GRANT = 200_000
TEN_PRICES = (1_000, 12_000, 23_000, 34_000, 45_000, 56_000, 67_000, 78_000, 89_000, 100_000)
WINNERS = TEN_PRICES[5:]
LOSERS = TEN_PRICES[:5]
SIXTH_HIGHEST = 45_000


@pytest.fixture(autouse=True)
def books_are_right_afterwards(db: Database) -> Iterator[None]:
    """Prove the books and compute every round again, whatever the story was about."""
    yield
    prove(db)


@pytest.fixture
def ten_bids(db) -> dict[int, Bid]:
    """Ten agents bid from 1,000 to 100,000 tokens, each for a task of its own; by price."""
    fund(db, GRANT, *(f"agent:{price}" for price in TEN_PRICES))
    return {price: bid(db, f"agent:{price}", f"task-{price}", price) for price in TEN_PRICES}


@pytest.fixture
def five_sold(db, ten_bids) -> Round:
    """The round in which the ten bids competed for five slots."""
    offer(db, 5)
    return clear(db)


# --- ten bids, five slots


def test_the_price_is_the_sixth_highest_bid(five_sold):
    assert five_sold.clearing_price_tokens == sorted(TEN_PRICES, reverse=True)[5] == SIXTH_HIGHEST
    assert five_sold.sold == 5
    assert {sold.clearing_price_tokens for sold in five_sold.clears} == {SIXTH_HIGHEST}


def test_the_five_highest_bids_win_and_the_others_lose(db, ten_bids, five_sold):
    assert won_tasks(five_sold) == {f"task-{price}" for price in WINNERS}
    assert {status(db, ten_bids[price]) for price in WINNERS} == {"won"}
    assert {status(db, ten_bids[price]) for price in LOSERS} == {"lost"}


def test_a_bid_sets_its_price_aside_until_its_round(db, ten_bids):
    assert {price: wallet(db, f"agent:{price}") for price in TEN_PRICES} == {
        price: (GRANT, price) for price in TEN_PRICES
    }


def test_a_winners_premium_is_back_at_once_and_is_no_transfer(db, five_sold):
    for sold in five_sold.clears:
        assert sold.winning_premium_tokens == sold.max_price_tokens - SIXTH_HIGHEST
        assert wallet(db, sold.bidder_id) == (GRANT, SIXTH_HIGHEST)
        moves = token_ledger.get_transfers(sold.bidder_id, db=db)
        assert [move.reason for move in moves] == ["grant"]


def test_losers_are_refunded_in_full_and_never_debited(db, five_sold):
    for slot in five_sold.clears:
        settle(db, slot, cost=100, impact=1.0)

    for price in LOSERS:
        assert wallet(db, f"agent:{price}") == (GRANT, 0)
        moves = token_ledger.get_transfers(f"agent:{price}", db=db)
        assert [move.debit_account_id for move in moves] == ["system:issuance"]


def test_winners_are_debited_the_price_and_not_their_bid(db, five_sold):
    for slot in five_sold.clears:
        settle(db, slot, cost=100, impact=1.0)

    for price in WINNERS:
        assert wallet(db, f"agent:{price}") == (GRANT - SIXTH_HIGHEST, 0)
        debits = [
            m for m in token_ledger.get_transfers(f"agent:{price}", db=db) if m.debit_account_id != "system:issuance"
        ]
        assert [(m.amount_tokens, m.credit_account_id) for m in debits] == [(SIXTH_HIGHEST, TREASURY)]
    assert wallet(db, TREASURY) == (5 * SIXTH_HIGHEST, 0)


def test_nobody_is_debited_before_the_slot_is_settled(db, five_sold):
    assert {wallet(db, f"agent:{price}")[0] for price in TEN_PRICES} == {GRANT}
    assert wallet(db, TREASURY) == (0, 0)


def test_impact_and_roi_are_logged_on_the_clear(db, five_sold):
    slot_id = five_sold.clears[0].slot_id

    settled = settle(db, slot_id, cost=4_000, impact=31.0, now=after(3))

    # 4,000 tokens are 4 USD at 1,000 tokens a dollar.
    assert (settled.actual_cost_tokens, settled.actual_impact, settled.roi) == (4_000, 31.0, 7.75)
    assert (settled.slot_started_at, settled.slot_finished_at) == (NOON, after(3))
    [row] = query(
        db,
        "SELECT slot_id, clearing_price_tokens, winning_task_id, runner_up_task_id, actual_cost_tokens, actual_impact,"
        f" roi FROM compute_auction_clears WHERE slot_id = '{slot_id}'",
    )
    assert row == {
        "slot_id": slot_id,
        "clearing_price_tokens": SIXTH_HIGHEST,
        "winning_task_id": settled.winning_task_id,
        "runner_up_task_id": f"task-{SIXTH_HIGHEST}",
        "actual_cost_tokens": 4_000,
        "actual_impact": 31.0,
        "roi": 7.75,
    }


@pytest.mark.parametrize(
    ("cost", "impact", "roi"), [(0, 5.0, None), (10, None, None), (1_000, -2.0, -2.0), (1, 0, 0.0)]
)
def test_roi_is_impact_over_cost_in_dollars(db, five_sold, cost, impact, roi):
    assert settle(db, five_sold.clears[0], cost=cost, impact=impact).roi == roi


def test_the_best_losing_bid_is_the_runner_up(ten_bids, five_sold):
    assert five_sold.runner_up_bid_id == ten_bids[SIXTH_HIGHEST].id
    assert {(s.runner_up_task_id, s.runner_up_price_tokens) for s in five_sold.clears} == {("task-45000", 45_000)}


def test_a_bid_moves_from_won_to_settled(db, ten_bids, five_sold):
    sold = next(s for s in five_sold.clears if s.max_price_tokens == 100_000)
    settle(db, sold)

    assert status(db, ten_bids[100_000]) == "settled"


# --- books of other shapes


def test_with_fewer_bids_than_slots_all_win_at_the_reserve(db):
    fund(db, 100, "a", "b")
    bid(db, "a", "t1", 60)
    bid(db, "b", "t2", 40)
    offer(db, 5, reserve_price_tokens=10)

    cleared = clear(db)

    assert prices(cleared) == {"t1": 10, "t2": 10}
    assert cleared.runner_up_bid_id is None
    assert {s.runner_up_task_id for s in cleared.clears} == {None}


def test_with_fewer_bids_than_slots_and_no_reserve_slots_are_free(db):
    fund(db, 100, "a")
    bid(db, "a", "t1", 60)
    offer(db, 2)

    cleared = clear(db)

    assert prices(cleared) == {"t1": 0}
    assert wallet(db, "a") == (100, 0)
    assert settle(db, cleared.clears[0], cost=7, impact=1.0).status == "settled"
    assert wallet(db, "a") == (100, 0)


def test_without_bids_a_round_has_no_price(db):
    offer(db, 3)

    cleared = clear(db)

    assert (cleared.clearing_price_tokens, cleared.clears, cleared.slots, cleared.bids) == (None, (), 3, 0)
    assert len(compute_auction.get_order_book(now=NOON, db=db)["asks"]) == 3


def test_without_slots_no_round_is_held_and_bids_stay_open(db):
    fund(db, 100, "a")
    standing = bid(db, "a", "t1", 60)

    cleared = clear(db)

    assert (cleared.round_id, cleared.clearing_price_tokens, cleared.clears) == (None, None, ())
    assert status(db, standing) == "open"
    assert wallet(db, "a") == (100, 60)
    offer(db, 1)
    assert won_tasks(clear(db)) == {"t1"}


def test_of_equal_bids_the_first_to_arrive_wins_and_pays_that_price(db):
    fund(db, 100, "a", "b", "c")
    for bidder_id in ("b", "a", "c"):
        bid(db, bidder_id, f"task-{bidder_id}", 50)
    offer(db, 2)

    cleared = clear(db)

    assert prices(cleared) == {"task-b": 50, "task-a": 50}
    assert {s.winning_premium_tokens for s in cleared.clears} == {0}


def test_one_bidder_with_many_bids_holds_the_most_it_can_owe(db):
    fund(db, 30, "a")
    bid(db, "a", "t1", 20)
    assert wallet(db, "a") == (30, 20)
    bid(db, "a", "t2", 12)
    assert wallet(db, "a") == (30, 24)  # two slots at 12 each are more than one at 20
    bid(db, "a", "t3", 5)
    assert wallet(db, "a") == (30, 24)  # three at 5 are less
    bid(db, "a", "t4", 7)
    assert wallet(db, "a") == (30, 24)

    with pytest.raises(InsufficientTokens):
        bid(db, "a", "t5", 16)  # two at 16 are 32

    assert wallet(db, "a") == (30, 24)


def test_one_bidder_with_many_bids_may_come_to_owe_all_it_held(db):
    fund(db, 24, "a")
    fund(db, 12, "b")
    for task_id, price in (("t1", 20), ("t2", 12), ("t3", 5)):
        bid(db, "a", task_id, price)
    bid(db, "b", "t4", 12)
    offer(db, 2)

    cleared = clear(db)

    assert prices(cleared) == {"t1": 12, "t2": 12}
    assert wallet(db, "a") == (24, 24)
    for slot in cleared.clears:
        settle(db, slot)
    assert wallet(db, "a") == (0, 0)


def test_of_two_bids_for_one_task_the_higher_competes_and_the_other_sets_no_price(db):
    fund(db, 100, "a", "b", "c")
    higher = bid(db, "a", "shared", 90)
    lower = bid(db, "b", "shared", 80)
    bid(db, "c", "own", 10)
    offer(db, 1)

    cleared = clear(db)

    assert prices(cleared) == {"shared": 10}
    assert (status(db, higher), status(db, lower)) == ("won", "lost")
    assert compute_auction.explain(lower.id, db=db).reason == "superseded"
    assert available(db, "b") == 100


def test_a_task_wins_one_slot_even_when_two_are_free(db):
    fund(db, 100, "a", "b")
    bid(db, "a", "shared", 90)
    bid(db, "b", "shared", 80)
    offer(db, 2)

    cleared = clear(db)

    assert [(s.bidder_id, s.clearing_price_tokens) for s in cleared.clears] == [("a", 0)]


def test_of_asks_with_different_reserves_the_cheapest_sell_at_one_price(db):
    fund(db, 100, "a", "b", "c")
    for bidder_id, price in (("a", 50), ("b", 40), ("c", 20)):
        bid(db, bidder_id, f"task-{bidder_id}", price)
    [dear], [cheap], [fair] = (offer(db, 1, reserve_price_tokens=reserve) for reserve in (30, 5, 25))

    cleared = clear(db)

    # The third bid meets no reserve: two slots trade, at the second reserve, which is above the best losing bid.
    assert prices(cleared) == {"task-a": 25, "task-b": 25}
    assert {s.slot_id for s in cleared.clears} == {cheap.slot_id, fair.slot_id}
    assert [ask["slot_id"] for ask in compute_auction.get_order_book(now=NOON, db=db)["asks"]] == [dear.slot_id]


def test_a_bid_equal_to_the_reserve_wins(db):
    fund(db, 100, "a")
    bid(db, "a", "t", 30)
    offer(db, 1, reserve_price_tokens=30)

    assert prices(clear(db)) == {"t": 30}


def test_a_bid_below_every_reserve_buys_nothing(db):
    fund(db, 100, "a")
    low = bid(db, "a", "t", 29)
    offer(db, 1, reserve_price_tokens=30)

    cleared = clear(db)

    assert (cleared.clearing_price_tokens, cleared.clears) == (None, ())
    assert (status(db, low), available(db, "a")) == ("lost", 100)


def test_a_provider_does_not_compete_for_slots_of_its_own_round(db):
    fund(db, 1_000, "worker", kind="worker", owner_id="team")
    fund(db, 1_000, "teammate", owner_id="team")
    fund(db, 1_000, "stranger", "rival")
    own = bid(db, "worker", "t1", 500)
    same_owner = bid(db, "teammate", "t2", 400)
    bid(db, "stranger", "t3", 30)
    bid(db, "rival", "t4", 20)
    offer(db, 1, provider_id="worker")

    cleared = clear(db)

    # Neither a wash trade nor a shill: the team's bids do not even set the price.
    assert prices(cleared) == {"t3": 20}
    assert (status(db, own), status(db, same_owner)) == ("lost", "lost")
    assert compute_auction.explain(own.id, db=db).reason == "own_ask"
    settle(db, cleared.clears[0])
    assert (wallet(db, "worker"), wallet(db, TREASURY)) == ((1_020, 0), (0, 0))


def test_the_treasurys_slots_are_for_everybody(db):
    fund(db, 1_000, "worker", kind="worker", owner_id="team")
    bid(db, "worker", "t1", 500)
    offer(db, 1, provider_id=TREASURY)

    assert won_tasks(clear(db)) == {"t1"}


def test_a_provider_may_buy_from_others_in_a_later_round(db):
    fund(db, 1_000, "worker", "customer", kind="worker")
    [own] = offer(db, 1, provider_id="worker")
    bid(db, "customer", "t0", 5)
    assert [s.slot_id for s in clear(db).clears] == [own.slot_id]

    bid(db, "worker", "t1", 500)
    offer(db, 1)

    assert won_tasks(clear(db)) == {"t1"}


def test_a_bid_above_the_wallet_is_refused_with_the_numbers(db):
    fund(db, 99, "a")

    with pytest.raises(InsufficientTokens) as refused:
        bid(db, "a", "t", 100)

    assert (refused.value.account_id, refused.value.needed, refused.value.available) == ("a", 100, 99)
    assert compute_auction.get_order_book(now=NOON, db=db)["bids"] == []
    assert bid(db, "a", "t", 99).status == "open"


def test_a_bid_above_what_is_available_is_refused(db):
    fund(db, 100, "a")
    compute_auction.create_pool("gpu", now=NOON, db=db)
    bid(db, "a", "t1", 60)

    with pytest.raises(InsufficientTokens) as refused:
        bid(db, "a", "t2", 41, pool="gpu")

    assert refused.value.available == 40
    assert bid(db, "a", "t2", 40, pool="gpu").status == "open"


def test_an_expired_bid_neither_wins_nor_sets_the_price(db):
    fund(db, 100, "a", "b", "c")
    expired = bid(db, "a", "t1", 90, ttl_at=after(5))
    bid(db, "b", "t2", 20, ttl_at=after(60))
    bid(db, "c", "t3", 10, ttl_at=after(60))
    offer(db, 1)

    cleared = clear(db, after(5))

    assert prices(cleared) == {"t2": 10}
    assert status(db, expired) == "expired"
    assert wallet(db, "a") == (100, 0)


def test_a_bid_competes_until_just_before_its_time_to_live_ends(db):
    fund(db, 100, "a")
    bid(db, "a", "t1", 90, ttl_at=after(5))
    offer(db, 1)

    assert won_tasks(clear(db, after(4.999))) == {"t1"}


def test_a_time_to_live_that_has_passed_is_refused(db):
    fund(db, 100, "a")

    for ttl_at in (NOON, after(-1)):
        with pytest.raises(InvalidTime, match="ttl_at must lie after now"):
            bid(db, "a", "t1", 90, ttl_at=ttl_at)


def test_refund_unfilled_sweeps_expired_bids_alone(db):
    fund(db, 100, "a", "b")
    round_bid = bid(db, "a", "t1", 30, ttl_at=after(1))
    resting_bid = bid(db, "b", "t2", 40, ttl_at=after(1), time_in_force="gtt")
    longer = bid(db, "a", "t3", 20, ttl_at=after(9))

    assert compute_auction.refund_unfilled(NOON, db=db) == 0
    assert compute_auction.refund_unfilled(after(1), db=db) == 2
    assert compute_auction.refund_unfilled(after(1), db=db) == 0

    assert [status(db, one) for one in (round_bid, resting_bid, longer)] == ["expired", "expired", "open"]
    assert (wallet(db, "a"), wallet(db, "b")) == ((100, 20), (100, 0))


# --- settling what was sold, and what was not


def test_settling_twice_with_the_same_numbers_answers_the_same_and_pays_once(db, five_sold):
    slot = five_sold.clears[0]
    first = settle(db, slot, cost=5, impact=2.0)

    assert settle(db, slot, cost=5, impact=2.0, now=after(9)) == first
    assert wallet(db, slot.bidder_id) == (GRANT - SIXTH_HIGHEST, 0)
    assert wallet(db, TREASURY) == (SIXTH_HIGHEST, 0)


@pytest.mark.parametrize(("cost", "impact"), [(6, 2.0), (5, 2.5), (5, None), (0, 2.0)])
def test_settling_again_with_other_numbers_is_refused(db, five_sold, cost, impact):
    slot = five_sold.clears[0]
    settle(db, slot, cost=5, impact=2.0)

    with pytest.raises(AlreadySettled) as refused:
        settle(db, slot, cost=cost, impact=impact)

    assert refused.value.facts["actual_cost_tokens"] == 5
    assert refused.value.facts["actual_impact"] == 2.0
    assert wallet(db, slot.bidder_id) == (GRANT - SIXTH_HIGHEST, 0)


def test_settling_what_was_never_sold_is_refused(db):
    [unsold] = offer(db, 1)

    with pytest.raises(SlotNotSold):
        settle(db, unsold)


def test_settling_a_slot_that_was_never_offered_is_refused(db):
    with pytest.raises(UnknownSlot):
        settle(db, "slot-nobody-offered")


def test_a_voided_slot_refunds_its_winner_in_full_and_cannot_be_settled(db, five_sold):
    slot = five_sold.clears[0]
    void(db, slot, reason="worker lost")

    with pytest.raises(SlotVoided):
        settle(db, slot)

    assert wallet(db, slot.bidder_id) == (GRANT, 0)
    assert wallet(db, TREASURY) == (0, 0)


# --- a currency


def test_a_bidder_that_spent_its_wallet_is_priced_out_until_it_earns(db):
    fund(db, 100, "spender")
    fund(db, 100, "rival")
    bid(db, "spender", "t1", 100)
    bid(db, "rival", "t2", 100)
    offer(db, 1)
    settle(db, clear(db).clears[0])
    assert wallet(db, "spender") == (0, 0)

    with pytest.raises(InsufficientTokens):
        bid(db, "spender", "t3", 1)

    token_ledger.mint("spender", 40, reason="good work", now=NOON, db=db)
    assert bid(db, "spender", "t3", 40).status == "open"

import itertools

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scidex.mechanism import Ask, Bid, clear
from scidex.mechanism.uniform_price import uniform_price
from tests.mechanism.books import (
    asks,
    asks_at,
    bids,
    bids_at,
    payments,
    prices,
    single_bids,
    some,
    surplus,
    winners,
)


def test_winners_pay_the_best_losing_price():
    clearing = uniform_price(bids_at(9, 5, 7, 4), asks_at(1, 1))

    assert clearing.price == 5
    assert winners(clearing) == [0, 2]
    assert clearing.runner_up == 1
    assert {(trade.buyer_pays, trade.provider_gets) for trade in clearing.trades} == {(5, 5)}


def test_without_a_losing_bid_the_price_is_the_reserve():
    assert uniform_price(bids_at(9, 7), asks_at(3, 3, 3)).price == 3


def test_the_price_covers_the_dearest_slot_sold():
    clearing = uniform_price(bids_at(9, 8, 2), asks_at(1, 6, 10))

    assert clearing.price == 6
    assert [trade.ask_id for trade in clearing.trades] == [0, 1]


def test_the_cheapest_slots_sell_first():
    assert [trade.ask_id for trade in uniform_price(bids_at(9), asks_at(4, 2, 3)).trades] == [1]


def test_a_bid_at_the_reserve_wins():
    assert uniform_price(bids_at(4), asks_at(4)).price == 4


def test_a_bid_of_nothing_wins_a_slot_that_nobody_else_wants():
    assert uniform_price(bids_at(0), asks_at(0)).price == 0


def test_ties_go_to_the_lowest_sequence():
    clearing = uniform_price([Bid("late", "x", 5, 2), Bid("early", "y", 5, 1)], [Ask("slot", "z", 0)])

    assert winners(clearing) == ["early"]
    assert clearing.runner_up == "late"
    assert clearing.price == 5


@pytest.mark.parametrize(
    ("bid_prices", "reserves", "runner_up"),
    [((), (), None), ((), (1,), None), ((5,), (), 0), ((3, 4), (5,), 1)],
)
def test_without_a_trade_there_is_no_price(bid_prices, reserves, runner_up):
    clearing = uniform_price(bids_at(*bid_prices), asks_at(*reserves))

    assert clearing == ((), None, runner_up)


@some
@given(single_bids, st.integers(1, 6), prices)
def test_the_price_is_the_reserve_or_the_best_losing_bid(bids, slots, reserve):
    eligible = sorted((bid.price for bid in bids if bid.price >= reserve), reverse=True)
    clearing = uniform_price(bids, asks_at(*[reserve] * slots))

    assert clearing.price == (max([reserve, *eligible[slots:]]) if eligible else None)
    assert len(clearing.trades) == min(slots, len(eligible))


@some
@given(bids(), asks)
def test_nobody_envies_anybody_at_the_price(bids, asks):
    clearing = uniform_price(bids, asks)
    assume(clearing.trades)

    for bid in bids:
        assert bid.price >= clearing.price if bid.id in winners(clearing) else bid.price <= clearing.price
    sold = {trade.ask_id for trade in clearing.trades}
    assert all(ask.reserve <= clearing.price for ask in asks if ask.id in sold)


@some
@given(bids(), asks, prices)
def test_one_more_slot_never_raises_the_price(bids, asks, reserve):
    before, after = uniform_price(bids, asks), uniform_price(bids, [*asks, Ask("new", "x", reserve)])
    assume(before.trades)

    assert after.price <= before.price
    assert len(after.trades) >= len(before.trades)


@some
@given(bids(), asks, prices)
def test_one_more_bidder_never_lowers_the_price(bids, asks, price):
    before, after = uniform_price(bids, asks), uniform_price([*bids, Bid("new", "new", price, 99)], asks)
    assume(before.trades)

    assert after.price >= before.price


@some
@given(bids(), asks, prices, st.integers(0, 5))
def test_a_higher_reserve_never_lowers_the_price(bids, asks, rise, place):
    raised = [ask._replace(reserve=ask.reserve + rise) if ask.id == place else ask for ask in asks]
    before, after = uniform_price(bids, asks), uniform_price(bids, raised)
    assume(after.trades)

    assert after.price >= before.price


@some
@given(bids(), asks, st.data())
def test_dropping_losers_below_the_price_changes_nothing_for_the_others(bids, asks, data):
    clearing = uniform_price(bids, asks)
    assume(clearing.trades)
    below = [bid for bid in bids if bid.price < clearing.price]
    dropped = data.draw(st.sets(st.sampled_from(below)) if below else st.just(set()))

    assert uniform_price([bid for bid in bids if bid not in dropped], asks)[:2] == clearing[:2]


@some
@given(single_bids, asks, prices)
def test_raising_a_winning_bid_keeps_its_slot_and_its_price(bids, asks, rise):
    clearing = uniform_price(bids, asks)
    for place in winners(clearing):
        raised = [bid._replace(price=bid.price + rise) if bid.id == place else bid for bid in bids]

        assert place in winners(uniform_price(raised, asks))
        assert uniform_price(raised, asks).price == clearing.price


@some
@given(single_bids, asks)
def test_the_price_is_the_critical_value_of_every_winner(bids, asks):
    clearing = uniform_price(bids, asks)
    for place in winners(clearing):
        for step in (-1, 1):
            price = 2 * clearing.price + step
            moved = [bid._replace(price=price if bid.id == place else 2 * bid.price) for bid in bids]
            doubled = [ask._replace(reserve=2 * ask.reserve) for ask in asks]

            if price >= 0:
                assert (place in winners(uniform_price(moved, doubled))) == (step > 0)


def test_truth_is_a_best_reply_for_whoever_wants_one_slot():
    levels = range(4)
    for first, second, value, reserve in itertools.product(levels, repeat=4):
        asks = asks_at(reserve, 2)

        def gain(bid, rivals=(first, second), asks=asks, value=value):
            return surplus("uniform_price", bids_at(*rivals, bid), asks, 2, [value])

        assert gain(value) == max(gain(bid) for bid in range(5))


def test_with_several_bids_asking_for_less_can_pay():
    rivals, owners = [6], ["me", "me", "rival"]
    honest = surplus("uniform_price", bids_at(10, 9, *rivals, owners=owners), asks_at(0, 0), "me", [10, 9])
    shaded = surplus("uniform_price", bids_at(10, 0, *rivals, owners=owners), asks_at(0, 0), "me", [10, 9])

    assert (honest, shaded) == (7, 10)


@some
@given(bids(), asks)
def test_the_total_is_a_price_for_each_slot(bids, asks):
    clearing = clear("uniform_price", bids, asks)

    assert payments(clearing, bids).total() == len(clearing.trades) * (clearing.price or 0)

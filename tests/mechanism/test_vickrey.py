import itertools

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scidex.mechanism import Ask
from scidex.mechanism.uniform_price import uniform_price
from scidex.mechanism.vickrey import vickrey
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


def test_an_owner_pays_what_its_winners_displace():
    bids = bids_at(50, 47, 42, 28, 45, 35, owners=["a", "a", "b", "b", "c", "c"])
    clearing = vickrey(bids, asks_at(0, 0, 0))

    assert winners(clearing) == [0, 1, 4]
    assert payments(clearing, bids) == {"a": 42 + 35, "c": 42}
    assert clearing.price is None
    assert clearing.runner_up == 2


def test_of_one_owner_the_best_bid_pays_the_least():
    clearing = vickrey(bids_at(9, 8, 6, 5, owners="aabb"), asks_at(0, 0))

    assert [trade.buyer_pays for trade in clearing.trades] == [5, 6]


def test_a_slot_that_would_stay_unsold_costs_its_reserve():
    bids = bids_at(9, 8, 3, owners="aab")
    clearing = vickrey(bids, asks_at(1, 4))

    assert sorted(trade.buyer_pays for trade in clearing.trades) == [3, 4]


def test_the_cheapest_slot_takes_the_smallest_payment():
    clearing = vickrey(bids_at(9, 8, 6, owners="abb"), asks_at(1, 5))

    assert clearing.trades == ((0, 1, 6, 6), (1, 0, 5, 5))


def test_without_a_trade_every_bid_loses():
    assert vickrey(bids_at(1), asks_at(2)) == ((), None, 0)
    assert vickrey([], []) == ((), None, None)


def welfare(bids, asks):
    """The value of the bids that trade, less the reserves of the slots they take."""
    pairs = zip(sorted((bid.price for bid in bids), reverse=True), sorted(ask.reserve for ask in asks), strict=False)
    return sum(max(0, price - reserve) for price, reserve in pairs)


@some
@given(bids(), asks)
def test_every_owner_gains_what_its_presence_adds(bids, asks):
    clearing = vickrey(bids, asks)
    paid = payments(clearing, bids)

    for owner in {bid.owner for bid in bids}:
        value = sum(bid.price for bid in bids if bid.owner == owner and bid.id in winners(clearing))
        without = welfare([bid for bid in bids if bid.owner != owner], asks)
        assert value - paid[owner] == welfare(bids, asks) - without


@some
@given(bids(), asks)
def test_an_owner_never_pays_more_than_at_the_uniform_price(bids, asks):
    uniform, own = uniform_price(bids, asks), vickrey(bids, asks)

    assert winners(own) == winners(uniform)
    assert payments(own, bids) <= payments(uniform, bids)


@some
@given(single_bids, asks)
def test_with_one_bid_an_owner_it_is_the_uniform_price(bids, asks):
    assert vickrey(bids, asks).trades == uniform_price(bids, asks).trades


@pytest.mark.parametrize("reserves", [(0, 0, 0), (1, 2)])
def test_truth_is_a_best_reply_for_an_owner_of_two_bids(reserves):
    levels = range(4)
    for rivals in itertools.combinations_with_replacement(levels, 2):

        def gain(values, reported, rivals=rivals):
            book = bids_at(*rivals, *reported, owners=["rival", "rival", "me", "me"])
            return surplus("vickrey", book, asks_at(*reserves), "me", values)

        for low, high in itertools.combinations_with_replacement(levels, 2):
            honest = gain([high, low], [high, low])
            assert honest == max(gain([high, low], reply) for reply in itertools.product(range(5), repeat=2))


@some
@given(bids(), asks, st.sets(st.integers(0, 7)))
def test_no_owner_gains_by_splitting_in_two(bids, asks, second_half):
    """An owner whose bids are its values keeps at least what its two halves would gain together."""
    whole = [bid.price for bid in bids if bid.owner == 1]
    split = [bid._replace(owner="half") if bid.owner == 1 and bid.id in second_half else bid for bid in bids]
    values = sorted(whole, reverse=True)
    clearing = vickrey(split, asks)
    won = sum(bid.owner in (1, "half") for bid in split if bid.id in winners(clearing))
    paid = payments(clearing, split)

    assert surplus("vickrey", bids, asks, 1, values) >= sum(values[:won]) - paid[1] - paid["half"]


@some
@given(bids(), asks, st.sets(st.integers(0, 7)))
def test_hiding_tasks_never_raises_ones_own_surplus(bids, asks, hidden):
    values = sorted((bid.price for bid in bids if bid.owner == 1), reverse=True)
    shown = [bid for bid in bids if bid.owner != 1 or bid.id not in hidden]
    shown_values = sorted((bid.price for bid in shown if bid.owner == 1), reverse=True)

    assert surplus("vickrey", bids, asks, 1, values) >= surplus("vickrey", shown, asks, 1, shown_values)


@some
@given(bids(), asks, prices)
def test_one_more_slot_never_raises_what_an_owner_pays_for_the_same_slots(bids, asks, reserve):
    before, after = vickrey(bids, asks), vickrey(bids, [*asks, Ask("new", "x", reserve)])
    assume(winners(before) == winners(after))

    assert payments(after, bids) <= payments(before, bids)

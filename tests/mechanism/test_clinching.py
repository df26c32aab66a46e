import itertools
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.mechanism import Bid
from scidex.mechanism.clinching import clinching
from scidex.mechanism.vickrey import vickrey
from tests.mechanism.books import asks, asks_at, bids, bids_at, payments, some, winners

budgets = st.dictionaries(st.integers(1, 3), st.one_of(st.integers(0, 12), st.fractions(0, 12)))


def test_an_owner_clinches_a_slot_when_its_rivals_leave_it_over():
    bids = bids_at(123, 113, 103, 75, 5, 3, 125, 125, 49, 85, 65, 7, owners="AAABBBCCCDDD")
    clearing = clinching(bids, asks_at(0, 0, 0, 0, 0))
    prices = {trade.bid_id: trade.buyer_pays for trade in clearing.trades}

    assert prices == {0: 65, 1: 75, 2: 85, 6: 75, 7: 85}
    assert clearing.price is None
    assert clearing.runner_up == 9


def test_with_slots_enough_the_reserve_is_the_price():
    assert [trade.buyer_pays for trade in clinching(bids_at(9, 4), asks_at(3, 3, 3)).trades] == [3, 3]


def test_without_a_trade_every_bid_loses():
    assert clinching(bids_at(1), asks_at(2)) == ((), None, 0)
    assert clinching([], [], budgets={"nobody": 5}) == ((), None, None)


@some
@given(bids(), asks)
def test_without_budgets_the_outcome_is_vickreys(bids, asks):
    assert clinching(bids, asks) == vickrey(bids, asks)


@some
@given(bids(), asks)
def test_ample_budgets_change_nothing(bids, asks):
    assert clinching(bids, asks, budgets=dict.fromkeys([1, 2, 3], 99)) == clinching(bids, asks)


def test_whom_the_budget_fails_leaves_slots_to_its_rival():
    """A can afford two slots up to 3 each, and one up to 6: at these prices its rival clinches one each."""
    bids = bids_at(10, 10, 8, 8, owners="AABB")
    clearing = clinching(bids, asks_at(0, 0), budgets={"A": 6})

    assert {trade.bid_id: trade.buyer_pays for trade in clearing.trades} == {2: 3, 3: 6}
    assert clearing.runner_up == 0


def test_what_a_slot_cost_is_no_longer_there_for_the_next():
    """B can afford one slot only from 2 on, so A clinches one at 2; its other 3 do not reach beyond B's 4."""
    bids = bids_at(9, 9, 8, 8, owners="AABB")
    clearing = clinching(bids, asks_at(0, 0), budgets={"A": 5, "B": 4})

    assert {trade.bid_id: trade.buyer_pays for trade in clearing.trades} == {0: 2, 2: 3}


@pytest.mark.parametrize("prices", [(8, 9, 1), (9, 8, 1)])
def test_of_equal_budgets_that_of_the_later_owner_runs_short_first_whatever_it_bid(prices):
    bids = bids_at(*prices, owners=["first", "later", "first"])

    assert clinching(bids, asks_at(0), budgets={"first": 5, "later": 5}).trades == ((0, 0, 5, 5),)


def test_a_shared_budget_makes_a_fraction():
    bids = bids_at(9, 9, 8, 8, owners="AABB")

    assert {t.buyer_pays for t in clinching(bids, asks_at(0, 0), budgets={"A": 5}).trades} >= {Fraction(5, 2)}


@pytest.mark.parametrize("kind", [float, Decimal])
def test_prices_keep_their_kind(kind):
    bids = [Bid(place, place // 2, kind(price), place) for place, price in enumerate((9, 9, 8, 8))]
    clearing = clinching(bids, asks_at(0, 0), budgets={0: 5})

    assert kind("2.5") in [trade.buyer_pays for trade in clearing.trades]
    assert {type(trade.buyer_pays) for trade in clearing.trades} == {kind}


@some
@given(bids(), asks, budgets)
def test_nobody_pays_above_its_bid_or_its_budget_or_below_the_reserve(bids, asks, budgets):
    clearing = clinching(bids, asks, budgets=budgets)
    paid = payments(clearing, bids)

    assert all(paid[owner] <= budget for owner, budget in budgets.items())
    for trade in clearing.trades:
        assert bids[trade.bid_id].price >= trade.buyer_pays >= asks[trade.ask_id].reserve


@some
@given(bids(), asks, budgets)
def test_an_owner_wins_with_its_best_bids(bids, asks, budgets):
    clearing = clinching(bids, asks, budgets=budgets)
    won = set(winners(clearing))

    for loser, winner in itertools.product(bids, bids):
        if loser.owner == winner.owner and winner.id in won and loser.id not in won:
            assert (-winner.price, winner.sequence) < (-loser.price, loser.sequence)
    losers = sorted((bid for bid in bids if bid.id not in won), key=lambda bid: (-bid.price, bid.sequence))
    assert clearing.runner_up == (losers[0].id if losers else None)


SLOTS = 2
LEVELS = itertools.product((0, 1, 3, 5), repeat=2)
AMOUNTS = itertools.product((0, 1, 2, 3, 4, 5, 99), repeat=2)
MARKETS = list(itertools.product(LEVELS, AMOUNTS))


def play(values, amounts, reserve):
    """What two owners win and pay that value every slot alike."""
    rows = [(value, owner) for owner, value in enumerate(values) for _ in range(SLOTS)]
    bids = bids_at(*(value for value, _ in rows), owners=[owner for _, owner in rows])
    clearing = clinching(bids, asks_at(*[reserve] * SLOTS), budgets=dict(enumerate(amounts)))
    won = [sum(bids[place].owner == owner for place in winners(clearing)) for owner in (0, 1)]
    paid = payments(clearing, bids)
    return [(won[owner], paid[owner]) for owner in (0, 1)]


@pytest.mark.parametrize("reserve", [0, 1])
def test_with_true_budgets_truth_is_a_best_reply_for_equal_values(reserve):
    for values, amounts in MARKETS:
        for owner, value in enumerate(values):

            def gain(bid, owner=owner, value=value, values=values, amounts=amounts):
                reported = [bid if each == owner else values[each] for each in (0, 1)]
                won, paid = play(reported, amounts, reserve)[owner]
                return won * value - paid

            assert gain(value) == max(gain(Fraction(half, 2)) for half in range(0, 12))


@pytest.mark.parametrize("reserve", [0, 1])
def test_no_slot_is_left_that_its_owner_would_sell_to_one_who_can_pay(reserve):
    for values, amounts in MARKETS:
        outcome = play(values, amounts, reserve)
        left = [amount - paid for amount, (_, paid) in zip(amounts, outcome, strict=True)]
        costs = [value for value, (won, _) in zip(values, outcome, strict=True) if won]
        unsold = SLOTS - sum(won for won, _ in outcome)

        for cost in costs + [reserve] * bool(unsold):
            assert not any(value > cost <= money for value, money in zip(values, left, strict=True))

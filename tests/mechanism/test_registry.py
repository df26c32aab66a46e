from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.errors import InvalidArgument, UnknownMechanism
from scidex.mechanism import MECHANISMS, clear
from scidex.mechanism.ranking import rank_bids
from tests.mechanism.books import (
    ONE_PRICE,
    OWN_PRICE,
    asks,
    asks_at,
    bids,
    bids_at,
    payments,
    sellers,
    some,
    winners,
)

names = st.sampled_from(sorted(MECHANISMS))


def test_every_rule_has_a_name():
    assert sorted(MECHANISMS) == sorted(ONE_PRICE + OWN_PRICE)
    assert all(mechanism.name == name for name, mechanism in MECHANISMS.items())


@pytest.mark.parametrize("name", ["", "Vickrey", "sbba", None, 3, []])
def test_an_unknown_name_is_refused(name):
    with pytest.raises(UnknownMechanism) as refused:
        clear(name, [], [])

    assert refused.value.name == name


@pytest.mark.parametrize("name", MECHANISMS)
def test_a_mechanism_takes_its_own_keywords_alone(name):
    for keyword, value in (("theta", Fraction(1, 3)), ("budgets", {}), ("reserve", 5)):
        if keyword in MECHANISMS[name].parameters:
            assert clear(name, [], [], **{keyword: value}) == ((), None, None)
        else:
            with pytest.raises(InvalidArgument) as refused:
                clear(name, [], [], **{keyword: value})
            assert (refused.value.field, refused.value.value) == (keyword, value)


def test_keywords_reach_the_rule():
    assert clear("k_double_auction", bids_at(9), asks_at(5), theta=1).price == 9


@pytest.mark.parametrize("name", MECHANISMS)
def test_any_iterable_of_bids_and_asks_will_do(name):
    bids, asks = bids_at(9, 7, 5), asks_at(1, 2)

    assert clear(name, iter(bids), iter(asks)) == clear(name, tuple(bids), tuple(asks))


@pytest.mark.parametrize("kind", [Fraction, float, Decimal])
@pytest.mark.parametrize("name", MECHANISMS)
def test_any_kind_of_number_gives_the_same_outcome(name, kind):
    prices, reserves, owners = (9, 7, 7, 5, 4), (1, 2, 8), "aabcc"
    whole = clear(name, bids_at(*prices, owners=owners), asks_at(*reserves))
    other = clear(name, bids_at(*map(kind, prices), owners=owners), asks_at(*map(kind, reserves)))

    assert other == whole


@some
@given(names, bids(), asks)
def test_nobody_pays_above_its_bid_and_nobody_sells_below_its_reserve(name, bids, asks):
    for trade in clear(name, bids, asks).trades:
        assert 0 <= trade.buyer_pays <= bids[trade.bid_id].price
        assert trade.provider_gets >= asks[trade.ask_id].reserve


@some
@given(names, bids(), asks)
def test_a_slot_is_sold_once_to_one_bid(name, bids, asks):
    clearing = clear(name, bids, asks)

    assert len(set(winners(clearing))) == len(set(sellers(clearing))) == len(clearing.trades)


@some
@given(names, bids(), asks)
def test_one_price_is_what_every_winner_pays(name, bids, asks):
    clearing = clear(name, bids, asks)
    paid = {trade.buyer_pays for trade in clearing.trades}

    assert paid == ({clearing.price} - {None} if MECHANISMS[name].one_price else paid)
    assert MECHANISMS[name].one_price or clearing.price is None


@some
@given(names, bids(), asks)
def test_the_runner_up_is_the_best_bid_that_lost(name, bids, asks):
    clearing = clear(name, bids, asks)
    losers = [bid.id for bid in rank_bids(bids) if bid.id not in winners(clearing)]

    assert clearing.runner_up == (losers[0] if losers else None)


@some
@given(names, bids(), asks)
def test_trades_come_from_the_best_bid_down(name, bids, asks):
    clearing = clear(name, bids, asks)

    assert winners(clearing) == [bid.id for bid in rank_bids(bids) if bid.id in winners(clearing)]


@some
@given(names, bids(), asks)
def test_a_balanced_mechanism_is_never_in_deficit(name, bids, asks):
    deficits = [trade.provider_gets - trade.buyer_pays for trade in clear(name, bids, asks).trades]

    assert not MECHANISMS[name].balanced or sum(deficits) <= 0


def test_one_mechanism_can_run_a_deficit():
    assert [name for name in MECHANISMS if not MECHANISMS[name].balanced] == ["vcg_double"]
    assert clear("vcg_double", bids_at(9), asks_at(1)).trades == ((0, 0, 1, 9),)


@some
@given(
    st.sampled_from([name for name in sorted(MECHANISMS) if not MECHANISMS[name].reads_whole_book]),
    bids(),
    asks,
)
def test_the_best_bids_and_one_more_decide_the_outcome(name, bids, asks):
    assert clear(name, rank_bids(bids)[: len(asks) + 1], asks) == clear(name, bids, asks)


@pytest.mark.parametrize("name", ["vickrey", "clinching"])
def test_other_mechanisms_read_the_whole_book(name):
    bids, asks = bids_at(9, 8, 7, 6, owners="aabb"), asks_at(0, 0)

    assert MECHANISMS[name].reads_whole_book
    assert clear(name, bids[:3], asks) != clear(name, bids, asks)


@some
@given(names, bids(), asks, st.randoms(use_true_random=False))
def test_the_order_of_the_input_decides_nothing(name, bids, asks, random):
    shuffled = random.sample(bids, len(bids)), random.sample(asks, len(asks))

    assert clear(name, *shuffled) == clear(name, bids, asks)


@some
@given(names, bids(), asks, st.one_of(st.integers(1, 9), st.fractions(Fraction(1, 9), 9)))
def test_scaling_every_price_scales_the_payments(name, bids, asks, factor):
    scaled = clear(
        name,
        [bid._replace(price=bid.price * factor) for bid in bids],
        [ask._replace(reserve=ask.reserve * factor) for ask in asks],
    )
    clearing = clear(name, bids, asks)

    assert winners(scaled) == winners(clearing)
    assert payments(scaled, bids) == {owner: paid * factor for owner, paid in payments(clearing, bids).items()}
    assert scaled.price == (None if clearing.price is None else clearing.price * factor)


@some
@given(names, bids(), asks, st.integers(0, 7))
def test_raising_a_winning_bid_keeps_its_slot(name, bids, asks, place):
    raised = [bid._replace(price=bid.price + 1) if bid.id == place else bid for bid in bids]

    assert place not in winners(clear(name, bids, asks)) or place in winners(clear(name, raised, asks))

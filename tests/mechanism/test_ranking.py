from hypothesis import given
from hypothesis import strategies as st

from scidex.mechanism import Ask, Bid
from scidex.mechanism.ranking import rank_asks, rank_bids
from tests.mechanism.books import asks_at, bids_at, some

ids = st.lists(st.one_of(st.integers(0, 20), st.sampled_from("abcdef")), unique_by=repr, max_size=6)


def ids_of(rows):
    return [row.id for row in rows]


def test_the_highest_bid_comes_first():
    assert ids_of(rank_bids(bids_at(3, 9, 5))) == [1, 2, 0]


def test_the_lowest_reserve_comes_first():
    assert ids_of(rank_asks(asks_at(3, 9, 1))) == [2, 0, 1]


def test_bids_at_one_price_go_by_sequence():
    assert ids_of(rank_bids([Bid("a", "x", 5, 2), Bid("b", "y", 5, 1), Bid("c", "z", 5, 3)])) == [
        "b",
        "a",
        "c",
    ]


def test_bids_at_one_price_and_sequence_go_by_id():
    assert ids_of(rank_bids([Bid(10, "x", 5, 0), Bid(9, "y", 5, 0)])) == [9, 10]


def test_asks_at_one_reserve_go_by_id():
    assert ids_of(rank_asks([Ask("b", "x", 0), Ask("a", "y", 0)])) == ["a", "b"]


@some
@given(ids, st.randoms(use_true_random=False))
def test_the_order_of_the_input_decides_nothing(ids, random):
    bids = [Bid(name, "x", 5, 0) for name in ids]
    asks = [Ask(name, "x", 5) for name in ids]

    assert rank_bids(random.sample(bids, len(bids))) == rank_bids(bids)
    assert rank_asks(random.sample(asks, len(asks))) == rank_asks(asks)

"""A bucket is shared to the last token, in proportion, and turns keep to the shares."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from scidex.money.split import proportional_split, turns

names = st.text("abcdef", min_size=1, max_size=3)
weights = st.dictionaries(names, st.integers(0, 1_000), max_size=8)
buckets = st.integers(0, 2**53)


def test_shares_are_in_proportion():
    assert proportional_split(100, {"a": 3, "b": 1}) == {"a": 75, "b": 25}


def test_the_token_that_is_left_goes_to_the_largest_remainder():
    # 10 · 5/9 = 5 5/9, 10 · 3/9 = 3 3/9, 10 · 1/9 = 1 1/9
    assert proportional_split(10, {"a": 5, "b": 3, "c": 1}) == {"a": 6, "b": 3, "c": 1}


def test_equal_remainders_go_by_weight_and_then_by_name():
    assert proportional_split(1, {"b": 1, "a": 1}) == {"a": 1, "b": 0}
    assert proportional_split(2, {"a": 1, "b": 1, "c": 1}) == {"a": 1, "b": 1, "c": 0}


def test_nothing_is_shared_among_those_who_weigh_nothing():
    assert proportional_split(10, {"a": 0, "b": 0}) == {"a": 0, "b": 0}
    assert proportional_split(10, {}) == {}


@given(buckets, weights)
def test_the_shares_sum_to_the_bucket(bucket, by_name):
    total = sum(proportional_split(bucket, by_name).values())

    assert total == (bucket if sum(by_name.values()) else 0)


@given(buckets, weights)
def test_each_share_is_within_a_token_of_its_exact_part(bucket, by_name):
    whole = sum(by_name.values()) or 1
    for name, share in proportional_split(bucket, by_name).items():
        assert abs(share - Fraction(bucket * by_name[name], whole)) < 1
        assert share == 0 or by_name[name] > 0


def test_who_has_used_the_smallest_part_of_its_share_comes_first():
    assert turns([("a", 100, 50), ("b", 10, 4), ("c", 100, 90)]) == ["b", "a", "c"]


def test_equal_parts_go_by_the_larger_share_and_nothing_comes_last():
    assert turns([("none", 0, 0), ("b", 5, 0), ("a", 5, 0), ("c", 9, 0)]) == ["c", "a", "b", "none"]


@given(st.lists(st.tuples(names, st.integers(1, 50)), min_size=1, max_size=5, unique_by=lambda one: one[0]))
def test_equal_work_by_turns_keeps_to_the_shares(shares):
    used = dict.fromkeys((name for name, _ in shares), 0)
    for _ in range(sum(share for _, share in shares)):
        used[turns((name, share, used[name]) for name, share in shares)[0]] += 1

    assert used == dict(shares)

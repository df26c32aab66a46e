"""A day's bucket follows prices, is split to the last token, and rewards attested impact alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.money import income
from scidex.money.income import Share, bucket, by_priority, next_price_level, shares, unconstrained_price
from scidex.profiles import profile_named

BRIEF = profile_named("brief")
RECOMMENDED = profile_named("recommended")

names = st.text("abcdef", min_size=1, max_size=2)
owners = st.dictionaries(names, st.dictionaries(names, st.integers(0, 100), max_size=3), max_size=4).map(
    lambda by_owner: {owner: {f"{owner}:{name}": n for name, n in these.items()} for owner, these in by_owner.items()}
)
impacts = st.dictionaries(names, st.fractions(-100, 1_000), max_size=5)
buckets = st.integers(0, 2**53)


def test_fixed_income_is_the_bucket_of_the_profile_whatever_prices_do():
    assert bucket(BRIEF, slots_of_day=96, price_level=700.0) == 1_000_000


def test_indexed_income_buys_a_part_of_the_days_slots_at_the_price_level():
    # 0.6 × 96 slots × 500 tokens
    assert bucket(RECOMMENDED, slots_of_day=96, price_level=500.0) == 28_800
    assert bucket(profile_named("generous"), slots_of_day=96, price_level=500.0) == 96_000


def test_the_unconstrained_price_is_the_best_losing_share_of_a_value():
    values = [Fraction(value) for value in (100, 900, 500, 300)]

    assert unconstrained_price(values, slots=2, profile=RECOMMENDED) == 180  # 0.6 × the third best, 300
    assert unconstrained_price(values, slots=4, profile=RECOMMENDED) is None


def test_a_round_moves_the_price_level_by_its_weight():
    # 1,000 + 0.02 × (500 − 1,000)
    assert next_price_level(1_000.0, price=500, bids=5, slots=4, profile=RECOMMENDED) == 990.0


@pytest.mark.parametrize("bids", [0, 3, 4])
def test_a_round_with_no_more_bids_than_slots_does_not_move_it(bids):
    assert next_price_level(1_000.0, price=0, bids=bids, slots=4, profile=RECOMMENDED) == 1_000.0


def test_thirty_in_a_hundred_go_by_priority_and_seventy_by_impact():
    got = shares(
        1_000,
        priorities_by_owner={"ada": {"a": 2}, "bob": {"b": 1}},
        attested_impact_by_account={"b": Fraction(7), "c": Fraction(3)},
        profile=RECOMMENDED,
    )

    assert got == {"a": Share(200, 0), "b": Share(100, 490), "c": Share(0, 210)}


def test_without_impact_that_day_everything_goes_by_priority():
    asked = {"priorities_by_owner": {"ada": {"a": 3}, "bob": {"b": 1}}, "profile": RECOMMENDED}

    for impact in ({}, {"a": Fraction(0)}, {"b": Fraction(-9)}):
        assert shares(1_000, attested_impact_by_account=impact, **asked) == {"a": Share(750, 0), "b": Share(250, 0)}


def test_an_owner_counts_once_however_many_quests_it_runs():
    alone = by_priority(1_000, {"ada": {"a": 4}, "bob": {"b": 1}})
    split = by_priority(1_000, {"ada": {"a": 4}, "bob": {"b1": 1, "b2": 1, "b3": 1}})

    assert alone == {"a": 800, "b": 200}
    assert split == {"a": 800, "b1": 67, "b2": 67, "b3": 66}


@given(buckets, owners, impacts)
def test_the_shares_never_exceed_the_bucket_and_use_all_of_it_where_somebody_earns(tokens, priorities, impact):
    got = shares(tokens, priorities_by_owner=priorities, attested_impact_by_account=impact, profile=RECOMMENDED)

    spent = sum(one.tokens for one in got.values())
    assert spent <= tokens
    base_earners = any(n > 0 for these in priorities.values() for n in these.values())
    if base_earners:
        assert spent == tokens


@given(buckets, owners, impacts, impacts)
def test_the_impact_share_depends_on_attested_impact_alone(tokens, priorities, impact, others):
    other_priorities = {
        f"{owner}!": {f"{name}!": n + 1 for name, n in these.items()} for owner, these in priorities.items()
    }
    got = [
        shares(tokens, priorities_by_owner=p, attested_impact_by_account=impact, profile=RECOMMENDED)
        for p in (priorities, other_priorities)
    ]

    assert _impact_of(got[0]) == _impact_of(got[1])
    # Whoever has none attested earns none of it.
    assert all(impact.get(name, 0) > 0 for name in _impact_of(got[0]))
    # More impact of one account never lowers its own share.
    if impact:
        most = max(impact)
        more = {**impact, most: impact[most] + abs(others.get(most, 1))}
        raised = shares(tokens, priorities_by_owner=priorities, attested_impact_by_account=more, profile=RECOMMENDED)
        assert _impact_of(raised).get(most, 0) >= _impact_of(got[0]).get(most, 0) - 1


def _impact_of(got):
    return {name: one.impact_tokens for name, one in got.items() if one.impact_tokens}


@given(buckets, owners, names, st.integers(1, 4))
def test_an_owner_gains_nothing_by_splitting_a_quest(tokens, priorities, owner, parts):
    whole = {**priorities, owner: {f"{owner}:only": 5}}
    split = {**priorities, owner: {f"{owner}:{part}": 5 for part in range(parts)}}

    before = by_priority(tokens, whole)[f"{owner}:only"]
    after = sum(by_priority(tokens, split)[f"{owner}:{part}"] for part in range(parts))
    assert after == before


@given(
    st.floats(1, 1e6), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 9), st.integers(1, 9)), max_size=50)
)
def test_the_price_level_stays_between_the_prices_that_moved_it(start, rounds):
    level, seen = start, [start]
    for price, bids, slots in rounds:
        level = next_price_level(level, price=price, bids=bids, slots=slots, profile=RECOMMENDED)
        seen += [price] if bids > slots else []

    assert min(seen) - 1e-6 <= level <= max(seen) + 1e-6


# --- what a bucket is indexed by


@pytest.mark.parametrize(
    ("sold", "hours", "slots"), [(96, 24, 96), (96, 48, 96), (50, 12, 100), (4, 0, 96), (4, 0.5, 96), (0, 24, 0)]
)
def test_the_slots_of_a_day_follow_from_what_was_sold_in_the_last_one(sold, hours, slots):
    first_at = datetime(2026, 5, 1, tzinfo=UTC)

    assert income.slots_of_day(sold, first_at=first_at, last_at=first_at + timedelta(hours=hours)) == slots


@pytest.mark.parametrize(("slots", "level"), [(None, None), (0, 1_000.0), (96, None)])
def test_a_market_that_has_sold_nothing_begins_with_the_fixed_bucket(slots, level):
    profile = profile_named("recommended", daily_bucket_tokens=77)

    assert income.bucket_of_day(profile, slots_of_day=slots, price_level=level) == 77


def test_one_that_has_sold_slots_is_indexed():
    profile = profile_named("recommended", daily_bucket_tokens=77, income_index=0.5)

    assert income.bucket_of_day(profile, slots_of_day=10, price_level=20.0) == 100

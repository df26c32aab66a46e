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


@pytest.mark.parametrize(("on_offer", "slots"), [(0, 24), (1, 24), (4, 96)])
def test_before_it_has_sold_any_a_market_is_taken_to_sell_each_slot_once_an_hour(on_offer, slots):
    assert income.slots_expected(on_offer) == slots


@pytest.mark.parametrize(("slots", "grown"), [(10, None), (14, None), (15, 1_500), (40, 4_000)])
def test_a_first_bucket_grows_once_it_is_half_as_large_again(slots, grown):
    profile = profile_named("recommended", income_index=1.0)

    assert income.grown_bucket(profile, 1_000, slots_of_day=slots, price_level=100.0) == grown
    assert income.grown_bucket(BRIEF, 1_000, slots_of_day=slots, price_level=100.0) is None


# --- what is paid in the course of a day

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_the_rest_of_a_day_is_exact():
    assert income.rest_of_day(NOON) == Fraction(1, 2)
    assert income.rest_of_day(NOON.replace(hour=0)) == 1
    assert 0 < income.rest_of_day(datetime(2026, 5, 1, 23, 59, 59, 999_999, tzinfo=UTC)) < Fraction(1, 10**9)


def test_who_joins_at_noon_gets_half_a_days_part():
    owners = {"ada": {"a": 3}, "bob": {"b": 1}}

    assert income.joined(1_000, priorities_by_owner=owners, paid=["a"], rest=Fraction(1, 2)) == {"b": 125}
    assert income.joined(1_000, priorities_by_owner=owners, paid=["a", "b"], rest=Fraction(1, 2)) == {}


def test_an_owner_that_was_paid_joins_with_nothing():
    owners = {"ada": {"a": 3, "another of hers": 9}, "bob": {"b": 1}}

    assert income.joined(1_000, priorities_by_owner=owners, paid=["a", "b"], rest=Fraction(1)) == {"another of hers": 0}


@given(owners, buckets, st.data())
def test_those_who_join_get_no_more_than_the_rest_of_the_bucket(owners, bucket, data):
    accounts = [name for these in owners.values() for name in these]
    paid = data.draw(st.lists(st.sampled_from(accounts), unique=True)) if accounts else []
    rest = data.draw(st.fractions(0, 1))
    got = income.joined(bucket, priorities_by_owner=owners, paid=paid, rest=rest)

    assert got.keys() == set(accounts) - set(paid)
    assert 0 <= sum(got.values()) <= bucket * rest


def part(owner, priority, tokens, rest=Fraction(1)):
    return income.PartOfDay(owner, priority, rest, tokens)


def test_a_priority_that_was_set_late_moves_what_it_would_have_moved():
    parts = {"a": part("a", 1, 500), "b": part("b", 1, 500)}

    assert income.corrections(1_000, parts, {"a": 4}) == {"a": 300, "b": -300}
    assert income.corrections(1_000, parts, {}) == {}


def test_who_joined_late_is_corrected_for_its_part_of_the_day():
    parts = {"a": part("a", 1, 1_000), "b": part("b", 1, 125, Fraction(1, 4))}

    assert income.corrections(1_000, parts, {"b": 3}) == {"a": -250, "b": 62}


@given(owners, buckets, st.data())
def test_corrections_make_up_what_was_paid_by_other_priorities(owners, bucket, data):
    paid = by_priority(bucket, owners)
    parts = {
        name: part(owner, priority, paid[name]) for owner, these in owners.items() for name, priority in these.items()
    }
    new = {name: data.draw(st.integers(0, 100)) for name in parts}
    changes = income.corrections(bucket, parts, new)
    due = by_priority(bucket, {owner: {name: new[name] for name in these} for owner, these in owners.items()})

    assert {name: paid[name] + changes.get(name, 0) for name in parts} == {name: due[name] for name in parts}

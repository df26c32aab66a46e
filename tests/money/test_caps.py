"""A wallet keeps so many days of a fair share; what is past that and available is burnt, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scidex.money.caps import Purse, burnt_of, excess
from scidex.profiles import profile_named

RECOMMENDED = profile_named("recommended")
tokens = st.integers(0, 10**9)
purses = st.tuples(tokens, tokens).map(lambda pair: Purse(max(pair), min(pair)))


def test_what_is_past_seven_fair_shares_is_burnt():
    assert excess(Purse(1_000, 1_000), fair_share_per_day=100, profile=RECOMMENDED) == 300
    assert excess(Purse(700, 700), fair_share_per_day=100, profile=RECOMMENDED) == 0


def test_what_is_held_is_never_burnt():
    assert excess(Purse(1_000, 50), fair_share_per_day=100, profile=RECOMMENDED) == 50


def test_a_profile_without_a_cap_burns_nothing():
    assert excess(Purse(10**9, 10**9), fair_share_per_day=0, profile=profile_named("brief")) == 0


def test_generous_money_keeps_fourteen_days():
    assert excess(Purse(1_500, 1_500), fair_share_per_day=100, profile=profile_named("generous")) == 100


def test_an_owners_accounts_are_capped_together_its_quest_first():
    accounts = {"quest:q": Purse(200, 200), "agent:a": Purse(900, 900)}

    # 1,100 in all, 700 kept: moving tokens to the agent does not save them.
    assert burnt_of(accounts, fair_share_per_day=100, profile=RECOMMENDED) == {"quest:q": 200, "agent:a": 200}


@given(st.dictionaries(st.text("ab", min_size=1), purses, max_size=4), tokens)
def test_caps_conserve_tokens(accounts, fair_share):
    burnt = burnt_of(accounts, fair_share_per_day=fair_share, profile=RECOMMENDED)

    # Never more than is available, never below the cap, and down to it where what is available allows.
    assert all(0 <= burnt[name] <= purse.available for name, purse in accounts.items())
    left = sum(purse.balance - burnt[name] for name, purse in accounts.items())
    held = sum(purse.balance - purse.available for purse in accounts.values())
    before = sum(purse.balance for purse in accounts.values())
    assert left == min(before, max(held, 7 * fair_share))


@given(tokens, st.lists(st.integers(0, 10**6), min_size=1, max_size=4), tokens)
def test_moving_tokens_between_own_accounts_burns_as_much(balance, moves, fair_share):
    split = {f"a{index}": Purse(part, part) for index, part in enumerate(_parts(balance, moves))}
    one = {"a": Purse(balance, balance)}

    rules = {"fair_share_per_day": fair_share, "profile": RECOMMENDED}
    assert sum(burnt_of(split, **rules).values()) == sum(burnt_of(one, **rules).values())


def _parts(balance, moves):
    parts = []
    for move in moves:
        parts.append(min(move, balance))
        balance -= parts[-1]
    return [*parts, balance]

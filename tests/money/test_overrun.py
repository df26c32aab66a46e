"""What a run past its allowance costs, and why an honest declaration is the best one."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.money.arrears import garnish
from scidex.money.overrun import Charge, charge, declared_payment, stop_at
from scidex.profiles import profile_named

LOG, CHARGE, STOP = (profile_named("recommended", overrun_policy=policy) for policy in ("log", "charge", "stop"))
tokens = st.integers(0, 10**6)


def test_the_overrun_is_debited_and_what_the_wallet_lacks_is_owed():
    asked = {"actual_cost_tokens": 150, "token_allowance": 100, "profile": CHARGE}

    assert charge(available=80, **asked) == Charge(50, 0)
    assert charge(available=30, **asked) == Charge(30, 20)


@pytest.mark.parametrize("profile", [LOG, STOP])
def test_other_policies_charge_nothing(profile):
    assert charge(actual_cost_tokens=900, token_allowance=100, available=999, profile=profile) == Charge(0, 0)


def test_a_slot_without_an_allowance_has_no_overrun():
    assert charge(actual_cost_tokens=900, token_allowance=None, available=999, profile=CHARGE) == Charge(0, 0)
    assert stop_at(None, profile=STOP) is None


def test_a_run_is_stopped_at_twice_its_allowance_where_the_policy_says_so():
    assert stop_at(100, profile=STOP) == 200
    assert stop_at(100, profile=CHARGE) is None


def test_half_of_later_income_pays_what_is_owed():
    assert garnish(100, owed_tokens=80, profile=CHARGE) == 50
    assert garnish(100, owed_tokens=20, profile=CHARGE) == 20
    assert garnish(1, owed_tokens=20, profile=CHARGE) == 0


def test_a_declared_unit_is_bought_an_overrun_costs_more_and_an_unused_one_returns_less():
    asked = {"declared_tokens": 100, "unit_price": Fraction(2), "profile": CHARGE}

    assert declared_payment(actual_cost_tokens=100, **asked) == 200
    assert declared_payment(actual_cost_tokens=110, **asked) == 200 + 36  # 10 × 1.8 × 2
    assert declared_payment(actual_cost_tokens=90, **asked) == 200 - 16  # 10 × 0.8 × 2


@given(st.lists(st.integers(0, 60), min_size=1, max_size=20))
def test_the_80th_percentile_is_the_best_declaration(forecast: list[int]) -> None:
    def expected(declared: int) -> int:
        asked: dict[str, Any] = {"declared_tokens": declared, "unit_price": Fraction(1_000), "profile": CHARGE}
        return sum(declared_payment(actual_cost_tokens=cost, **asked) for cost in forecast)

    best = min(expected(declared) for declared in range(62))
    ranked = sorted(forecast)
    percentile = ranked[-(-8 * len(ranked) // 10) - 1]
    assert expected(percentile) == best


@given(tokens, tokens, tokens, st.fractions(0, 100))
def test_a_declaration_never_pays_the_bidder(cost, declared, more, price):
    asked = {"unit_price": price, "profile": CHARGE}

    pays = declared_payment(actual_cost_tokens=cost, declared_tokens=declared, **asked)
    assert pays >= 0
    assert declared_payment(actual_cost_tokens=cost + more, declared_tokens=declared, **asked) >= pays


@given(tokens, tokens, tokens)
def test_what_is_debited_and_owed_is_the_overrun(cost, allowance, available):
    got = charge(actual_cost_tokens=cost, token_allowance=allowance, available=available, profile=CHARGE)

    assert sum(got) == max(0, cost - allowance)
    assert 0 <= got.debited_tokens <= available
    assert got.owed_tokens == 0 or got.debited_tokens == available


@given(tokens, tokens)
def test_garnishing_leaves_half_of_the_income(income, owed):
    taken = garnish(income, owed_tokens=owed, profile=CHARGE)

    assert 0 <= taken <= min(owed, income / 2)
    assert taken == owed or taken == income // 2

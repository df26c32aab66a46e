"""Attested impact earns its refill; what is taken back never takes more than there is, and is owed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.money.refill import Revision, refill_due, revise
from scidex.money.tokens import in_tokens

TERMS = {"tokens_per_usd": 1_000, "refill_percent": 70}
tokens = st.integers(0, 10**12)


@pytest.mark.parametrize(
    ("impact", "due"),
    [(10.0, 7_000), (0.0015, 1), (0.0, 0), (-3.0, 0), (None, 0)],
)
def test_impact_earns_its_share_in_whole_tokens(impact, due):
    assert refill_due(impact, **TERMS) == due


def test_dollars_become_tokens_as_they_are_written():
    assert in_tokens(12.1, 1_000) == 12_100  # the nearest binary number to 12.1 is a little less
    assert in_tokens(1e-05, 1_000_000) == 10
    assert in_tokens(1e15, 1_000) == 10**18


def test_a_first_word_is_issued_in_full():
    assert revise(due_before=0, due_now=700, available=0, arrears=0) == Revision(700, 0, 0)


def test_a_lower_word_takes_the_difference():
    assert revise(due_before=700, due_now=100, available=5_000, arrears=0) == Revision(0, 600, 0)


def test_no_more_is_taken_than_there_is_and_the_rest_is_owed():
    assert revise(due_before=700, due_now=0, available=250, arrears=10) == Revision(0, 250, 460)


def test_later_refills_pay_what_is_owed_first():
    assert revise(due_before=0, due_now=500, available=0, arrears=460) == Revision(500, 460, 0)
    assert revise(due_before=0, due_now=500, available=0, arrears=900) == Revision(500, 500, 400)


@given(st.floats(-1e9, 1e9), st.floats(0, 1e6))
def test_more_impact_never_earns_less(impact, more):
    assert refill_due(impact + more, **TERMS) >= refill_due(impact, **TERMS) >= 0


@given(tokens, tokens, tokens, tokens)
def test_what_moves_and_what_is_owed_add_up(before, now, available, arrears):
    change = revise(due_before=before, due_now=now, available=available, arrears=arrears)

    # Tokens gained less what is owed more is what the word changed, always.
    assert change.minted_tokens - change.burnt_tokens - (change.arrears_tokens - arrears) == now - before
    assert change.burnt_tokens <= available + change.minted_tokens
    assert min(change) >= 0


@given(st.lists(tokens, max_size=8))
def test_whoever_keeps_its_tokens_ends_with_the_latest_word(words):
    wallet = arrears = due = 0
    for word in words:
        change = revise(due_before=due, due_now=word, available=wallet, arrears=arrears)
        wallet += change.minted_tokens - change.burnt_tokens
        arrears, due = change.arrears_tokens, word

    assert (wallet, arrears) == (due, 0)

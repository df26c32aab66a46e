"""Impact that was attested too high gives back what it earned, and no more."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from scidex.money.clawback import taken_back

impacts = st.fractions(-1_000, 1_000)


def test_half_the_impact_gives_half_of_its_share_back():
    assert taken_back(700, counted_impact=Fraction(10), attested_impact=Fraction(5)) == 350


def test_impact_found_false_gives_everything_back():
    assert taken_back(700, counted_impact=Fraction(10), attested_impact=Fraction(0)) == 700
    assert taken_back(700, counted_impact=Fraction(10), attested_impact=Fraction(-3)) == 700


def test_a_higher_word_takes_nothing():
    assert taken_back(700, counted_impact=Fraction(10), attested_impact=Fraction(11)) == 0


@given(st.integers(0, 2**53), st.fractions(Fraction(1, 1_000), 1_000), st.lists(impacts, max_size=6))
def test_no_sequence_of_words_takes_more_than_was_earned_or_leaves_more_than_is_due(earned, counted, words):
    kept, at = earned, counted
    for word in words:
        kept -= taken_back(kept, counted_impact=at, attested_impact=word) if at > 0 else 0
        at = max(Fraction(0), min(at, word))

    assert 0 <= kept <= earned * at / counted

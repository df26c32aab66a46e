"""Haste: a task's worth rises as its time runs out, and has to be made good."""

from __future__ import annotations

from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.bidding.haste import haste, hurried, without_haste
from scidex.profiles import PROFILES, profile_named

PROFILE = profile_named("recommended", haste=0.3, haste_hours=12.0)
hours = st.floats(0, 1_000)


def test_a_task_bids_up_to_a_third_more_in_its_last_half_day():
    assert [haste(left, PROFILE) for left in (24.0, 12.0, 6.0, 0.0)] == [0.0, 0.0, 0.15, 0.3]
    assert hurried(10.0, 0.3) == pytest.approx(13.5, abs=0.01)


def test_without_a_deadline_there_is_no_haste():
    assert haste(None, PROFILE) == 0.0


def test_the_brief_knows_no_haste():
    assert haste(0.0, PROFILES["brief"]) == 0.0
    assert hurried(0.1 + 0.2, 0.0) == 0.1 + 0.2


@given(hours, hours)
def test_nearness_never_lowers_haste(left, more):
    assert haste(left + more, PROFILE) <= haste(left, PROFILE) <= PROFILE.haste


@given(st.floats(0.01, 1e6), hours)
def test_haste_is_charged_in_full(value, left):
    """Who bids in haste and delivers what the place is worth delivers too little by just the haste."""
    raised = haste(left, PROFILE)

    assert without_haste(hurried(value, raised), raised) == pytest.approx(value)
    assert without_haste(value, raised) == pytest.approx(value * exp(-raised))

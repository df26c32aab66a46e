"""Agents go by the split when cycles stop, and by the auction when they complete."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from scidex.mechanism.fallback import Pulse, due_mode

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def seconds(count):
    return NOON + timedelta(seconds=count)


def pulse(**facts):
    """A pool that clears every minute and did so last at noon."""
    terms = {
        "mode": "auction",
        "mode_since_at": seconds(-600),
        "expected_from_at": seconds(-600),
        "completed_at": NOON,
        "interval_seconds": 60.0,
        "paused": False,
    }
    return Pulse(**{**terms, **facts})


@pytest.mark.parametrize(("now", "mode"), [(0, "auction"), (180, "auction"), (181, "fallback")])
def test_three_intervals_without_a_cycle_are_borne_and_no_more(now, mode):
    assert due_mode(pulse(), seconds(now), after_cycles=3) == mode


def test_a_pool_whose_first_cycle_never_comes_falls_back_as_well():
    never = pulse(completed_at=None, expected_from_at=NOON)

    assert due_mode(never, seconds(180), after_cycles=3) == "auction"
    assert due_mode(never, seconds(181), after_cycles=3) == "fallback"


def test_a_paused_pool_does_not_fall_back():
    assert due_mode(pulse(paused=True), seconds(9_999), after_cycles=3) == "auction"


def test_a_resumed_pool_has_its_time_again():
    resumed = pulse(completed_at=seconds(-9_999), expected_from_at=NOON)

    assert due_mode(resumed, seconds(100), after_cycles=3) == "auction"


def test_the_fallback_ends_with_a_cycle_that_completes_after_it_began():
    broken = pulse(mode="fallback", mode_since_at=seconds(10))

    assert due_mode(broken, seconds(20), after_cycles=3) == "fallback"
    assert due_mode(broken._replace(completed_at=seconds(15)), seconds(20), after_cycles=3) == "auction"


def test_a_cycle_of_long_ago_does_not_end_the_fallback():
    broken = pulse(mode="fallback", mode_since_at=seconds(10), completed_at=seconds(15))

    assert due_mode(broken, seconds(9_999), after_cycles=3) == "fallback"

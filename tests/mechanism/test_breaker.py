"""The circuit breaker: pauses grow while interruptions go on, and a time that was named is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.mechanism.breaker import (
    JITTER,
    MOST_PAUSE_SECONDS,
    NAMED_JITTER_SECONDS,
    Breaker,
    is_quick,
    pause_after,
    tripped,
)

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def interrupted(before: Breaker | None, began: float, now: float, retry: float | None = None, chance: float = 0.0):
    return tripped(
        before, began_at=at(began), now=at(now), retry_at=None if retry is None else at(retry), chance=chance
    )


def test_pauses_double_while_nothing_is_named():
    breaker, pauses, now = None, [], 0.0
    for _ in range(5):
        breaker = interrupted(breaker, began=now, now=now + 1)
        pauses.append((breaker.ends_at - breaker.opened_at).total_seconds())
        now = (breaker.ends_at - NOON).total_seconds() + 1

    assert pauses == [2, 4, 8, 16, 32]


@pytest.mark.parametrize("chance", [0.0, 0.999])
def test_a_time_that_was_named_is_kept_to_half_a_second(chance):
    breaker = interrupted(None, began=0, now=5, retry=25, chance=chance)

    late = (breaker.ends_at - at(25)).total_seconds()
    assert 0 <= late <= NAMED_JITTER_SECONDS


def test_runs_that_were_under_way_ran_into_the_same_wall():
    first = interrupted(None, began=0, now=10, retry=30)
    second = interrupted(first, began=1, now=11, retry=40)
    third = interrupted(second, began=2, now=12)

    assert (second.trips, second.opened_at, second.ends_at) == (1, at(10), at(40))
    assert third == second


def test_a_reset_that_was_named_too_early_again_and_again_is_believed_less_and_less():
    breaker = interrupted(None, began=0, now=1, retry=2)
    waits = []
    for _ in range(4):
        began = (breaker.ends_at - NOON).total_seconds() + 0.1
        breaker = interrupted(breaker, began=began, now=began + 1, retry=began + 2)
        waits.append((breaker.ends_at - breaker.opened_at).total_seconds())

    assert waits == [2, 4, 8, 16]


def test_a_time_that_has_passed_is_no_time():
    assert interrupted(None, began=0, now=10, retry=9).ends_at == at(12)


@given(trips=st.integers(-5, 10_000), chance=st.floats(0, 1))
def test_a_pause_is_bounded_and_chance_only_lengthens_it(trips, chance):
    seconds = pause_after(trips, chance).total_seconds()

    assert 0 <= pause_after(trips, 0.0).total_seconds() <= seconds <= MOST_PAUSE_SECONDS * (1 + JITTER)


@given(
    began=st.floats(0, 1_000),
    lasted=st.floats(0, 1_000),
    retry=st.none() | st.floats(0, 10_000),
    chance=st.floats(0, 1),
    before=st.none() | st.builds(Breaker, st.integers(1, 50), st.just(at(500)), st.just(at(600))),
)
def test_an_interruption_never_ends_a_pause_sooner(began, lasted, retry, chance, before):
    after = interrupted(before, began, began + lasted, retry, chance)

    if before is not None and at(began) <= before.opened_at:
        assert after.ends_at >= before.ends_at
        assert after.trips == before.trips
    else:
        assert after.ends_at >= at(began + lasted)
        assert after.trips == (before.trips + 1 if before else 1)


def test_what_fails_within_seconds_failed_at_once():
    assert is_quick(began_at=NOON, now=at(4.9))
    assert not is_quick(began_at=NOON, now=at(5.0))

"""The floor bounds every wait, and takes no more than its part of the slots."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from scidex.money.floor import longest_wait_bound, next_credit, next_served
from scidex.profiles import profile_named

RECOMMENDED = profile_named("recommended")


def play(*, entitled, slots, rounds, winners=lambda number: (), profile=RECOMMENDED):
    """Play rounds in which the floor serves first and the market sells to `winners`; return waits seen and serves."""
    waits = dict.fromkeys([f"q{number:02}" for number in range(entitled)], 0)
    recent: deque[int] = deque(maxlen=profile.floor_rounds)
    credit, longest, served_in = 0, 0, []
    for number in range(1, rounds + 1):
        recent.append(slots)
        credit = next_credit(credit, slots=slots, recent_slots=sum(recent), profile=profile)
        waits = {quest: wait + 1 for quest, wait in waits.items()}
        longest = max([longest, *waits.values()])
        served = next_served(waits, credit=credit, profile=profile)
        for quest in (served, *winners(number)):
            if quest in waits:
                waits[quest] = 0
        if served:
            credit -= 100
            served_in.append(number)
    return longest, served_in


def test_a_quest_is_served_in_its_24th_round_without_a_slot():
    assert play(entitled=1, slots=4, rounds=60) == (24, [24, 48])


def test_whoever_has_waited_longest_comes_first_and_then_by_name():
    assert next_served({"b": 30, "a": 25, "c": 30, "d": 3}, credit=100, profile=RECOMMENDED) == "b"


def test_nobody_is_served_before_the_24th_round_or_without_credit():
    assert next_served({"a": 23}, credit=900, profile=RECOMMENDED) is None
    assert next_served({"a": 500}, credit=99, profile=RECOMMENDED) is None


def test_a_small_market_gives_one_slot_in_ten():
    # 40 quests on one slot: 2.4 slots are saved up when they are all due, then one comes in every ten rounds.
    longest, served_in = play(entitled=40, slots=1, rounds=1_000)

    assert served_in[:5] == [24, 25, 30, 40, 50]
    assert longest == 400 <= longest_wait_bound(entitled=40, slots=1, profile=RECOMMENDED) == 440


def test_credit_is_saved_for_24_rounds_and_no_longer():
    # A round of 4 slots brings 0.4 of a slot; of 96 recent slots at most 9.6 are saved up.
    assert next_credit(100, slots=4, recent_slots=96, profile=RECOMMENDED) == 140
    assert next_credit(950, slots=4, recent_slots=96, profile=RECOMMENDED) == 960


def test_the_bound_is_the_rounds_or_the_queue_and_one_round_for_each():
    assert longest_wait_bound(entitled=12, slots=4, profile=RECOMMENDED) == 24 + 12 + 6
    assert longest_wait_bound(entitled=2, slots=4, profile=RECOMMENDED) == 26
    assert longest_wait_bound(entitled=2, slots=4, profile=profile_named("brief")) is None


@given(
    entitled=st.integers(1, 30),
    slots=st.integers(1, 12),
    floor_rounds=st.integers(1, 30),
    percent=st.integers(1, 100),
    luck=st.randoms(use_true_random=False),
)
def test_the_floor_bounds_every_wait(entitled, slots, floor_rounds, percent, luck):
    profile = profile_named("recommended", floor_rounds=floor_rounds, floor_most_percent=percent)
    bound = longest_wait_bound(entitled=entitled, slots=slots, profile=profile)

    longest, _ = play(
        entitled=entitled,
        slots=slots,
        rounds=3 * bound,
        winners=lambda _: {f"q{luck.randrange(3 * entitled):02}"},
        profile=profile,
    )

    assert longest <= bound


@given(entitled=st.integers(1, 60), slots=st.integers(1, 12), first=st.integers(1, 200), length=st.integers(1, 200))
def test_the_floor_takes_no_more_than_its_part_and_what_it_saved(entitled, slots, first, length):
    _, served_in = play(entitled=entitled, slots=slots, rounds=first + length)

    taken = sum(first <= number < first + length for number in served_in)
    assert taken <= length  # at most one a round
    assert taken <= 0.1 * slots * (length + 24) + 1e-9

"""The dashboard's own geometry, numbers and freshness, by small examples."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.web.dashboard import figures, formats
from scidex.web.dashboard.recent import Recent

NOW = datetime(2026, 4, 27, 12, tzinfo=UTC)


def numbers(path: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", path)]


def test_a_quarter_of_a_ring_goes_from_the_top_to_the_right():
    quarter = figures.ring([0.25, 0.75])[0]

    assert quarter == "M0.00 -100.00A100 100 0 0 1 100.00 -0.00L60.00 -0.00A60 60 0 0 0 0.00 -60.00Z"


def test_a_share_of_everything_closes_the_ring():
    [whole] = figures.ring([1.0])

    assert whole.count("M") == 2  # one arc cannot end where it begins


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=8))
def test_slices_follow_each_other_around_the_ring(weights):
    paths = figures.ring([weight / sum(weights) for weight in weights])

    ends = [numbers(path)[7:9] for path in paths[:-1]]
    starts = [numbers(path)[0:2] for path in paths[1:]]
    if len(weights) > 1 and max(weights) / sum(weights) < 0.99:
        assert all(math.dist(end, start) < 0.05 for end, start in zip(ends, starts, strict=True))


def test_demand_and_supply_are_steps_that_meet_where_the_book_clears():
    depth = figures.depth([900, 700, 400], [100, 100], crossing=(2, 400))

    assert depth.demand.count("H") == 3  # down a step at each bid, and to the end of the last
    assert depth.supply.count("H") == 2
    assert depth.crossing is not None
    assert depth.left < depth.crossing[0] < depth.right
    assert f"{depth.crossing[0]:g}" in depth.supply
    assert [tick.label for tick in depth.slots] == ["0", "1", "2", "3"]


@given(
    st.lists(st.integers(1, 2**53 - 1), max_size=40).map(lambda prices: sorted(prices, reverse=True)),
    st.lists(st.integers(0, 2**53 - 1), max_size=40).map(sorted),
)
def test_whatever_the_book_the_figure_stays_in_its_frame_and_its_ticks_few(bids, asks):
    depth = figures.depth(bids, asks)

    assert all(0 <= number <= depth.width for number in numbers(depth.demand + depth.supply))
    assert 2 <= len(depth.prices) <= 6
    assert 1 <= len(depth.slots) <= 8


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (formats.whole(1_234_567), "1,234,567"),
        (formats.whole(None), "–"),
        (formats.usd(1234.5), "$1,234.50"),
        (formats.usd(-0.284), "−$0.28"),
        (formats.usd(1_234_567.8), "$1,234,568"),
        (formats.percent(0.87), "87 %"),
        (formats.percent(0.004), "0.4 %"),
        (formats.percent(0), "0 %"),
        (formats.percent(None), "–"),
        (formats.times(2.46), "2.5×"),
        (formats.times(-0.01), "−0.01×"),
        (formats.times(1_234.5), "1,234.5×"),
        (formats.ratio(-0.5), "−0.50"),
        (formats.compact(950), "950"),
        (formats.compact(9_999), "9,999"),
        (formats.compact(12_500), "12.5k"),
        (formats.compact(181_818), "182k"),
        (formats.compact(1_000_000), "1M"),
        (formats.ago(NOW - timedelta(seconds=12), NOW), "12 s ago"),
        (formats.ago(NOW - timedelta(hours=30), NOW), "1 d ago"),
        (formats.ago(NOW + timedelta(seconds=5), NOW), "0 s ago"),
        (formats.until(NOW + timedelta(seconds=12), NOW), "in 12 s"),
        (formats.until(NOW - timedelta(seconds=1), NOW), "now"),
    ],
)
def test_numbers_are_written_for_people(written, expected):
    assert written == expected


def test_an_answer_is_worked_out_again_once_it_is_too_old():
    time = [0.0]
    recent = Recent(1.0, clock=lambda: time[0])
    answers = iter("abc")

    def ask() -> str:
        return str(recent.get("key", lambda: next(answers)))

    assert [ask(), ask()] == ["a", "a"]
    time[0] = 1.0
    assert ask() == "b"
    assert recent.get("other key", lambda: next(answers)) == "c"

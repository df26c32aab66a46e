"""A worker whose runs cannot begin pauses, each time longer, and buys nothing meanwhile."""

from __future__ import annotations

import pytest

from scidex.agent.pauses import Pauses


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_pauses_grow_to_a_most_and_a_success_ends_them():
    clock = Clock()
    pauses = Pauses(first_seconds=5.0, most_seconds=60.0, clock=clock)
    lengths = []
    for _ in range(6):
        lengths.append(pauses.lengthen())
        assert pauses.lasts
        assert pauses.lengthen() is None  # another seat's, at the same time
        clock.now += lengths[-1] or 0
        assert not pauses.lasts

    assert [pytest.approx(most * 0.875, rel=0.15) for most in (5, 10, 20, 40, 60, 60)] == lengths
    pauses.lengthen()
    pauses.end()
    assert not pauses.lasts
    assert (pauses.lengthen() or 99) <= 5.0

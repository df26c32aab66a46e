"""What the measures say of cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from scidex.lab import measures
from scidex.lab.simulation import SimulatedRun
from scidex.lab.worlds import WorldSpec, draw

WORLD = draw(WorldSpec(quests=2, slots=1, days=1, cycles_per_day=5), 0)


def a_run(served, wanting):
    return SimulatedRun(world=WORLD, ran=np.array([0]), served=np.array(served), wanting=np.array(wanting, dtype=bool))


def test_a_wait_is_the_cycles_in_a_row_with_open_tasks_and_without_a_slot():
    served = [[1, 0], [0, 0], [0, 1], [0, 0], [1, 0]]
    wanting = [[1, 1], [1, 1], [1, 1], [1, 0], [1, 1]]

    assert measures.longest_wait(a_run(served, wanting)) == 3


def test_nobody_waits_without_tasks():
    assert measures.longest_wait(a_run([[0, 0]] * 5, [[0, 0]] * 5)) == 0


@pytest.mark.parametrize(
    ("amounts", "index"), [([1, 1, 1], 1.0), ([1, 0, 0, 0], 0.25), ([0, 0], 1.0), ([2, 1], 9 / 10)]
)
def test_jain_counts_how_many_share_alike(amounts, index):
    assert measures.jain(np.array(amounts, dtype=float)) == pytest.approx(index)


@pytest.mark.parametrize(
    ("amounts", "coefficient"), [([5, 5, 5], 0.0), ([0, 0, 0, 8], 0.75), ([0, 0], 0.0), ([1, 3], 0.25)]
)
def test_gini_rises_from_equal_wealth_to_one_owner_of_everything(amounts, coefficient):
    assert measures.gini(np.array(amounts)) == pytest.approx(coefficient)


def test_an_estimate_is_the_mean_and_its_standard_error():
    assert measures.estimate([1.0, 2.0, 3.0]) == pytest.approx((2.0, (1 / 3) ** 0.5))
    assert np.isnan(measures.estimate([1.0]).error)

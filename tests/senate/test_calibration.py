"""The line through claims and what came true is the one of least squares."""

from __future__ import annotations

from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.senate.calibration import fit_line


def line_through(pairs):
    line = fit_line(pairs)
    assert line is not None
    return line


def test_claims_that_come_true_lie_on_the_diagonal():
    line = line_through([(1.0, 1.0), (5.0, 5.0), (40.0, 40.0)])

    assert line.slope == pytest.approx(1)
    assert line.intercept == pytest.approx(0)


def test_a_steady_exaggeration_shows_in_the_intercept():
    line = line_through([(claim, claim / 3) for claim in (1.0, 5.0, 40.0)])

    assert line.slope == pytest.approx(1)
    assert exp(line.intercept) == pytest.approx(1 / 3)


def test_one_that_grows_with_the_claim_shows_in_the_slope():
    assert line_through([(claim, claim**0.5) for claim in (1.0, 4.0, 100.0)]).slope == pytest.approx(0.5)


@pytest.mark.parametrize("pairs", [[], [(5.0, 5.0)], [(5.0, 1.0), (5.0, 9.0)], [(5.0, 0.0), (0.0, 5.0), (3.0, -1.0)]])
def test_too_little_makes_no_line(pairs):
    assert fit_line(pairs) is None


amounts = st.floats(0.01, 1e6)


@given(st.lists(st.tuples(amounts, amounts), min_size=3, max_size=20), st.floats(-1, 1), st.floats(-1, 1))
def test_no_other_line_lies_closer(pairs, slope_off, intercept_off):
    line = fit_line(pairs)
    if line is None or max(c for c, _ in pairs) / min(c for c, _ in pairs) < 1.01:
        return

    def distance(slope, intercept):
        return sum((log(realised) - intercept - slope * log(claimed)) ** 2 for claimed, realised in pairs)

    best = distance(line.slope, line.intercept)
    assert best <= distance(line.slope + slope_off, line.intercept + intercept_off) * (1 + 1e-6) + 1e-6

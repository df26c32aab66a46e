"""How well claims foretell what comes true: a straight line through their logarithms, and nothing but arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum, log
from typing import NamedTuple


class Line(NamedTuple):
    """log realised = intercept + slope · log claimed, by least squares over `points` pairs."""

    slope: float
    intercept: float
    points: int


def fit_line(pairs: Sequence[tuple[float, float]]) -> Line | None:
    """
    Return the line through (claimed, realised) pairs on logarithmic axes, or None where there is none.

    Only pairs in which both are above 0 have logarithms. It takes two of them with different claims. Slope 1 and
    intercept 0 is a bidder whose claims come true; a slope below 1 one whose high claims are the more exaggerated.
    """
    points = [(log(claimed), log(realised)) for claimed, realised in pairs if claimed > 0 and realised > 0]
    if len(points) < 2:
        return None
    mean_x = fsum(x for x, _ in points) / len(points)
    mean_y = fsum(y for _, y in points) / len(points)
    spread = fsum((x - mean_x) ** 2 for x, _ in points)
    # Claims that differ by rounding alone say nothing of how impact rises with them.
    if spread <= 1e-18 * len(points) * max(1.0, mean_x**2):
        return None
    slope = fsum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    return Line(slope, mean_y - slope * mean_x, len(points))

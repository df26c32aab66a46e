"""The geometry of the figures that are drawn as SVG on the server: a ring of shares, and a book's depth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scidex.web.dashboard.formats import compact

_OUTER, _INNER = 100.0, 60.0


def ring(shares: Sequence[float]) -> list[str]:
    """Return the path of each share of a ring around (0, 0), clockwise from the top; the shares add up to 1."""
    paths = []
    start = 0.0
    for share in shares:
        paths.append(_segment(start, start + share) if share < 0.9999 else _segment(0, 0.5) + _segment(0.5, 1))
        start += share
    return paths


def _segment(start: float, end: float) -> str:
    large = int(end - start > 0.5)
    return (
        f"M{_at(_OUTER, start)}A{_OUTER:g} {_OUTER:g} 0 {large} 1 {_at(_OUTER, end)}"
        f"L{_at(_INNER, end)}A{_INNER:g} {_INNER:g} 0 {large} 0 {_at(_INNER, start)}Z"
    )


def _at(radius: float, turn: float) -> str:
    angle = turn * math.tau
    return f"{radius * math.sin(angle):.2f} {-radius * math.cos(angle):.2f}"


@dataclass(frozen=True)
class Tick:
    """A place on an axis, and what it says."""

    place: float
    label: str


@dataclass(frozen=True)
class Depth:
    """A book's depth: how many slots are asked for, and offered, at each price."""

    width: int
    height: int
    left: float
    right: float
    top: float
    bottom: float
    demand: str
    supply: str
    prices: list[Tick]
    slots: list[Tick]
    crossing: tuple[float, float] | None


def depth(bids: Sequence[int], asks: Sequence[int], crossing: tuple[int, int] | None = None) -> Depth:
    """
    Draw bids (the dearest first) and asks (the cheapest first) as steps over slots.

    `crossing` is the slots and the price at which they would clear.
    """
    width, height, left, right, top, bottom = 460, 250, 58.0, 448.0, 14.0, 216.0
    shown = max(12, 3 * len(asks), 3 * crossing[0] if crossing else 0)
    bids, asks = bids[:shown], asks[:shown]
    most_slots = max(len(bids), len(asks), 1)
    price_step = _nice(max([*bids[:1], *asks[-1:], crossing[1] if crossing else 0, 1]) / 4)
    most_price = price_step * math.ceil(max([*bids[:1], *asks[-1:], 1]) / price_step)
    slot_step = _nice(most_slots / 6)

    def x(slots: float) -> float:
        return round(left + (right - left) * slots / most_slots, 1)

    def y(price: float) -> float:
        return round(bottom - (bottom - top) * price / most_price, 1)

    return Depth(
        width=width,
        height=height,
        left=left,
        right=right,
        top=top,
        bottom=bottom,
        demand=_steps([(x(place), y(price)) for place, price in enumerate(bids)], x(len(bids)), end=bottom),
        supply=_steps([(x(place), y(price)) for place, price in enumerate(asks)], x(len(asks)), end=top),
        prices=[Tick(y(price), compact(price)) for price in range(0, most_price + 1, price_step)],
        slots=[Tick(x(slots), compact(slots)) for slots in range(0, most_slots + 1, slot_step)],
        crossing=(x(crossing[0]), y(crossing[1])) if crossing else None,
    )


def _steps(corners: list[tuple[float, float]], last_x: float, *, end: float) -> str:
    if not corners:
        return ""
    path = f"M{corners[0][0]:g} {corners[0][1]:g}"
    path += "".join(f"H{x:g}V{y:g}" for x, y in corners[1:])
    return f"{path}H{last_x:g}V{end:g}"


def _nice(step: float) -> int:
    """Return the least of 1, 2, 5, 10, 20, 50, … that is no smaller than `step`."""
    power = 10 ** math.floor(math.log10(max(step, 1)))
    return next(int(power * factor) for factor in (1, 2, 5, 10) if power * factor >= step)

"""Positions of quests, for tests of strategies."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from scidex.bidding import Position


def position(
    values: Iterable[int | Fraction], wallet: int = 1_000_000, *, alpha: float = 0.6, open_tasks: int | None = None
) -> Position:
    """A quest whose open tasks are those given, unless it says that it has more of them."""
    worth = [Fraction(value) for value in values]
    return Position(wallet, worth, len(worth) if open_tasks is None else open_tasks, alpha)

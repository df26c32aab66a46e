"""What the lab accepts: numbers within bounds, refused by the name of the field."""

from __future__ import annotations

from math import isfinite

from scidex.errors import InvalidArgument


def whole(field: str, value: int, *, least: int, most: int) -> None:
    """Raise InvalidArgument unless `value` is a whole number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise InvalidArgument(field=field, value=value, fact=f"must be a whole number from {least:,} to {most:,}")


def within(field: str, value: float, *, least: float, most: float) -> None:
    """Raise InvalidArgument unless `value` is a number from `least` to `most`."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (number and isfinite(value) and least <= value <= most):
        raise InvalidArgument(field=field, value=value, fact=f"must be a number from {least:g} to {most:g}")

"""How the dashboard writes numbers, money and instants for people."""

from __future__ import annotations

from datetime import datetime, timedelta

_STEPS = ((60, "s", 1), (3_600, "min", 60), (86_400, "h", 3_600))


def whole(value: int | None) -> str:
    """A whole number in groups of three: 1,234,567."""
    return "–" if value is None else f"{value:,}"


def usd(value: float | None) -> str:
    """An amount of money: $1,234.50, and $1,234,567 without cents."""
    if value is None:
        return "–"
    text = f"{abs(value):,.0f}" if abs(value) >= 100_000 else f"{abs(value):,.2f}"
    return f"−${text}" if value < 0 else f"${text}"


def percent(value: float | None) -> str:
    """A share of one: 87 %, and 0.4 % where it is small."""
    if value is None:
        return "–"
    return f"{value * 100:.1f} %" if 0 < value < 0.1 else f"{value * 100:.0f} %"


def times(value: float | None) -> str:
    """How many times: 2.5×, and 0.04× below one."""
    if value is None:
        return "–"
    return (f"{value:,.1f}×" if abs(value) >= 1 else f"{value:.2f}×").replace("-", "−")


def ratio(value: float | None) -> str:
    """A plain ratio: 0.85."""
    return "–" if value is None else f"{value:.2f}".replace("-", "−")


def compact(value: int) -> str:
    """A whole number in at most five characters: 950, 12.5k, 1M."""
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (10_000, "k")):
        if value >= size:
            scaled = value / (1_000 if unit == "k" else size)
            return f"{scaled:.0f}{unit}" if scaled >= 100 else f"{scaled:.3g}{unit}"
    return f"{value:,}"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago an instant was: 12 s ago."""
    seconds = max(0.0, (now - moment).total_seconds())
    for limit, unit, length in _STEPS:
        if seconds < limit:
            return f"{int(seconds // length)} {unit} ago"
    return f"{int(seconds // 86_400)} d ago"


def until(moment: datetime, now: datetime) -> str:
    """How long there is until an instant: in 12 s."""
    seconds = (moment - now) / timedelta(seconds=1)
    if seconds <= 0:
        return "now"
    return f"in {seconds:.0f} s" if seconds < 120 else f"in {seconds / 60:.0f} min"


def utc(moment: datetime) -> str:
    """An instant in full: 2026-04-27 12:00:05 UTC."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"

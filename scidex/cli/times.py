"""Times as people type them: a span such as 90d, or an instant with its zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import typer

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def instant(text: str | None, option: str) -> datetime | None:
    """Return an instant that is given as a span from now or outright; None for None. Raises BadParameter."""
    if text is None:
        return None
    if text[:1].isdigit() and text[-1] in _UNITS and text[:-1].isdigit():
        return datetime.now(UTC) + span(text, option)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no span or instant", param_hint=option) from None


def span(text: str, option: str) -> timedelta:
    """Return a length of time, as 12h. Raises BadParameter."""
    if not (text[:-1].isdigit() and text.isascii() and len(text) <= 8 and text[-1] in _UNITS):
        raise typer.BadParameter(f"{text!r} is no span such as 12h or 90d", param_hint=option)
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})

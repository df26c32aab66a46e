"""The one place that reads the time."""

from __future__ import annotations

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The present instant, in UTC with microseconds."""
    return datetime.now(UTC)

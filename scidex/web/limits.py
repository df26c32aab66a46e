"""How much of something may happen in a second: a bucket that fills with time and is emptied by use."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from scidex.web.refusals import TooManyRequests

_MOST_KEPT = 10_000


class Rate:
    """
    A limit a second for each of many names; `burst`, or else a second's worth, may come at once.

    Safe to share between threads.
    """

    def __init__(
        self, what: str, per_second: int, clock: Callable[[], float] = time.monotonic, *, burst: int | None = None
    ) -> None:
        self._what = what
        self._per_second = per_second
        self._burst = float(per_second if burst is None else burst)
        self._clock = clock
        self._lock = threading.Lock()
        self._levels: dict[str, tuple[float, float]] = {}

    def take(self, name: str, count: int = 1) -> None:
        """Use so many at once. Raises TooManyRequests, with the limit and after how long to try again."""
        missing = self._missing(name, count, use=True)
        if missing > 0:
            wait = max(1, int(-(-missing // self._per_second)))
            raise TooManyRequests(
                field=self._what, limit=self._per_second, asked=count, per="second", retry_after_seconds=wait
            )

    def is_empty(self, name: str) -> bool:
        """Return whether one more would be refused now."""
        return self._missing(name, 1, use=False) > 0

    def _missing(self, name: str, count: int, *, use: bool) -> float:
        with self._lock:
            now = self._clock()
            level, at = self._levels.get(name, (self._burst, now))
            level = min(self._burst, level + (now - at) * self._per_second)
            missing = count - level
            if use and missing <= 0:
                if len(self._levels) >= _MOST_KEPT:
                    self._forget_full(now)
                self._levels[name] = level - count, now
            return missing

    def _forget_full(self, now: float) -> None:
        """Forget whoever has waited long enough to have a full bucket again; where none has, everybody."""
        self._levels = {
            name: one for name, one in self._levels.items() if now - one[1] < self._burst / self._per_second
        }
        if len(self._levels) >= _MOST_KEPT:
            self._levels.clear()

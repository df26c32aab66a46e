"""Growing pauses of a worker whose runs cannot begin: what was refused a moment ago is refused again."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable


class Pauses:
    """A pause after each refusal, twice as long as the one before, less a random part; a success ends it."""

    def __init__(
        self, first_seconds: float = 5.0, most_seconds: float = 300.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._first_seconds = first_seconds
        self._most_seconds = most_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._refusals = 0
        self._ends_at = 0.0

    def lengthen(self) -> float | None:
        """Begin a pause and return its seconds; None where one lasts already, which this refusal belongs to."""
        with self._lock:
            now = self._clock()
            if now < self._ends_at:
                return None
            seconds = min(self._first_seconds * 2.0 ** min(self._refusals, 16), self._most_seconds)
            # Workers that were refused together come back apart.
            seconds *= random.uniform(0.75, 1.0)
            self._refusals += 1
            self._ends_at = now + seconds
            return seconds

    def end(self) -> None:
        """End the pause, and begin with a short one the next time."""
        with self._lock:
            self._refusals, self._ends_at = 0, 0.0

    @property
    def lasts(self) -> bool:
        """Whether a pause lasts."""
        return self._clock() < self._ends_at

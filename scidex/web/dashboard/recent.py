"""Answers that are fresh enough: what many people watch is worked out once a moment, not once for each of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any

_MOST_KEPT = 100


class Recent:
    """Keeps each answer for a while. Safe to share between threads."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._answers: dict[Hashable, tuple[float, Any]] = {}

    def get(self, key: Hashable, work_out: Callable[[], Any]) -> Any:
        """Return the answer under `key`, worked out anew where it is too old."""
        with self._lock:
            made, answer = self._answers.get(key, (float("-inf"), None))
            if self._clock() - made < self._seconds:
                return answer
        answer = work_out()
        with self._lock:
            if len(self._answers) >= _MOST_KEPT:
                self._answers.clear()
            self._answers[key] = self._clock(), answer
        return answer

"""Hints that something has changed, so that those who wait for it look sooner than they would by themselves."""

from __future__ import annotations

import threading
import time
from collections import Counter


class News:
    """What was told in this process: how often about each topic. Safe to share between threads."""

    def __init__(self) -> None:
        self._told: Counter[str] = Counter()
        self._told_about_all = 0
        self._changed = threading.Condition()

    def tell(self, topic: str) -> None:
        """Tell those who wait for a topic."""
        with self._changed:
            self._told[topic] += 1
            self._changed.notify_all()

    def tell_all(self) -> None:
        """Tell everybody: something may have been missed."""
        with self._changed:
            self._told_about_all += 1
            self._changed.notify_all()

    def count(self, topic: str) -> int:
        """Return how often a topic was told of."""
        return self._told[topic] + self._told_about_all

    def wait(self, topic: str, count: int, seconds: float) -> None:
        """Wait until a topic was told of more often than `count`, at most so many seconds."""
        ends = time.monotonic() + seconds
        with self._changed:
            self._changed.wait_for(lambda: self.count(topic) != count, timeout=max(0.0, ends - time.monotonic()))

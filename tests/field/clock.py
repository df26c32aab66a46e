"""Simulated time: what is to happen, happens at its instant, one thing after another, and nothing waits."""

from __future__ import annotations

import heapq
import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from unittest import mock

from scidex.store.postgres import PostgresDatabase
from scidex.store.sqlite import SqliteDatabase

START = datetime(2026, 3, 2, tzinfo=UTC)


class Clock:
    """An instant, and an agenda of what happens after it."""

    def __init__(self, start: datetime = START) -> None:
        self.instant = start
        self._agenda: list[tuple[datetime, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def now(self) -> datetime:
        """Return the simulated instant."""
        return self.instant

    def at(self, moment: datetime, what: Callable[[], None]) -> None:
        """Let something happen at an instant, after what was put there before it."""
        heapq.heappush(self._agenda, (max(moment, self.instant), next(self._order), what))

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        """Let something happen after some seconds."""
        self.at(self.instant + timedelta(seconds=seconds), what)

    def every(self, seconds: float, what: Callable[[], None]) -> None:
        """Let something happen again and again, the first time after so many seconds."""

        def again() -> None:
            self.after(seconds, again)
            what()

        self.after(seconds, again)

    def run_until(self, end: datetime) -> None:
        """Let everything happen that is due before an instant."""
        while self._agenda and self._agenda[0][0] < end:
            self.instant, _, what = heapq.heappop(self._agenda)
            what()
        self.instant = end

    @contextmanager
    def ruling(self) -> Iterator[None]:
        """Let every reader of the time in this process read this clock while the block runs."""
        with ExitStack() as patches:
            for module in list(sys.modules.values()):
                if getattr(module, "__name__", "").startswith("scidex") and hasattr(module, "utc_now"):
                    patches.enter_context(mock.patch.object(module, "utc_now", self.now))
            for database in (SqliteDatabase, PostgresDatabase):
                patches.enter_context(mock.patch.object(database, "now", _read_by(self)))
            yield


def _read_by(clock: Clock) -> Callable[[object], datetime]:
    return lambda _db: clock.now()

"""The stream of events: one look at the journal for all who watch it, and a cursor for each of them."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from fastapi.sse import ServerSentEvent
from starlette.concurrency import run_in_threadpool

from scidex import settings as _settings
from scidex.exchange.journal import watcher
from scidex.exchange.journal.watcher import Happened
from scidex.loops import Loop
from scidex.records import Principal
from scidex.store import Database
from scidex.web.refusals import TooManyEventStreams

_LOOK_SECONDS = 0.25
_ALIVE_SECONDS = 5.0


class Feed:
    """
    Watches the journal while anybody listens, and wakes them when it grows.

    The journal is in the database, so all servers of a market tell the same events under the same numbers.
    """

    def __init__(self, db: Database) -> None:
        given = _settings.from_environment()
        self._db = db
        self._most = given.most_event_streams
        self._most_per_key = given.most_event_streams_per_key
        self._streams: Counter[str] = Counter()
        self._open = 0
        self._watcher: watcher.Watcher | None = None
        self._beginning = threading.Lock()
        self._grown = asyncio.Event()
        self._runner: asyncio.AbstractEventLoop | None = None
        self.loop = Loop("events", self._turn)

    @contextmanager
    def place(self, who: Principal) -> Iterator[None]:
        """Hold one of the places for streams while the block runs. Raises TooManyEventStreams."""
        if self._open >= self._most:
            raise TooManyEventStreams(field="events", limit=self._most, retry_after_seconds=10)
        if self._streams[who.key_id] >= self._most_per_key:
            raise TooManyEventStreams(field="events", limit=self._most_per_key, per="key", retry_after_seconds=10)
        self._streams[who.key_id] += 1
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1
            self._streams[who.key_id] -= 1
            self._streams += Counter()  # keeps no key that has none

    async def reached(self) -> int:
        """Return the number of the last event that there is, and watch for more from now on."""
        self._runner = asyncio.get_running_loop()
        if (watched := self._watcher) is None:
            watched = await run_in_threadpool(self._begin)
            self.loop.wake()
        return watched.reached

    async def stream(
        self, who: Principal, after: int, still_lives: Callable[[Principal], bool]
    ) -> AsyncIterator[ServerSentEvent]:
        """Yield what happens behind a number as server-sent events, until the key lives no more."""
        yield ServerSentEvent(retry=1000)
        while True:
            grown = self._grown
            last = await self.reached()
            if not await run_in_threadpool(still_lives, who):
                return
            if after < last:
                told, after = await run_in_threadpool(watcher.happened, who, after, last, db=self._db)
                for event in map(_as_event, told):
                    yield event
                if not told:
                    yield ServerSentEvent(comment="nothing for you")
                continue
            try:
                async with asyncio.timeout(_ALIVE_SECONDS):
                    await grown.wait()
            except TimeoutError:
                yield ServerSentEvent(comment="still here")

    def _begin(self) -> watcher.Watcher:
        with self._beginning:
            watched = self._watcher = self._watcher or watcher.Watcher(self._db)
            return watched

    def _turn(self) -> float | None:
        """Look at the journal, and wake those who listen where it grew; stop watching where nobody does."""
        with self._beginning:
            if not self._open:
                self._watcher = None
            watched = self._watcher
        if watched is None:
            return None
        if watched.look() and self._runner is not None:
            self._runner.call_soon_threadsafe(self._tell)
        return _LOOK_SECONDS

    def _tell(self) -> None:
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()


def _as_event(happened: Happened) -> ServerSentEvent:
    told = {
        "entry_id": happened.entry_id,
        "verb": happened.verb,
        "made_at": happened.made_at.isoformat(),
        **({"actor": happened.actor} if happened.actor else {}),
        "facts": happened.facts,
    }
    return ServerSentEvent(id=str(happened.entry_id), event=happened.verb, data=told)

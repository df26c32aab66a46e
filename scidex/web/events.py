"""The stream of events: one look at the journal for all who watch it, and a cursor for each of them."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

from starlette.concurrency import run_in_threadpool

from scidex import settings as _settings
from scidex.errors import ScidexError
from scidex.exchange.journal import watcher
from scidex.exchange.journal.watcher import Happened
from scidex.records import Principal
from scidex.store import Database
from scidex.web.refusals import TooManyEventStreams

_LOG = logging.getLogger(__name__)
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
        self._watcher: watcher.Watcher | None = None
        self._watching: asyncio.Task[None] | None = None
        self._grown = asyncio.Event()

    @contextmanager
    def place(self, who: Principal) -> Iterator[None]:
        """Hold one of the places for streams while the block runs. Raises TooManyEventStreams."""
        if self._streams.total() >= self._most:
            raise TooManyEventStreams(field="events", limit=self._most, retry_after_seconds=10)
        if self._streams[who.key_id] >= self._most_per_key:
            raise TooManyEventStreams(field="events", limit=self._most_per_key, per="key", retry_after_seconds=10)
        self._streams[who.key_id] += 1
        try:
            yield
        finally:
            self._streams[who.key_id] -= 1
            self._streams += Counter()  # keeps no key that has none

    async def reached(self) -> int:
        """Return the number of the last event that there is, and watch for more from now on."""
        if self._watcher is None:
            self._watcher = await run_in_threadpool(watcher.Watcher, self._db)
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch())
        return self._watcher.reached

    async def stream(self, who: Principal, after: int, still_lives: Callable[[Principal], bool]) -> AsyncIterator[str]:
        """Yield what happens behind a number as server-sent events, until the key lives no more."""
        yield "retry: 1000\n\n"
        while True:
            grown = self._grown
            last = await self.reached()
            if not await run_in_threadpool(still_lives, who):
                return
            if after < last:
                told, after = await run_in_threadpool(watcher.happened, who, after, last, db=self._db)
                yield "".join(map(_as_event, told)) or ": nothing for you\n\n"
                continue
            try:
                async with asyncio.timeout(_ALIVE_SECONDS):
                    await grown.wait()
            except TimeoutError:
                yield ": still here\n\n"

    async def _watch(self) -> None:
        """Look at the journal again and again, until nobody listens."""
        assert self._watcher is not None, "somebody asked how far it reaches"
        while self._streams.total():
            try:
                if await run_in_threadpool(self._watcher.look):
                    grown, self._grown = self._grown, asyncio.Event()
                    grown.set()
            except ScidexError as error:  # the database may be away; whoever listens waits
                _LOG.warning("the journal could not be watched: %s", error)
            await asyncio.sleep(_LOOK_SECONDS)


def _as_event(happened: Happened) -> str:
    told = {
        "entry_id": happened.entry_id,
        "verb": happened.verb,
        "made_at": happened.made_at.isoformat(),
        **({"actor": happened.actor} if happened.actor else {}),
        "facts": happened.facts,
    }
    return f"id: {happened.entry_id}\nevent: {happened.verb}\ndata: {json.dumps(told)}\n\n"

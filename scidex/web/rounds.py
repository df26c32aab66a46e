"""Tells those who wait for a pool's next round, however many they are, with one thread for each pool."""

from __future__ import annotations

import asyncio
import logging
import threading

from starlette.concurrency import run_in_threadpool

from scidex.exchange import leases
from scidex.store import Database

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 5.0


class RoundNews:
    """What waits in one server for rounds to clear."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._watched: set[str] = set()
        self._is_over = False

    def release(self) -> None:
        """Let nobody wait any more: the server stops."""
        self._is_over = True
        for pool in list(self._waiting):
            self._tell(pool)

    async def wait(self, pool: str, after: int, seconds: float) -> int:
        """Return a pool's open round once it is another than `after`, or after so many seconds. Raises UnknownPool."""
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._add(pool, told)
        try:
            # Asked after joining those who wait, so that no round comes between the two.
            open_round = await run_in_threadpool(leases.wait_for_round, after, 0.0, pool=pool, db=self._db)
            if open_round != after or self._is_over:
                return open_round
            await asyncio.wait([told], timeout=seconds)
            return await run_in_threadpool(leases.wait_for_round, after, 0.0, pool=pool, db=self._db)
        finally:
            with self._lock:
                self._waiting.get(pool, set()).discard(told)

    def _add(self, pool: str, told: asyncio.Future[None]) -> None:
        with self._lock:
            self._waiting.setdefault(pool, set()).add(told)
            is_watched = pool in self._watched
            self._watched.add(pool)
        if not is_watched:
            threading.Thread(target=self._watch, args=(pool,), name=f"rounds of {pool}", daemon=True).start()

    def _watch(self, pool: str) -> None:
        """Tell all who wait of each round, for as long as anybody waits."""
        try:
            known = leases.wait_for_round(0, 0.0, pool=pool, db=self._db)
            while self._is_waited_for(pool):
                heard = leases.wait_for_round(known, _LOOK_SECONDS, pool=pool, db=self._db)
                if heard != known:
                    known = heard
                    self._tell(pool)
        except Exception as error:  # the database is away, or there is no such pool: those who wait look by themselves
            _LOG.info("not waiting for rounds of %s: %s", pool, error)
            with self._lock:
                self._watched.discard(pool)
            self._tell(pool)

    def _is_waited_for(self, pool: str) -> bool:
        """Return whether anybody waits; where nobody does, whoever comes next needs another watch."""
        with self._lock:
            if self._waiting.get(pool):
                return True
            self._waiting.pop(pool, None)
            self._watched.discard(pool)
            return False

    def _tell(self, pool: str) -> None:
        with self._lock:
            told = self._waiting.pop(pool, set())
        for one in told:
            one.get_loop().call_soon_threadsafe(_done, one)


def _done(told: asyncio.Future[None]) -> None:
    if not told.done():
        told.set_result(None)

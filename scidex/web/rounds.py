"""Tells those who wait for a pool's next round, however many they are, with one loop for each pool."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from starlette.concurrency import run_in_threadpool

from scidex.exchange import leases
from scidex.loops import Loop
from scidex.store import Database

_LOOK_SECONDS = 2.0


class RoundNews:
    """What waits in one server for rounds to clear."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        # By pool: the open round that is known, and the loop that watches for another.
        self._known: dict[str, int] = {}
        self._loops: dict[str, Loop] = {}
        self._is_over = False

    def release(self) -> None:
        """Let nobody wait any more: the server stops."""
        self._is_over = True
        for pool in list(self._waiting):
            self._tell(pool)

    def stop(self) -> None:
        """Stop watching."""
        for loop in list(self._loops.values()):
            loop.stop()

    async def wait(self, pool: str, after: int, seconds: float) -> int:
        """Return a pool's open round once it is another than `after`, or after so many seconds. Raises UnknownPool."""
        ends = time.monotonic() + seconds
        while True:
            with self._waits(pool) as told:
                # Asked after joining those who wait, so that no round comes between the two.
                open_round = await run_in_threadpool(leases.wait_for_round, after, 0.0, pool=pool, db=self._db)
                left = ends - time.monotonic()
                if open_round != after or left <= 0 or self._is_over:
                    return open_round
                self._watch(pool, open_round)
                await asyncio.wait([told], timeout=left)

    @contextmanager
    def _waits(self, pool: str) -> Iterator[asyncio.Future[None]]:
        told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            self._waiting.setdefault(pool, set()).add(told)
        try:
            yield told
        finally:
            with self._lock:
                others = self._waiting.get(pool, set())
                others.discard(told)
                if not others:
                    self._waiting.pop(pool, None)

    def _watch(self, pool: str, open_round: int) -> None:
        with self._lock:
            self._known[pool] = max(open_round, self._known.get(pool, 0))
            if pool not in self._loops:
                self._loops[pool] = Loop(f"rounds of {pool}", partial(self._turn, pool))
            loop = self._loops[pool].start()
        loop.wake()

    def _turn(self, pool: str) -> float | None:
        """Wait for a round and tell all who wait of it; wait to be woken where nobody does."""
        if not self._waiting.get(pool):
            return None
        known = self._known[pool]
        heard = leases.wait_for_round(known, _LOOK_SECONDS, pool=pool, db=self._db)
        if heard != known:
            self._known[pool] = heard
            self._tell(pool)
        return 0.0

    def _tell(self, pool: str) -> None:
        with self._lock:
            told = self._waiting.pop(pool, set())
        for one in told:
            one.get_loop().call_soon_threadsafe(_done, one)


def _done(told: asyncio.Future[None]) -> None:
    if not told.done():
        told.set_result(None)

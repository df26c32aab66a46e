"""The runs that a worker holds leases for: their heartbeats, and ending each whose lease is lost."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from functools import partial

from scidex.errors import UnknownWorker, WorkerLost
from scidex.loops import Loop
from scidex.market import Market
from scidex.records import Lease

_log = logging.getLogger(__name__)

# A worker is heard of so often in the time of a lease, so that two lost messages in a row cost nothing.
_HEARTBEATS_A_LEASE = 3
_LOOKS_A_LEASE = 20


@dataclass(eq=False)
class HeldRun:
    """A run, the lease that it stands on, and the event that ends it."""

    lease: Lease
    # Until then the lease surely stands, by a clock of this machine that nobody sets.
    stands_until: float
    began_at: float = 0.0
    end: threading.Event = field(default_factory=threading.Event)
    is_lost: bool = False

    def lose(self, why: str) -> None:
        """End the run, because somebody else may have its task now."""
        if not self.is_lost:
            _log.warning("task %s is ended: %s", self.lease.assignment.task_id, why)
        self.is_lost = True
        self.end.set()


class HeldRuns:
    """
    All runs of a worker. Two loops look after them: one speaks to the market, one watches the time.

    The second is there since the first may wait for an answer for longer than a lease lasts.
    """

    def __init__(self, worker_id: str, market: Market, lease_seconds: float) -> None:
        self._worker_id = worker_id
        self._market = market
        self._lease_seconds = lease_seconds
        self._runs: dict[int, HeldRun] = {}
        self._lock = threading.Lock()
        heartbeat = lease_seconds / _HEARTBEATS_A_LEASE
        self._loops = (
            Loop(f"heartbeats of {worker_id}", partial(self._speak, heartbeat), begins_after=heartbeat),
            Loop(f"watch of {worker_id}", partial(self._watch, min(1.0, lease_seconds / _LOOKS_A_LEASE))),
        )
        self.is_unknown = threading.Event()
        """Set when the market takes this worker for lost: it must register again."""

    def __len__(self) -> int:
        return len(self._runs)

    def __contains__(self, fence: int) -> bool:
        return fence in self._runs

    def add(self, lease: Lease, asked_at: float) -> HeldRun:
        """Take a lease into care that was asked for at a moment of the steady clock."""
        run = HeldRun(lease, asked_at + lease.lease_seconds, asked_at)
        with self._lock:
            self._runs[lease.fence] = run
        return run

    def get(self, lease: Lease) -> HeldRun:
        """Return the run of a lease."""
        return self._runs[lease.fence]

    def drop(self, lease: Lease) -> None:
        """Let go of a run that has ended."""
        with self._lock:
            self._runs.pop(lease.fence, None)

    def end_all(self) -> None:
        """End every run; they are given back by those that run them."""
        for run in self._all():
            run.end.set()

    def start(self) -> None:
        """Begin to look after runs."""
        for loop in self._loops:
            loop.start()

    def stop(self) -> None:
        """Stop looking after runs."""
        for loop in self._loops:
            loop.stop()

    def check_in(self) -> None:
        """Say that the worker lives, and end the runs whose leases the market does not know any more."""
        asked_at, runs = time.monotonic(), self._all()
        try:
            held = set(self._market.check_in(self._worker_id, [run.lease.fence for run in runs]))
        except (WorkerLost, UnknownWorker) as refusal:
            held = set()
            self.is_unknown.set()
            _log.warning("%s", refusal)
        for run in runs:
            if run.lease.fence in held:
                run.stands_until = max(run.stands_until, asked_at + run.lease.lease_seconds)
            elif run.lease.fence in self:
                run.lose("the market says that its lease has ended")

    def _speak(self, seconds: float) -> float:
        self.check_in()
        return seconds

    def _watch(self, seconds: float) -> float:
        for run in self._all():
            if time.monotonic() >= run.stands_until:
                run.lose("its lease could not be renewed in time")
        return seconds

    def _all(self) -> list[HeldRun]:
        with self._lock:
            return list(self._runs.values())

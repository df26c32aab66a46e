"""The market as an agent sees it: a few calls, answered by a database in this process or by a server far away."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from scidex.errors import ScidexError
from scidex.exchange import leases, runs, services, sweeper, workers
from scidex.records import Finished, Lease, PullRequest, SeenPullRequest, Usage
from scidex.store import Database

_log = logging.getLogger(__name__)


class Market(Protocol):
    """What an agent asks of a market. Each call raises ScidexError where the market refuses or cannot be reached."""

    def register_worker(
        self, worker_id: str, account_id: str, *, pool: str, seats: int, lease_seconds: float
    ) -> object:
        """Let a worker be known, or be alive again."""

    def check_in(self, worker_id: str, fences: Sequence[int]) -> list[int]:
        """Say that a worker lives and runs these leases; return those that it still holds, renewed."""

    def keep_offers(
        self,
        worker_id: str,
        wanted: int,
        *,
        reserve_price_tokens: int,
        token_allowance: int | None,
        max_seconds: int | None,
    ) -> object:
        """Offer slots, or withdraw some, until so many are on offer or sold and not leased."""

    def lease_next(self, worker_id: str) -> Lease | None:
        """Lease the oldest won slot that waits for this worker."""

    def lease_task(self, worker_id: str) -> Lease | None:
        """Lease a task without a sale, where there is one for this worker."""

    def held_by(self, worker_id: str) -> list[Lease]:
        """Return what a worker holds, for one that never heard whether it got it."""

    def note_step(self, fence: int, step: str, note: str) -> object:
        """Note how far a run has come."""

    def finish(
        self,
        lease: Lease,
        *,
        succeeded: bool,
        usage: Usage,
        actual_impact: float | None,
        attested_by: str | None,
        note: str,
    ) -> Finished:
        """Tell what came of a run."""

    def record_usage(self, run_id: str, usage: Usage) -> None:
        """Keep what a run used that is not settled, or what was learnt of it later."""

    def record_output(self, run_id: str, output: Mapping[str, Any]) -> None:
        """Keep how a run ended and the last of what it wrote."""

    def record_pull_request(self, run_id: str, seen: SeenPullRequest) -> PullRequest:
        """Keep how a run's pull request was seen, and say which run it counts for."""

    def give_back(self, lease: Lease, reason: str) -> None:
        """Undo a lease that comes to no end."""

    def stop_worker(self, worker_id: str) -> None:
        """Take a worker's slots off the market; what it holds it may finish."""

    def wait_for_round(self, pool: str, after: int, seconds: float) -> int:
        """Wait until the pool's open round is another than `after`, or so many seconds; return the open round."""


class EmbeddedMarket:
    """A market whose database this process opens itself. Times are the database's, unless a clock is given."""

    def __init__(self, db: Database, clock: Callable[[], datetime] | None = None) -> None:
        self._db = db
        self._clock = clock or db.now

    def register_worker(self, worker_id: str, account_id: str, *, pool: str, seats: int, lease_seconds: float) -> None:
        """Let a worker be known, or be alive again."""
        workers.register_worker(
            worker_id,
            account_id,
            pool=pool,
            seats=seats,
            lease_seconds=lease_seconds,
            now=self._clock(),
            db=self._db,
        )

    def check_in(self, worker_id: str, fences: Sequence[int]) -> list[int]:
        """
        Say that a worker lives and runs these leases; return those that it still holds, renewed.

        And end what others let run out: anybody at the database may, so that no server need be there.
        """
        held = workers.check_in(worker_id, list(fences), now=self._clock(), db=self._db)
        try:
            sweeper.sweep(self._clock(), db=self._db)
        except ScidexError as refusal:
            _log.warning("a sweep could not be done: %s", refusal)
        return held

    def keep_offers(
        self,
        worker_id: str,
        wanted: int,
        *,
        reserve_price_tokens: int,
        token_allowance: int | None,
        max_seconds: int | None,
    ) -> None:
        """Offer slots, or withdraw some, until so many are on offer or sold and not leased."""
        workers.keep_offers(
            worker_id,
            wanted,
            reserve_price_tokens=reserve_price_tokens,
            token_allowance=token_allowance,
            max_seconds=max_seconds,
            now=self._clock(),
            db=self._db,
        )

    def lease_next(self, worker_id: str) -> Lease | None:
        """Lease the oldest won slot that waits for this worker."""
        return leases.lease_next(worker_id, now=self._clock(), db=self._db)

    def lease_task(self, worker_id: str) -> Lease | None:
        """Lease a task without a sale, where there is one for this worker."""
        return leases.lease_task(worker_id, now=self._clock(), db=self._db)

    def held_by(self, worker_id: str) -> list[Lease]:
        """Return what a worker holds, for one that never heard whether it got it."""
        return leases.held_by(worker_id, db=self._db)

    def note_step(self, fence: int, step: str, note: str) -> None:
        """Note how far a run has come."""
        leases.note_step(fence, step, note, now=self._clock(), db=self._db)

    def finish(
        self,
        lease: Lease,
        *,
        succeeded: bool,
        usage: Usage,
        actual_impact: float | None,
        attested_by: str | None,
        note: str,
    ) -> Finished:
        """Tell what came of a run."""
        return services.finish(
            lease.assignment,
            succeeded=succeeded,
            usage=usage,
            actual_impact=actual_impact,
            attested_by=attested_by,
            note=note,
            fence=lease.fence,
            now=self._clock(),
            db=self._db,
        )

    def record_usage(self, run_id: str, usage: Usage) -> None:
        """Keep what a run used that is not settled, or what was learnt of it later."""
        runs.record_usage(run_id, usage, now=self._clock(), db=self._db)

    def record_output(self, run_id: str, output: Mapping[str, Any]) -> None:
        """Keep how a run ended and the last of what it wrote."""
        runs.record_output(run_id, **output, now=self._clock(), db=self._db)

    def record_pull_request(self, run_id: str, seen: SeenPullRequest) -> PullRequest:
        """Keep how a run's pull request was seen, and say which run it counts for."""
        return runs.record_pull_request(run_id, **seen._asdict(), now=self._clock(), db=self._db)

    def give_back(self, lease: Lease, reason: str) -> None:
        """Undo a lease that comes to no end."""
        services.give_back(lease.assignment, reason, fence=lease.fence, now=self._clock(), db=self._db)

    def stop_worker(self, worker_id: str) -> None:
        """Take a worker's slots off the market; what it holds it may finish."""
        workers.stop_worker(worker_id, now=self._clock(), db=self._db)

    def wait_for_round(self, pool: str, after: int, seconds: float) -> int:
        """Wait until the pool's open round is another than `after`, or so many seconds; return the open round."""
        return leases.wait_for_round(after, seconds, pool=pool, db=self._db)

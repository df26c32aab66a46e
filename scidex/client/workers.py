"""What a worker asks of a market over HTTP. Most of it is said again in a moment, and so is asked without retries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from scidex.client.connection import Connection, part
from scidex.client.records import record_of, records_of
from scidex.errors import AccountExists, UnknownAccount
from scidex.records import Ask, Finished, Lease, PullRequest, SeenPullRequest, Usage, Worker
from scidex.settings import TREASURY


class WorkerCalls:
    """The verbs of workers and of what they lease."""

    _market: Connection

    def open_account(self, account_id: str) -> None:
        """Open a worker's account where it is missing."""
        try:
            self._market.get(f"/api/wallets/{part(account_id)}")
        except UnknownAccount:
            with suppress(AccountExists):
                self._market.act("POST", "/api/wallets", {"account_id": account_id, "kind": "worker"})

    def register_worker(
        self,
        worker_id: str,
        account_id: str,
        *,
        pool: str,
        seats: int,
        lease_seconds: float,
        provider_id: str = TREASURY,
        draws_on: str = "",
    ) -> Worker:
        """Let a worker of an account be known, or be alive again."""
        terms = {"pool": pool, "seats": seats, "lease_seconds": lease_seconds, "provider_id": provider_id}
        terms["draws_on"] = draws_on
        told = self._post("/api/workers", {"worker_id": worker_id, "account_id": account_id, **terms})
        return record_of(Worker, told)

    def check_in(self, worker_id: str, fences: Sequence[int]) -> list[int]:
        """Say that a worker lives and runs these leases; return those that it still holds, renewed."""
        held: list[int] = self._post(f"/api/workers/{part(worker_id)}/heartbeat", {"fences": list(fences)})["fences"]
        return held

    def keep_offers(
        self,
        worker_id: str,
        wanted: int,
        *,
        reserve_price_tokens: int = 0,
        token_allowance: int | None = None,
        max_seconds: int | None = None,
    ) -> list[Ask]:
        """Offer slots, or withdraw some, until `wanted` are on offer or sold and not leased; return new ones."""
        terms = {
            "reserve_price_tokens": reserve_price_tokens,
            "token_allowance": token_allowance,
            "max_seconds": max_seconds,
        }
        return records_of(Ask, self._post(f"/api/workers/{part(worker_id)}/offers", {"wanted": wanted, **terms}))

    def lease_next(self, worker_id: str) -> Lease | None:
        """Lease the oldest won slot that waits and that this worker may run."""
        return self._lease(worker_id, "won")

    def lease_task(self, worker_id: str) -> Lease | None:
        """Lease a task outside the auction, where there is one for this worker."""
        return self._lease(worker_id, "unsold")

    def held_by(self, worker_id: str) -> list[Lease]:
        """Return what a worker holds."""
        return records_of(Lease, self._market.call("GET", f"/api/workers/{part(worker_id)}/leases"))

    def note_step(self, fence: int, step: str, note: str = "") -> None:
        """Note that a run has `started`, `exited` or was `metered`, and renew its lease."""
        self._post(f"/api/leases/{fence}/step", {"step": step, "note": note})

    def finish(
        self,
        lease: Lease,
        *,
        succeeded: bool,
        usage: Usage | None = None,
        actual_cost_tokens: int | None = None,
        actual_impact: float | None = None,
        attested_by: str | None = None,
        note: str = "",
        cause: str = "",
    ) -> Finished:
        """Tell what came of a run, its cost by its usage unless it is given; the same again answers the same."""
        outcome = {
            "succeeded": succeeded,
            "usage": None if usage is None else usage._asdict(),
            "actual_cost_tokens": actual_cost_tokens,
            "actual_impact": actual_impact,
            "attested_by": attested_by,
            "note": note,
            "cause": cause,
        }
        told = self._market.act("POST", f"/api/leases/{lease.fence}/finish", outcome)
        return record_of(Finished, told)

    def record_usage(self, run_id: str, usage: Usage) -> None:
        """Keep what a run used that is not settled, or what was learnt of it later."""
        self._market.act("POST", f"/api/runs/{part(run_id)}/usage", usage._asdict())

    def record_output(self, run_id: str, output: Mapping[str, Any]) -> None:
        """Keep how a run ended and the last of what it wrote."""
        self._market.act("POST", f"/api/runs/{part(run_id)}/output", dict(output))

    def record_pull_request(self, run_id: str, seen: SeenPullRequest) -> PullRequest:
        """Keep how a run's pull request was seen, and say which run it counts for."""
        merged_at = None if seen.merged_at is None else seen.merged_at.isoformat()
        told = {**seen._asdict(), "merged_at": merged_at}
        return record_of(PullRequest, self._market.act("POST", f"/api/runs/{part(run_id)}/pull-requests", told))

    def give_back(self, lease: Lease, reason: str, *, cause: str = "", retry_at: datetime | None = None) -> None:
        """Undo a lease that was interrupted; what caused that pauses its worker, or all that draw on its account."""
        again = None if retry_at is None else retry_at.isoformat()
        self._post(f"/api/leases/{lease.fence}/give-back", {"reason": reason, "cause": cause, "retry_at": again})

    def stop_worker(self, worker_id: str) -> None:
        """Take a worker's slots off the market; what it holds it may finish."""
        self._post(f"/api/workers/{part(worker_id)}/stop", {})

    def _lease(self, worker_id: str, source: str) -> Lease | None:
        told = self._post(f"/api/workers/{part(worker_id)}/leases", {"source": source})
        return None if told is None else record_of(Lease, told)

    def _post(self, address: str, body: dict[str, Any]) -> Any:
        return self._market.call("POST", address, json=body)

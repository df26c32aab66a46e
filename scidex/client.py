"""A market over HTTP: the verbs that a worker needs, answered by a server."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx

from scidex import errors
from scidex.errors import MarketRefused, MarketUnreachable, ScidexError
from scidex.exchange.records import Assignment, Clear, Finished, Lease, PullRequest, SeenPullRequest, Usage, Worker

_MOST_WAIT_SECONDS = 20.0


class Client:
    """
    A market behind an address, as `http://127.0.0.1:8787`. Safe to share between threads.

    What the server refuses is raised as the refusal that it names; MarketUnreachable where it does not answer within
    `deadline_seconds`.
    """

    def __init__(self, url: str, key: str | None = None, *, deadline_seconds: float = 30.0) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._deadline_seconds = deadline_seconds
        try:
            self._http = httpx.Client(
                base_url=url, headers=headers, timeout=deadline_seconds, limits=httpx.Limits(max_connections=None)
            )
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise errors.InvalidArgument(field="url", value=url, fact=f"is no address: {error}") from error

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def open_account(self, account_id: str) -> None:
        """Open a worker's account where it is missing."""
        with suppress(errors.AccountExists):
            self._post("/api/wallets", {"account_id": account_id, "kind": "worker"})

    def register_worker(
        self, worker_id: str, account_id: str, *, pool: str, seats: int, lease_seconds: float
    ) -> Worker:
        """Let a worker of an account be known, or be alive again."""
        terms = {"pool": pool, "seats": seats, "lease_seconds": lease_seconds}
        told = self._post("/api/workers", {"worker_id": worker_id, "account_id": account_id, **terms})
        return Worker(**_with_instants(told))

    def check_in(self, worker_id: str, fences: Sequence[int]) -> list[int]:
        """Say that a worker lives and runs these leases; return those that it still holds, renewed."""
        held: list[int] = self._post(f"/api/workers/{_part(worker_id)}/heartbeat", {"fences": list(fences)})["fences"]
        return held

    def keep_offers(
        self,
        worker_id: str,
        wanted: int,
        *,
        reserve_price_tokens: int = 0,
        token_allowance: int | None = None,
        max_seconds: int | None = None,
    ) -> list[str]:
        """Offer or withdraw slots until so many are on offer or sold and not leased; return the ids of new ones."""
        terms = {
            "reserve_price_tokens": reserve_price_tokens,
            "token_allowance": token_allowance,
            "max_seconds": max_seconds,
        }
        asks = self._post(f"/api/workers/{_part(worker_id)}/offers", {"wanted": wanted, **terms})
        return [ask["slot_id"] for ask in asks]

    def lease_next(self, worker_id: str) -> Lease | None:
        """Lease the oldest won slot that waits for a worker of its account in its pool."""
        return self._lease(worker_id, "won")

    def lease_task(self, worker_id: str) -> Lease | None:
        """Lease a task without a sale, where there is one for this worker."""
        return self._lease(worker_id, "unsold")

    def held_by(self, worker_id: str) -> list[Lease]:
        """Return what a worker holds."""
        return [_as_lease(one) for one in self._call("GET", f"/api/workers/{_part(worker_id)}/leases")]

    def note_step(self, fence: int, step: str, note: str = "") -> None:
        """Note that a run has `started`, `exited` or was `metered`, and renew its lease."""
        self._post(f"/api/leases/{fence}/step", {"step": step, "note": note})

    def finish(
        self,
        lease: Lease,
        *,
        succeeded: bool,
        usage: Usage,
        actual_impact: float | None = None,
        attested_by: str | None = None,
        note: str = "",
    ) -> Finished:
        """Tell what came of a run; the same again answers the same."""
        outcome = {
            "succeeded": succeeded,
            "usage": usage._asdict(),
            "actual_impact": actual_impact,
            "attested_by": attested_by,
            "note": note,
        }
        told = self._post(f"/api/leases/{lease.fence}/finish", outcome)
        return Finished(**{**told, "clear": Clear(**_with_instants(told["clear"])) if told["clear"] else None})

    def record_usage(self, run_id: str, usage: Usage) -> None:
        """Keep what a run used that is not settled, or what was learnt of it later."""
        self._post(f"/api/runs/{_part(run_id)}/usage", usage._asdict())

    def record_output(self, run_id: str, output: Mapping[str, Any]) -> None:
        """Keep how a run ended and the last of what it wrote."""
        self._post(f"/api/runs/{_part(run_id)}/output", dict(output))

    def record_pull_request(self, run_id: str, seen: SeenPullRequest) -> PullRequest:
        """Keep how a run's pull request was seen, and say which run it counts for."""
        merged_at = None if seen.merged_at is None else seen.merged_at.isoformat()
        told = {**seen._asdict(), "merged_at": merged_at}
        return PullRequest(**_with_instants(self._post(f"/api/runs/{_part(run_id)}/pull-requests", told)))

    def give_back(self, lease: Lease, reason: str) -> None:
        """Undo a lease that comes to no end."""
        self._post(f"/api/leases/{lease.fence}/give-back", {"reason": reason})

    def stop_worker(self, worker_id: str) -> None:
        """Take a worker's slots off the market; what it holds it may finish."""
        self._post(f"/api/workers/{_part(worker_id)}/stop", {})

    def wait_for_round(self, pool: str, after: int, seconds: float) -> int:
        """Wait until a pool's open round is another than `after`, at most so many seconds; return the open round."""
        waiting = min(seconds, _MOST_WAIT_SECONDS, self._deadline_seconds / 2)
        address = f"/api/compute-auction/pools/{_part(pool)}/next-round"
        told: int = self._call("GET", address, params={"after": after, "seconds": waiting})["open_round_id"]
        return told

    def _lease(self, worker_id: str, source: str) -> Lease | None:
        told = self._post(f"/api/workers/{_part(worker_id)}/leases", {"source": source})
        return None if told is None else _as_lease(told)

    def _post(self, address: str, body: dict[str, Any]) -> Any:
        return self._call("POST", address, json=body)

    def _call(self, method: str, address: str, **what: Any) -> Any:
        try:
            response = self._http.request(method, address, **what)
            if response.is_success:
                return response.json() if response.content else None
            problem = response.json()
        except (httpx.HTTPError, ValueError) as error:
            fact = f"{type(error).__name__}: {error}"
            raise MarketUnreachable(fact=fact, address=str(self._http.base_url)) from error
        raise _refusal(problem, response.status_code)


def _part(text: str) -> str:
    return quote(text, safe="")


def _as_lease(told: dict[str, Any]) -> Lease:
    return Lease(**{**_with_instants(told), "assignment": Assignment(**told["assignment"])})


def _with_instants(told: dict[str, Any]) -> dict[str, Any]:
    # Of a record's own fields alone: a task's payload may have texts of any name.
    return {
        name: datetime.fromisoformat(value) if name.endswith("_at") and value else value for name, value in told.items()
    }


_KINDS: dict[str, type[ScidexError]] = {
    re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower(): kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, ScidexError)
}


def _refusal(problem: Any, status: int) -> ScidexError:
    """Return the refusal that a problem document tells of."""
    told = problem if isinstance(problem, dict) else {}
    detail = str(told.get("detail", ""))
    name = str(told.get("type", "")).rpartition(":")[2]
    kind = _KINDS.get(name)
    if kind is None:
        return MarketRefused(status=status, detail=detail)
    if issubclass(kind, errors.StoreError):
        return kind(fact=detail)
    facts = {"field": told.get("field"), **(told.get("facts") or {})}
    if issubclass(kind, errors.InvalidArgument):
        facts = {"value": None, "fact": detail, **facts}
    return kind(**facts)

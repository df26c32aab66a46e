"""What an operator asks of a market over HTTP: what it is set to, the whole ledger, its proof, its runs and workers."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from scidex.client.auction import sent
from scidex.client.connection import Connection, part, refusal
from scidex.client.records import record_of, records_of
from scidex.errors import MarketUnreachable
from scidex.records import (
    Account,
    AuditReport,
    CostReport,
    EvaluatorTerms,
    LedgerReport,
    MarketSettings,
    Pause,
    Quest,
    RefusedAttempt,
    RunEnding,
    RunOutput,
    Swept,
    TimelineEvent,
    Transfer,
    Usage,
    Worker,
)
from scidex.settings import DEFAULT_POOL, TREASURY


class OperatorCalls:
    """The verbs of whoever runs a market."""

    _market: Connection

    def get_market_settings(self, pool: str = DEFAULT_POOL) -> MarketSettings:
        """Return what a pool is set to."""
        return record_of(MarketSettings, self._market.get(f"/api/compute-auction/pools/{part(pool)}/settings"))

    def configure_pool(
        self, pool: str = DEFAULT_POOL, profile: str = "recommended", *, only_new: bool = False, **overrides: Any
    ) -> MarketSettings:
        """Set a pool to a profile's values, some of them replaced by name, from its open round on."""
        given = {"profile": profile, "only_new": only_new, "overrides": overrides}
        told = self._market.act("PUT", f"/api/compute-auction/pools/{part(pool)}/settings", given)
        return record_of(MarketSettings, told)

    def entitle_quest(self, quest_id: str, entitled: bool = True) -> Quest:
        """Entitle a quest to the floor of its pools, or end that."""
        address = f"/api/quests/{part(quest_id)}/floor"
        return record_of(Quest, self._market.act("PUT", address, {"entitled": entitled}))

    def list_accounts(self, *, after: str = "", limit: int = 1_000) -> list[Account]:
        """Return accounts in the order of their ids."""
        return records_of(Account, self._market.get("/api/accounts", after=after, limit=limit))

    def list_transfers(self, *, after: int = 0, limit: int = 1_000) -> list[Transfer]:
        """Return the movements of all accounts, the oldest first."""
        return records_of(Transfer, self._market.get("/api/transfers", after=after, limit=limit))

    def verify(self) -> LedgerReport:
        """Prove the books."""
        return record_of(LedgerReport, self._market.get("/api/books"))

    def audit(
        self, *, expect_seal: str | None = None, on_progress: Callable[[str, int, int], None] | None = None
    ) -> AuditReport:
        """
        Have the server prove the market from its own record; `on_progress` is told how far it is.

        `expect_seal` is a head of the journal that an earlier audit told and that was kept elsewhere. It takes as long
        as it takes: the deadline holds from one word of the server to the next. Raises AuditAtWork as MarketRefused,
        MarketUnreachable where the connection breaks.
        """
        event = ""
        asked = "" if expect_seal is None else f"?expect_seal={part(expect_seal)}"
        for line in self._market.lines(f"/api/audit{asked}"):
            name, _, value = line.partition(": ")
            if name == "event":
                event = value
            elif name == "data" and event == "progress" and on_progress is not None:
                told = json.loads(value)
                on_progress(told["what"], told["done"], told["of"])
            elif name == "data" and event == "report":
                return record_of(AuditReport, json.loads(value))
            elif name == "data" and event == "failed":
                told = json.loads(value)
                raise refusal(told, int(told["status"]))
        raise MarketUnreachable(fact="the audit ended without a report", address="/api/audit")

    def list_refusals(self, *, before: int | None = None, limit: int = 100) -> list[RefusedAttempt]:
        """Return what servers of the market refused, the latest first."""
        return records_of(RefusedAttempt, self._market.get("/api/refusals", **sent({"before": before, "limit": limit})))

    def sweep(self) -> Swept:
        """End leases that ran out and workers not heard of, and free what they held."""
        return record_of(Swept, self._market.act("POST", "/api/sweep"))

    def seal_journal(self) -> int:
        """Chain the entries of the journal that are not sealed yet, and return how many were."""
        return int(self._market.act("POST", "/api/journal/seal"))

    def timeline(self, slot_id: str) -> list[TimelineEvent]:
        """Return the steps of a run in order of time."""
        told = self._market.get(f"/api/compute-auction/slots/{part(slot_id)}/timeline")
        return records_of(TimelineEvent, told)

    def list_workers(self, *, ended_too: bool = False, limit: int = 1_000) -> list[Worker]:
        """Return the workers that are alive, the latest first, and on request those that ended."""
        return records_of(Worker, self._market.get("/api/workers", ended_too=str(ended_too).lower(), limit=limit))

    def get_usage(self, run_id: str) -> list[Usage]:
        """Return every word on what a run used, the latest last."""
        return records_of(Usage, self._market.get(f"/api/runs/{part(run_id)}/usage"))

    def get_output(self, run_id: str) -> RunOutput | None:
        """Return how a run ended and the last of what it wrote; None where nobody has said."""
        told = self._market.get(f"/api/runs/{part(run_id)}/output")
        return None if told is None else record_of(RunOutput, told)

    def get_ending(self, run_id: str) -> RunEnding | None:
        """Return how a run ended and why; None where that is not known."""
        told = self._market.get(f"/api/runs/{part(run_id)}/ending")
        return None if told is None else record_of(RunEnding, told)

    def list_endings(self, ending: str | None = None, *, limit: int = 100) -> list[RunEnding]:
        """Return how runs ended, the latest first; those of one class, or all."""
        return records_of(RunEnding, self._market.get("/api/endings", **sent({"ending": ending, "limit": limit})))

    def list_pauses(self, *, limit: int = 1_000) -> list[Pause]:
        """Return the workers and provider accounts that are paused, or were until their next run decides."""
        return records_of(Pause, self._market.get("/api/pauses", limit=limit))

    def end_pause(self, kind: str, name: str, *, provider_id: str = TREASURY) -> bool:
        """Let a worker, or all that draw on an account, offer slots again at once; return whether there was a pause."""
        order = {"kind": kind, "name": name, "provider_id": provider_id}
        return bool(self._market.act("POST", "/api/pauses/end", order))

    def list_evaluators(self, *, limit: int = 1_000) -> list[EvaluatorTerms]:
        """Return how long evaluators may still judge a run, those of which that was said."""
        return records_of(EvaluatorTerms, self._market.get("/api/evaluators", limit=limit))

    def set_evaluator(self, evaluator_id: str, attest_within_hours: float) -> EvaluatorTerms:
        """Say how long after a run was settled an evaluator may still judge it."""
        order = {"attest_within_hours": attest_within_hours}
        return record_of(EvaluatorTerms, self._market.act("PUT", f"/api/evaluators/{part(evaluator_id)}", order))

    def report_costs(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        hours: float = 24,
        charged_usd: float | None = None,
        by: str | None = None,
    ) -> CostReport:
        """Return what the runs that ended in a span cost; the last `hours` before its end unless `since` is given."""
        span = sent({"since": since, "until": until, "hours": hours, "charged_usd": charged_usd, "by": by})
        return record_of(CostReport, self._market.get("/api/report", **span))

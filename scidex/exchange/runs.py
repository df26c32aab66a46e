"""What runs used, wrote and brought about: told by whoever ran them, read by whoever pays or looks after them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from scidex.errors import InvalidArgument, InvalidTime
from scidex.exchange import arguments as checked
from scidex.exchange.views import costs
from scidex.exchange.work import runs, verdicts
from scidex.exchange.work import usage as usage_fields
from scidex.records import Clear, CostReport, EvaluatorTerms, PullRequest, RunEnding, RunOutput, Usage
from scidex.store import Database
from scidex.store.db_writes import execute_journaled

__all__ = [
    "get_ending",
    "get_output",
    "get_sale",
    "get_usage",
    "list_endings",
    "list_evaluators",
    "list_pull_requests",
    "record_output",
    "record_pull_request",
    "record_usage",
    "report_costs",
    "set_evaluator",
]

CLASSES = ("succeeded", "failed", "interrupted", "lost")
"""How a run may end: only what failed costs an attempt and a price."""

ENDS = ("exited", "timed_out", "flooded", "swollen", "stopped", "not_started", "lost")
# The last of each stream is kept in the database and its journal; the run's directory has more.
KEPT_CHARACTERS = 16_384
_MOST_URL = 500
_MOST_PAGE = 1_000
_MOST_BYTES = 2**53 - 1
_MOST_SECONDS = 1e9
_MOST_ATTEST_HOURS = 8_784.0


def record_usage(run_id: str, usage: Usage, *, now: datetime | None = None, db: Database | None = None) -> None:
    """
    Keep a word on what a run used, that of a run given back or a later bill; the latest counts in reports.

    `run_id` is the id of its slot or assignment. What the run was settled by does not change. Raises UnknownRun,
    InvalidArgument, InvalidAmount.
    """
    database = checked.database(db)
    arguments = {"run_id": checked.identifier(run_id, "run_id"), "usage": usage_fields.checked(usage)}
    execute_journaled(database, runs.record_usage, arguments, now=checked.moment(now, database))


def get_usage(run_id: str, *, db: Database | None = None) -> list[Usage]:
    """Return every word on what a run used, the first one first. Raises UnknownRun."""
    name = checked.identifier(run_id, "run_id")
    with checked.database(db).reading() as tx:
        runs.assert_run(tx, name)
        return runs.usages(tx, name)


def record_output(
    run_id: str,
    *,
    ended: str,
    exit_code: int | None,
    reason: str = "",
    stdout: str = "",
    stderr: str = "",
    output_bytes: int = 0,
    seconds: float = 0.0,
    now: datetime | None = None,
    db: Database | None = None,
) -> None:
    """
    Keep how a run ended, and of each stream the last 16,384 characters; the first word stands.

    What no database keeps as text is replaced. Raises UnknownRun, InvalidArgument.
    """
    database = checked.database(db)
    if exit_code is not None:
        checked.count(exit_code, "exit_code", least=-255, most=2**32)
    output = {
        "ended": checked.choice(ended, "ended", ENDS),
        "exit_code": exit_code,
        "reason": checked.text(reason, "reason"),
        "stdout": _kept(stdout, "stdout"),
        "stderr": _kept(stderr, "stderr"),
        "output_bytes": checked.count(output_bytes, "output_bytes", least=0, most=_MOST_BYTES),
        "seconds": checked.number(seconds, "seconds", least=0, most=_MOST_SECONDS),
    }
    arguments = {"run_id": checked.identifier(run_id, "run_id"), "output": output}
    execute_journaled(database, runs.record_output, arguments, now=checked.moment(now, database))


def get_output(run_id: str, *, db: Database | None = None) -> RunOutput | None:
    """
    Return how a run ended and the last of what it wrote; None where nobody has said.

    It is text of whoever ran: a page must escape it. Raises UnknownRun.
    """
    name = checked.identifier(run_id, "run_id")
    with checked.database(db).reading() as tx:
        runs.assert_run(tx, name)
        return runs.output(tx, name)


def get_ending(run_id: str, *, db: Database | None = None) -> RunEnding | None:
    """
    Return how a run ended: succeeded, failed, interrupted or lost, and why; None where that is not known.

    Raises UnknownRun.
    """
    name = checked.identifier(run_id, "run_id")
    with checked.database(db).reading() as tx:
        runs.assert_run(tx, name)
        row = tx.row("ending_of", run_id=name)
    return None if row is None else RunEnding(**row)


def list_endings(ending: str | None = None, *, limit: int = 100, db: Database | None = None) -> list[RunEnding]:
    """Return how runs ended, the latest first; those of one class, or all. Raises InvalidArgument."""
    wanted = "" if ending is None else checked.choice(ending, "ending", CLASSES)
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    with checked.database(db).reading() as tx:
        return [RunEnding(**row) for row in tx.rows("endings_page", ending=wanted, page=page)]


def set_evaluator(
    evaluator_id: str, attest_within_hours: float, *, now: datetime | None = None, db: Database | None = None
) -> EvaluatorTerms:
    """
    Say how many hours after a run was settled an evaluator may still judge it; until then the run is open.

    It holds for runs that are settled from now on and name this evaluator; others go by their pool's
    `attest_within_hours`. At 0 it judges at once or never. Raises UnknownAccount, InvalidArgument.
    """
    database = checked.database(db)
    arguments = {
        "evaluator_id": checked.identifier(evaluator_id, "evaluator_id"),
        "attest_within_hours": checked.number(
            attest_within_hours, "attest_within_hours", least=0.0, most=_MOST_ATTEST_HOURS
        ),
    }
    return execute_journaled(database, verdicts.set_evaluator, arguments, now=checked.moment(now, database))


def list_evaluators(*, limit: int = 1_000, db: Database | None = None) -> list[EvaluatorTerms]:
    """Return how long evaluators may still judge a run, those of which that was said."""
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    with checked.database(db).reading() as tx:
        return [EvaluatorTerms(**row) for row in tx.rows("evaluators_page", page=page)]


def record_pull_request(
    run_id: str,
    url: str,
    *,
    state: str,
    checks: str = "none",
    merged_at: datetime | None = None,
    now: datetime | None = None,
    db: Database | None = None,
) -> PullRequest:
    """
    Keep how a run's pull request was last seen: `open`, `merged` or `closed`; checks `pass`, `fail`, `pending`, `none`.

    Several runs may name one pull request; it counts for the first of them, and once. Raises UnknownRun,
    InvalidArgument, InvalidTime.
    """
    database = checked.database(db)
    if (checked.choice(state, "state", ("open", "merged", "closed")) == "merged") != (merged_at is not None):
        raise InvalidTime(
            field="merged_at", value=merged_at, fact="must be given for what is merged, and only for that"
        )
    arguments = {
        "run_id": checked.identifier(run_id, "run_id"),
        "url": _url(url),
        "state": state,
        "checks": checked.choice(checks, "checks", ("pass", "fail", "pending", "none")),
        "merged_at": None if merged_at is None else checked.instant(merged_at, "merged_at"),
    }
    return execute_journaled(database, runs.record_pull_request, arguments, now=checked.moment(now, database))


def get_sale(run_id: str, *, db: Database | None = None) -> Clear | None:
    """Return the clear that a run is of, which impact may be attested to; None where it has none. Raises UnknownRun."""
    name = checked.identifier(run_id, "run_id")
    with checked.database(db).reading() as tx:
        runs.assert_run(tx, name)
        row = tx.row("clear", slot_id=name)
        return None if row is None else Clear(**row)


def list_pull_requests(
    run_id: str | None = None,
    *,
    merged_days: float = 0,
    limit: int = 100,
    now: datetime | None = None,
    db: Database | None = None,
) -> list[PullRequest]:
    """
    Return a run's pull requests; without one those of all runs that are open, those not seen for longest first.

    With `merged_days` also those that were merged within so many days. Raises UnknownRun.
    """
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    days = checked.number(merged_days, "merged_days", least=0, most=366)
    database = checked.database(db)
    since = checked.moment(now, database) - timedelta(days=days)
    with database.reading() as tx:
        if run_id is None:
            return [PullRequest(**row) for row in tx.rows("pull_requests_open", merged_since_at=since, page=page)]
        runs.assert_run(tx, checked.identifier(run_id, "run_id"))
        return runs.pull_requests(tx, run_id)[:page]


def report_costs(
    since: datetime | None = None,
    until: datetime | None = None,
    *,
    hours: float = 24,
    charged_usd: float | None = None,
    by: str | None = None,
    now: datetime | None = None,
    db: Database | None = None,
) -> CostReport:
    """
    Return what the runs that ended in a span cost: for each task, each dispatched task and each merged pull request.

    The span is the last `hours` before its end unless `since` is given. `charged_usd` is what was billed for it in all,
    by the provider or a gateway; what runs do not account for of it is unattributed. `by` also groups the runs: by
    `quest`, `agent`, `model` or `day`. Raises InvalidTime, InvalidArgument.
    """
    database = checked.database(db)
    moment = checked.moment(now, database)
    end = moment if until is None else checked.instant(until, "until")
    span = timedelta(hours=checked.number(hours, "hours", least=0.001, most=24 * 366))
    begin = end - span if since is None else checked.instant(since, "since")
    if begin >= end:
        raise InvalidTime(field="since", value=since, fact="must lie before the end of the span")
    charged = None if charged_usd is None else checked.number(charged_usd, "charged_usd", least=0)
    group = None if by is None else checked.choice(by, "by", tuple(costs.GROUPS))
    with database.reading() as tx:
        return costs.report(tx, begin, end, charged, group)


def _kept(value: Any, field: str) -> str:
    if type(value) is not str:
        raise InvalidArgument(field=field, value=value, fact="must be text (a str)")
    # No database keeps a NUL, or half of a surrogate pair, as text.
    last = value[-KEPT_CHARACTERS:].replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return last.encode(errors="replace").decode()


def _url(value: Any) -> str:
    text = checked.text(value, "url")
    if not text.startswith(("https://", "http://")) or len(text) > _MOST_URL or any(c.isspace() for c in text):
        raise InvalidArgument(
            field="url", value=value, fact=f"must be an http(s) address of at most {_MOST_URL} characters"
        )
    return text

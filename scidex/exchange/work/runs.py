"""Writing down what runs used and wrote, and the pull requests that came of them, inside their transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from scidex.errors import UnknownRun
from scidex.records import PullRequest, RunOutput, Usage
from scidex.store.database import Transaction
from scidex.store.db_writes import Work, effect


def assert_run(tx: Transaction, run_id: str) -> None:
    """Raise UnknownRun unless this is a slot that was sold, or an assignment."""
    if tx.row("run_of", run_id=run_id) is None:
        raise UnknownRun(field="run_id", run_id=run_id)


def usages(tx: Transaction, run_id: str) -> list[Usage]:
    """Return every word on what a run used, the first one first."""
    return [Usage(**{name: row[name] for name in Usage._fields}) for row in tx.rows("usages_of", run_id=run_id)]


def append_usage(work: Work, run_id: str, usage: dict[str, Any]) -> bool:
    """Keep a word on what a run used; return whether it is a new one."""
    known = usages(work.tx, run_id)
    told = Usage(**usage)  # a journal of before may lack the younger fields
    if known and known[-1] == told:
        return False
    work.tx.run("append_usage", run_id=run_id, revision=len(known), now=work.now, **told._asdict())
    return True


@effect("record_usage")
def record_usage(work: Work, *, run_id: str, usage: dict[str, Any]) -> None:
    """Keep a later word on what a run used; what it was settled by stays."""
    assert_run(work.tx, run_id)
    # Two words at once would take one number.
    work.tx.lock([f"usage {run_id}"], shared=False)
    work.changed = append_usage(work, run_id, usage)


@effect("record_output")
def record_output(work: Work, *, run_id: str, output: dict[str, Any]) -> None:
    """Keep how a run ended and the last of what it wrote; the first word stands."""
    assert_run(work.tx, run_id)
    work.changed = bool(work.tx.run("save_output", run_id=run_id, now=work.now, **output))


@effect("record_pull_request")
def record_pull_request(
    work: Work, *, run_id: str, url: str, state: str, checks: str, merged_at: datetime | None
) -> PullRequest:
    """Keep how a run's pull request was last seen."""
    assert_run(work.tx, run_id)
    # Of two runs that name it at once, one is the first.
    work.tx.lock([f"pull request {url}"], shared=False)
    seen = {"state": state, "checks": checks, "merged_at": merged_at, "now": work.now}
    work.tx.run("save_pull_request", run_id=run_id, url=url, **seen)
    return next(one for one in pull_requests(work.tx, run_id) if one.url == url)


def pull_requests(tx: Transaction, run_id: str) -> list[PullRequest]:
    """Return the pull requests of a run, as they were last seen."""
    return [PullRequest(**row) for row in tx.rows("pull_requests_of", run_id=run_id)]


def output(tx: Transaction, run_id: str) -> RunOutput | None:
    """Return how a run ended and the last of what it wrote; None where nobody said."""
    row = tx.row("output_of", run_id=run_id)
    return None if row is None else RunOutput(**row)

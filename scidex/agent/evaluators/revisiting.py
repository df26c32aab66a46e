"""Looks again at pull requests that were open, and attests what became of them."""

from __future__ import annotations

from typing import NamedTuple

from scidex.agent.evaluators.pull_requests import PullRequestEvaluator
from scidex.errors import ScidexError
from scidex.exchange import compute_auction, runs
from scidex.records import PullRequest
from scidex.store import Database


class Revisited(NamedTuple):
    """A pull request as it was seen now, and what was attested of it or why nothing was."""

    run_id: str
    url: str
    state: str
    checks: str
    note: str


def revisit(evaluator: PullRequestEvaluator, *, limit: int = 100, db: Database) -> list[Revisited]:
    """
    Return what became of the pull requests not looked at for longest, at most `limit`.

    Each is attested once, to the run that named it first; what cannot be read, or attested, is said in its note.
    """
    return [_revisit(evaluator, known, db) for known in runs.list_pull_requests(limit=limit, db=db)]


def _revisit(evaluator: PullRequestEvaluator, known: PullRequest, db: Database) -> Revisited:
    try:
        seen = evaluator.pull_requests.see(known.url)
    except (OSError, ValueError) as error:
        return Revisited(known.run_id, known.url, known.state, known.checks, f"not seen: gh {error}")
    try:
        # Attested before it is kept: where that fails it stays open, and is looked at again.
        note = _attest(evaluator, known, evaluator.worth(seen), db)
        runs.record_pull_request(known.run_id, **seen._asdict(), db=db)
    except ScidexError as refusal:
        note = f"not attested: {refusal}"
    return Revisited(known.run_id, known.url, seen.state, seen.checks, note)


def _attest(evaluator: PullRequestEvaluator, known: PullRequest, usd: float | None, db: Database) -> str:
    if usd is None:
        return "not known yet"
    if known.counts_for != known.run_id:
        return f"counts for {known.counts_for}"
    if not runs.is_sale(known.run_id, db=db):
        return "was run without a sale, which earns nothing"
    compute_auction.attest(known.run_id, actual_impact=usd, attested_by=evaluator.attester_id, db=db)
    return f"attested {usd:,.2f} USD"

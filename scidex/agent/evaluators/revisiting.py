"""Looks again at pull requests after their runs, and attests what became of them."""

from __future__ import annotations

from typing import NamedTuple

from scidex.agent.evaluators.github import Facts, address_of
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


def revisit(
    evaluator: PullRequestEvaluator, *, limit: int = 100, merged_days: float = 14.0, db: Database
) -> list[Revisited]:
    """
    Return what became of the pull requests not looked at for longest, at most `limit`.

    Those are looked at that were open, and those that were merged in the last `merged_days`, since some are reverted.
    Each is attested to the run that named it first; what cannot be read, or attested, is said in its note.
    """
    found = runs.list_pull_requests(limit=limit, merged_days=merged_days, db=db)
    return [_revisit(evaluator, known, db) for known in found]


def _revisit(evaluator: PullRequestEvaluator, known: PullRequest, db: Database) -> Revisited:
    try:
        facts = evaluator.pull_requests.see(address_of(known.url))
    except (OSError, ValueError) as error:
        return Revisited(known.run_id, known.url, known.state, known.checks, f"not seen: gh {error}")
    seen = facts.seen._replace(url=known.url)
    try:
        # Attested before it is kept: where that fails it stays open, and is looked at again.
        note = _attest(evaluator, known, facts, db)
        if not facts.is_unclear:
            runs.record_pull_request(known.run_id, **seen._asdict(), db=db)
    except ScidexError as refusal:
        note = f"not attested: {refusal}"
    return Revisited(known.run_id, known.url, "reverted" if facts.is_reverted else seen.state, seen.checks, note)


def _attest(evaluator: PullRequestEvaluator, known: PullRequest, facts: Facts, db: Database) -> str:
    usd = evaluator.worth(facts)
    if usd is None:
        return "closed by a bot that does not say whether it was merged" if facts.is_unclear else "not known yet"
    if known.counts_for != known.run_id:
        return f"counts for {known.counts_for}"
    clear = runs.get_sale(known.run_id, db=db)
    if clear is None:
        return "was run outside the auction, which earns nothing"
    if clear.actual_impact == usd and clear.attested_by == evaluator.attester_id:
        return f"{usd:,.2f} USD, as attested before"
    compute_auction.attest(known.run_id, actual_impact=usd, attested_by=evaluator.attester_id, db=db)
    return f"attested {usd:,.2f} USD"

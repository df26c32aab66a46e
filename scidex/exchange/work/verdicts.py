"""Verdicts on runs: what counts as one, until when it is waited for, and how long an evaluator takes."""

from __future__ import annotations

from datetime import datetime, timedelta

from scidex.errors import UnknownAccount
from scidex.exchange.book.market_settings import BARE
from scidex.profiles import Profile, profile_named
from scidex.records import EvaluatorTerms
from scidex.store.database import Transaction
from scidex.store.db_writes import Work, effect


def is_verdict(actual_impact: float | None, attested_by: str | None) -> bool:
    """Return whether an impact is the word of an evaluator, and not the bidder's own or nobody's."""
    return actual_impact is not None and attested_by is not None


def end_of_horizon(work: Work, profile: Profile | None, evaluator_id: str | None) -> datetime:
    """Return until when a run that is settled now may still be judged, by its evaluator's time or its pool's."""
    # In journals that leave it out nobody waited for a verdict.
    if work.leaves_out("attest_within_hours"):
        return work.now
    hours = work.make_up("attest_within_hours", lambda: _hours(work.tx, profile, evaluator_id))
    return work.now + timedelta(hours=hours)


@effect("set_evaluator")
def set_evaluator(work: Work, *, evaluator_id: str, attest_within_hours: float) -> EvaluatorTerms:
    """Say how long after a run was settled an evaluator may still judge it."""
    account = work.tx.row("account", account_id=evaluator_id)
    if account is None or account["kind"] != "evaluator":
        raise UnknownAccount(field="evaluator_id", account_id=evaluator_id)
    work.tx.run("save_evaluator", evaluator_id=evaluator_id, attest_within_hours=attest_within_hours, now=work.now)
    return EvaluatorTerms(evaluator_id, attest_within_hours, work.now)


def _hours(tx: Transaction, profile: Profile | None, evaluator_id: str | None) -> float:
    own = None if evaluator_id is None else tx.row("evaluator", evaluator_id=evaluator_id)
    return float((profile or profile_named(BARE)).attest_within_hours if own is None else own["attest_within_hours"])

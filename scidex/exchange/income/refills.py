"""Refills for attested impact: issued to the account that paid for the slot, and taken back when it is revised."""

from __future__ import annotations

from typing import TypedDict

from scidex.exchange.ledger.wallets import Move, Wallet
from scidex.exchange.ledger.wallets import transfer as transfer_between
from scidex.money.refill import refill_due, revise
from scidex.profiles import Profile
from scidex.records import Clear, Transfer
from scidex.settings import ISSUANCE, MOST_TOKENS, Settings
from scidex.store.database import Transaction
from scidex.store.db_writes import Work


class RefillTerms(TypedDict):
    """What impact is worth: the settings that a settlement and an attestation depend on."""

    tokens_per_usd: int
    refill_percent: int


def terms(settings: Settings) -> RefillTerms:
    """Return the terms of now, to be journaled with what they apply to."""
    return RefillTerms(tokens_per_usd=settings.tokens_per_usd, refill_percent=settings.refill_percent)


def due_for(clear: Clear, terms: RefillTerms) -> int:
    """Return the refill that a settled slot is due by the present word on its impact."""
    attested = clear.actual_impact if clear.attested_by is not None else None
    return refill_due(attested, **terms)


def terms_of(tx: Transaction, clear: Clear, terms: RefillTerms, profile: Profile | None) -> RefillTerms:
    """
    Return the terms of a slot's refill: those of its pool where it was configured, else the process's own.

    A slot that was refilled before its pool stopped refilling keeps the process's terms: a later word on its impact
    must not take back what was earned rightly.
    """
    if profile is None or (profile.refill_percent == 0 and tx.rows("refills_of", slot_id=clear.slot_id)):
        return terms
    return {**terms, "refill_percent": profile.refill_percent}


def refill(work: Work, locked: dict[str, Wallet], clear: Clear, due: int, *, revision: int) -> list[Transfer]:
    """Issue or take back, between locked wallets, what a new word on a slot's impact changes; return the transfers."""
    account_id, tx = clear.bidder_id, work.tx
    before = tx.rows("refills_of", slot_id=clear.slot_id)
    owed = tx.row("arrears_of", account_id=account_id)
    due_before = before[-1]["due_tokens"] if before else 0
    # No more than can be counted exactly: an impact without bounds must not keep a slot from being settled.
    due = min(due, due_before + MOST_TOKENS + locked[ISSUANCE].balance)
    assert min(due, due_before) >= 0, "impact earns at least nothing"
    change = revise(
        due_before=due_before,
        due_now=due,
        available=locked[account_id].available,
        arrears=owed["owed_tokens"] if owed else 0,
    )
    assert min(change) >= 0, "tokens come, go or are owed"
    assert change.burnt_tokens <= locked[account_id].available + change.minted_tokens, "what is held is not taken back"
    moves = [
        Move(ISSUANCE, account_id, change.minted_tokens, f"refill {clear.slot_id}"),
        Move(account_id, ISSUANCE, change.burnt_tokens, f"refill taken back {clear.slot_id}"),
    ]
    made = transfer_between(work, locked, [move for move in moves if move.amount_tokens > 0])
    if due != due_before:
        facts = {"slot_id": clear.slot_id, "revision": revision, "account_id": account_id, "due_tokens": due}
        moved = {"minted_tokens": change.minted_tokens, "burnt_tokens": change.burnt_tokens}
        tx.run("append_refill", **facts, **moved, arrears_after=change.arrears_tokens, made_at=work.now)
        tx.run("save_arrears", account_id=account_id, owed_tokens=change.arrears_tokens)
    return made

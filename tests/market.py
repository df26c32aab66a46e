"""A small market to tell stories with: short verbs, one day, and a proof of the books at the end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from scidex.exchange import backlog, compute_auction, token_ledger
from scidex.records import Ask, Bid, Clear, Round
from scidex.store import Database
from tests.databases import assert_books_are_right, assert_journal_tells_all
from tests.raw_sql import query

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
TREASURY = "system:treasury"


def after(minutes: float) -> datetime:
    """An instant so many minutes past noon."""
    return NOON + timedelta(minutes=minutes)


def fund(db: Database, tokens: int, *account_ids: str, **identity: Any) -> None:
    """Open accounts with so many tokens each."""
    for account_id in account_ids:
        token_ledger.create_account(account_id, **identity, now=NOON, db=db)
        if tokens:
            token_ledger.mint(account_id, tokens, now=NOON, db=db)


def bid(db: Database, bidder_id: str, task_id: str, tokens: int, **terms: Any) -> Bid:
    """Bid at noon."""
    return compute_auction.place_bid(bidder_id, task_id, tokens, **{"now": NOON, **terms}, db=db)


def offer(db: Database, count: int = 1, **terms: Any) -> list[Ask]:
    """Offer slots at noon."""
    return compute_auction.offer_slots(count, **{"now": NOON, **terms}, db=db)


def clear(db: Database, at: datetime = NOON, **terms: Any) -> Round:
    """Clear at noon, or later."""
    return compute_auction.clear_round(at, **terms, db=db)


def settle(db: Database, slot: Clear | Ask | str, cost: int = 1, impact: float | None = None, **terms: Any) -> Clear:
    """Settle a slot at noon."""
    slot_id = slot if isinstance(slot, str) else slot.slot_id
    return compute_auction.settle(slot_id, cost, impact, **{"now": NOON, **terms}, db=db)


def void(db: Database, slot: Clear | Ask | str, **terms: Any) -> Clear:
    """Void a slot at noon."""
    slot_id = slot if isinstance(slot, str) else slot.slot_id
    return compute_auction.void(slot_id, **{"now": NOON, **terms}, db=db)


def wallet(db: Database, account_id: str) -> tuple[int, int]:
    """An account's balance, and what of it is held."""
    balance = token_ledger.get_balance(account_id, db=db)
    return balance.balance, balance.held


def available(db: Database, account_id: str) -> int:
    """Tokens that an account may spend."""
    return token_ledger.get_balance(account_id, db=db).available


def status(db: Database, one: Bid) -> str:
    """Where a bid stands now."""
    return compute_auction.get_bid(one.id, db=db).status


def won_tasks(cleared: Round) -> set[str]:
    """The tasks that won a slot in a round."""
    return {clear.winning_task_id for clear in cleared.clears}


def prices(cleared: Round) -> dict[str, int]:
    """What each task that won pays."""
    return {clear.winning_task_id: clear.clearing_price_tokens for clear in cleared.clears}


def know_task(db: Database, task_id: str, status: str, *, account_id: str) -> None:
    """Let the backlog know a task of a quest that pays from this account, and bring it to a status."""
    backlog.add_quest(f"quest of {task_id}", account_id=account_id, now=NOON, db=db)
    waits_for = []
    if status == "blocked":
        backlog.add_task(f"{task_id} waits for this", f"quest of {task_id}", now=NOON, db=db)
        waits_for = [f"{task_id} waits for this"]
    backlog.add_task(task_id, f"quest of {task_id}", depends_on=waits_for, now=NOON, db=db)
    if status in ("done", "failed"):
        backlog.set_task_status(task_id, status, now=NOON, db=db)


def prove(db: Database) -> None:
    """Assert that the books are right, that rounds are chained by their digests, and that the journal tells all."""
    assert_books_are_right(db)
    last: dict[str, str] = {}
    for row in query(db, "SELECT pool, digest, previous_digest FROM compute_auction_rounds ORDER BY round_id"):
        assert row["previous_digest"] == last.get(row["pool"], "")
        last[row["pool"]] = row["digest"]
    assert_journal_tells_all(db)

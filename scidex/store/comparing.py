"""Whether two databases hold the same: every row of every table that the journal tells of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from scidex.errors import shown
from scidex.store.database import Transaction, text_of

TABLES = (
    "all_of_api_key_uses",
    "all_of_api_keys",
    "all_of_attested_impacts",
    "all_of_bidder_calibrations",
    "all_of_breakers",
    "all_of_compute_auction_asks",
    "all_of_compute_auction_attestations",
    "all_of_compute_auction_bids",
    "all_of_compute_auction_book_counts",
    "all_of_compute_auction_clears",
    "all_of_compute_auction_pools",
    "all_of_compute_auction_rounds",
    "all_of_declared_allowances",
    "all_of_evaluators",
    "all_of_floor_gifts",
    "all_of_idempotency_keys",
    "all_of_income_parts",
    "all_of_income_runs",
    "all_of_income_shares",
    "all_of_journal",
    "all_of_leases",
    "all_of_market_cycles",
    "all_of_market_floors",
    "all_of_market_mode_switches",
    "all_of_market_price_levels",
    "all_of_market_settings",
    "all_of_quest_budget_allocations",
    "all_of_quest_pacing",
    "all_of_quest_waits",
    "all_of_quests",
    "all_of_refused_attempts",
    "all_of_run_endings",
    "all_of_run_outputs",
    "all_of_run_pull_requests",
    "all_of_run_usages",
    "all_of_task_assignments",
    "all_of_task_dependencies",
    "all_of_task_losses",
    "all_of_tasks",
    "all_of_token_accounts",
    "all_of_token_arrears",
    "all_of_token_bid_holds",
    "all_of_token_refills",
    "all_of_token_transfers",
    "all_of_worker_failures",
    "all_of_worker_slots",
    "all_of_workers",
)
"""The statements that read these tables; left out is what each database keeps in its own way, or for a moment."""


def differences(one: Transaction, other: Transaction) -> Iterator[str]:
    """Name each table whose rows differ between two databases of any kind, with how many and the first."""
    for statement in TABLES:
        here, there = _rows(one, statement), _rows(other, statement)
        differing = sorted({repr(row[0]) for row in ((here - there) + (there - here)).elements()})
        if differing:
            table = statement.removeprefix("all_of_")
            yield f"{table}: rows that differ: {len(differing)}, the first {shown(differing[0])}"


def _rows(tx: Transaction, statement: str) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(map(_plain, row)) for row in tx.tuples(statement))


def _plain(value: Any) -> Any:
    # SQLite keeps instants as the text that this makes of them.
    return text_of(value) if isinstance(value, datetime) else value

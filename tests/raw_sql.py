"""Reads and changes a market's tables behind the exchange's back: to see what is stored, and to tamper with it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import psycopg
from psycopg.rows import dict_row

from scidex.store import Database

TABLES = (
    "token_accounts",
    "token_transfers",
    "token_bid_holds",
    "idempotency_keys",
    "journal",
    "compute_auction_pools",
    "compute_auction_asks",
    "compute_auction_bids",
    "compute_auction_book_counts",
    "compute_auction_rounds",
    "compute_auction_clears",
    "compute_auction_attestations",
    "quests",
    "tasks",
    "task_dependencies",
    "task_assignments",
    "quest_budget_allocations",
    "income_runs",
    "token_refills",
    "token_arrears",
    "market_cycles",
    "market_mode_switches",
)


def query(db: Database, sql: str) -> list[dict[str, Any]]:
    """The rows of a statement."""
    if db.dialect == "postgres":
        with psycopg.connect(db.url, row_factory=dict_row) as connection:
            return connection.execute(sql).fetchall()
    with closing(sqlite3.connect(_path(db))) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(sql)]


def change(db: Database, sql: str) -> None:
    """Run statements past the exchange, as a person with the database's password might."""
    if db.dialect == "postgres":
        with psycopg.connect(db.url) as connection:
            connection.execute(sql)
        return
    with closing(sqlite3.connect(_path(db))) as connection:
        connection.executescript(f"BEGIN; {sql}; COMMIT;")


def row_counts(db: Database) -> dict[str, int]:
    """How many rows each table has."""
    counted = ", ".join(f"(SELECT COUNT(*) FROM {table}) AS {table}" for table in TABLES)
    return query(db, f"SELECT {counted}")[0]


def contents(db: Database) -> dict[str, list[str]]:
    """Every row of every table that a replay must rebuild, in an order of its own."""
    return {table: sorted(_plain(row) for row in query(db, f"SELECT * FROM {table}")) for table in TABLES}


def _plain(row: dict[str, Any]) -> str:
    return repr({name: _text(value) if name.endswith("_at") else value for name, value in sorted(row.items())})


def _text(instant: Any) -> str | None:
    return instant if instant is None or isinstance(instant, str) else instant.isoformat(timespec="microseconds")


def _path(db: Database) -> str:
    return db.url.removeprefix("sqlite:///")

"""Statements behind the exchange's back: to see what is stored, and to tamper with it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import psycopg
from psycopg.rows import dict_row

from scidex.store import Database
from tests.databases import contents, path_of


def query(db: Database, sql: str) -> list[dict[str, Any]]:
    """The rows of a statement."""
    if db.dialect == "postgres":
        with psycopg.connect(db.url, row_factory=dict_row) as connection:
            return connection.execute(sql).fetchall()
    with closing(sqlite3.connect(path_of(db))) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(sql)]


def change(db: Database, sql: str) -> None:
    """Run statements past the exchange and past its guards, as a person with the database owner's password might."""
    if db.dialect == "postgres":
        with psycopg.connect(db.url) as connection:
            guarded = connection.execute(
                "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
            ).fetchall()
            for word, statement in (("DISABLE", sql), ("ENABLE", "")):
                for (table,) in guarded:
                    connection.execute(f"ALTER TABLE {table} {word} TRIGGER USER".encode())
                connection.execute(statement.encode())
        return
    with closing(sqlite3.connect(path_of(db))) as connection:
        guards = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        without = "".join(f"DROP TRIGGER {name}; " for name, _ in guards)
        connection.executescript(f"BEGIN; {without}{sql}; {''.join(f'{made};' for _, made in guards)} COMMIT;")


def row_counts(db: Database) -> dict[str, int]:
    """How many rows each table has."""
    return {table: len(rows) for table, rows in contents(db).items()}

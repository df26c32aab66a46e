"""Looking into a market's database from outside its verbs: its rows, its shape, and whether its books are right."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from scidex.exchange import compute_auction, token_ledger
from scidex.store import Database, connect
from scidex.store.db_writes import UNJOURNALED_TABLES, replay
from scidex.store.migrate import migrate

# What the dialects keep in their own way: migrations (some are for one alone), number series, what planners know.
# Beside them what is told for a moment and not journaled.
OWN_TABLES = {"schema_migrations", "number_series", "sqlite_stat1", *UNJOURNALED_TABLES}

_COLUMNS = {
    "sqlite": """
        SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c
        WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%'""",
    "postgres": """
        SELECT c.table_name, c.column_name FROM information_schema.columns c
        JOIN pg_tables t ON t.tablename = c.table_name AND t.schemaname = c.table_schema
        WHERE c.table_schema = 'public'""",
}


@contextmanager
def peeking(db: Database) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """Lend a way to run queries that no verb needs, all on one view of the database."""
    if db.dialect == "postgres":
        with psycopg.connect(db.url) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            yield lambda sql, *values: connection.execute(sql, values or None).fetchall()
    else:
        with db.reading() as tx:  # a market in memory has this one connection
            yield lambda sql, *values: tx._connection.execute(sql, values).fetchall()


def query(db: Database, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run a query that no verb needs."""
    with peeking(db) as ask:
        return ask(sql, *values)


def contents(db: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table, in one order and with one form of time for both dialects."""
    with peeking(db) as ask:
        return {
            table: sorted((_plain(row) for row in ask(f"SELECT {columns} FROM {table}")), key=repr)
            for table, columns in _tables(ask, db.dialect).items()
        }


_known: dict[str, dict[str, str]] = {}


def _tables(ask: Callable[..., list[tuple[Any, ...]]], dialect: str) -> dict[str, str]:
    """Return each table's columns in one order; asked once, since all databases of a dialect have the same."""
    if dialect not in _known:
        columns: dict[str, list[str]] = {}
        for table, column in ask(_COLUMNS[dialect]):
            columns.setdefault(table, []).append(column)
        assert "journal" in columns, "the first database asked has no schema"
        _known[dialect] = {
            table: ", ".join(sorted(names)) for table, names in columns.items() if table not in OWN_TABLES
        }
    return _known[dialect]


def _plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(
        value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else value
        for value in row
    )


def keep_rows(keeper: psycopg.Connection[Any]) -> bytes:
    """
    Keep the rows of a PostgreSQL database, and where its sequences stand; return the statements that put them back.

    That takes far less than a new database does, and less than TRUNCATE, which makes every table's files anew.
    """
    tables = [
        name
        for (name,) in keeper.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY oid"
        )
    ]
    keeper.execute("CREATE SCHEMA kept")
    for table in tables:
        keeper.execute(f"CREATE TABLE kept.{table} AS TABLE public.{table}".encode())
    full = [table for table in tables if keeper.execute(f"SELECT 1 FROM kept.{table} LIMIT 1".encode()).fetchone()]
    statements = [
        # Without triggers and checks of foreign keys where that is allowed, and in an order that they agree to.
        "SELECT set_config('session_replication_role', 'replica', true) WHERE current_setting('is_superuser')::bool",
        *(f"DELETE FROM public.{table}" for table in reversed(tables)),
        *(f"INSERT INTO public.{table} SELECT * FROM kept.{table}" for table in full),
        *(_standing(keeper, sequence) for (sequence,) in keeper.execute(_SEQUENCES).fetchall()),
    ]

    return ";".join(statements).encode()


_SEQUENCES = "SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'"


def _standing(keeper: psycopg.Connection[Any], sequence: str) -> str:
    """Return the statement that sets a sequence to where it stands now."""
    row = keeper.execute(f"SELECT last_value, is_called FROM public.{sequence}".encode()).fetchone()
    assert row is not None
    return f"SELECT setval('public.{sequence}', {row[0]}, {row[1]})"


def differences(one: Database, other: Database) -> list[str]:
    """Name the rows that one of two databases has and the other has not."""
    here, there = contents(one), contents(other)
    found = []
    for table in sorted(here.keys() | there.keys()):
        mine, yours = set(map(repr, here.get(table, []))), set(map(repr, there.get(table, [])))
        found += [f"{table}: only the first has {row}" for row in sorted(mine - yours)[:5]]
        found += [f"{table}: only the second has {row}" for row in sorted(yours - mine)[:5]]
        if len(here.get(table, [])) != len(there.get(table, [])):
            found.append(f"{table}: {len(here.get(table, []))} rows against {len(there.get(table, []))}")
    return found


@contextmanager
def replayed(db: Database, into: str = "sqlite:///:memory:") -> Iterator[Database]:
    """Lend a database made anew from the journal of another."""
    with connect(into) as again:
        migrate(again)
        replay(db, again)
        yield again


def assert_books_are_right(db: Database) -> None:
    """Assert what must hold of any market's database at any moment."""
    report = token_ledger.verify(db)
    assert report.ok, report.problems
    for (round_id,) in query(db, "SELECT round_id FROM compute_auction_rounds ORDER BY round_id"):
        assert compute_auction.recompute(round_id, db=db).round_id == round_id


def assert_journal_tells_all(db: Database, into: str = "sqlite:///:memory:") -> None:
    """Assert that replaying the journal into an empty database rebuilds the very same tables."""
    with replayed(db, into) as again:
        found = differences(db, again)
        assert not found, "\n".join(found)


# --- the shape of a database


def shape(db: Database) -> dict[str, Any]:
    """Return all that a schema says, in a form in which the same schema made in another way is equal."""
    return _sqlite_shape(db) if db.dialect == "sqlite" else _postgres_shape(db)


def _sqlite_shape(db: Database) -> dict[str, Any]:
    made = {}
    for kind, name, sql in query(
        db, "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%'"
    ):
        made[f"{kind} {name}"] = _one_spelling(sql)
    return made


def _one_spelling(sql: str) -> str:
    sql = re.sub(r"--[^\n]*", "", sql).replace("IF NOT EXISTS ", "")
    # A column that was added stands behind a comma with a space before it.
    return re.sub(r"\s+", " ", sql).replace("( ", "(").replace(" )", ")").replace(" ,", ",").strip()


_POSTGRES_SHAPE = {
    "columns": """
        SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name
        FROM information_schema.columns WHERE table_schema = 'public'""",
    "constraints": """
        SELECT c.conrelid::regclass::text, c.conname, pg_get_constraintdef(c.oid)
        FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace WHERE n.nspname = 'public'""",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "views": "SELECT viewname, definition FROM pg_views WHERE schemaname = 'public'",
    "sequences": """
        SELECT sequencename, data_type::text, start_value, increment_by, cycle
        FROM pg_sequences WHERE schemaname = 'public'""",
}


def _postgres_shape(db: Database) -> dict[str, Any]:
    return {part: sorted(map(repr, query(db, sql))) for part, sql in _POSTGRES_SHAPE.items()}


def path_of(db: Database) -> Path:
    """Return the file of a SQLite database."""
    return Path(db.url.removeprefix("sqlite:///"))

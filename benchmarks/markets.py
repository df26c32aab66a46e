"""Databases to measure on: empty markets, and bare tables beside them that show what the database itself can do."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from scidex.exchange import compute_auction, token_ledger
from scidex.store import Database, connect
from tests.postgres_server import PostgresServer, database_name

_PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "cache_size = -65536", "wal_autocheckpoint = 4096")

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@contextmanager
def sqlite_market(folder: Path) -> Iterator[Database]:
    """An open market in a new SQLite file."""
    with tempfile.TemporaryDirectory(dir=folder) as place, connect(f"sqlite:///{place}/market.db") as db:
        compute_auction.ensure_schema(db=db)
        yield db


@contextmanager
def postgres_market(server: PostgresServer) -> Iterator[Database]:
    """An open market in a new PostgreSQL database."""
    with server.new_database() as dsn, connect(dsn) as db:
        compute_auction.ensure_schema(db=db)
        yield db


Lender = Callable[[], AbstractContextManager[Database]]
"""Lends a copy of a market that was filled once, as it was then."""


@contextmanager
def sqlite_copies(folder: Path, fill: Callable[[Database], None]) -> Iterator[Lender]:
    """Fill a market in a SQLite file, and lend copies of it."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        filled = Path(place) / "filled.db"
        with connect(f"sqlite:///{filled}") as db:
            compute_auction.ensure_schema(db=db)
            fill(db)

        @contextmanager
        def lend() -> Iterator[Database]:
            with tempfile.TemporaryDirectory(dir=folder) as own:
                shutil.copy(filled, f"{own}/market.db")
                with connect(f"sqlite:///{own}/market.db") as db:
                    yield db

        yield lend


@contextmanager
def postgres_copies(server: PostgresServer, fill: Callable[[Database], None]) -> Iterator[Lender]:
    """Fill a market in a PostgreSQL database, and lend copies of it."""
    with server.new_database() as filled:
        with connect(filled) as db:
            compute_auction.ensure_schema(db=db)
            fill(db)

        @contextmanager
        def lend() -> Iterator[Database]:
            with server.new_database(template=database_name(filled)) as dsn, connect(dsn) as db:
                yield db

        yield lend


def open_wallets(db: Database, count: int, tokens: int = 10**12) -> list[str]:
    """Open wallets with tokens in them, and return their ids."""
    names = [f"agent-{number}" for number in range(count)]
    for name in names:
        token_ledger.create_account(name, db=db, now=NOW)
        token_ledger.mint(name, tokens, db=db, now=NOW)
    return names


class Bare:
    """A connection of its own to a market's database, for what the database can do without the market."""

    def __init__(self, db: Database) -> None:
        self.dialect = db.dialect
        self._connection: Any
        if db.dialect == "sqlite":
            path = db.url.removeprefix("sqlite:///")
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=60)
            # As the market's own connection has them.
            for pragma in _PRAGMAS:
                self._connection.execute(f"PRAGMA {pragma}")
        else:
            self._connection = psycopg.connect(db.url, autocommit=True)

    def run(self, sql: str, values: Any = ()) -> Any:
        """Run a statement, written with `?` for its values."""
        return self._connection.execute(self._spelled(sql), values)

    def run_many(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        """Run a statement for each row in one commit."""
        if self.dialect == "sqlite":
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(sql, rows)
            self._connection.execute("COMMIT")
        else:
            with self._connection.transaction(), self._connection.cursor() as cursor:
                cursor.executemany(self._spelled(sql), rows)

    def _spelled(self, sql: str) -> str:
        return sql if self.dialect == "sqlite" else sql.replace("?", "%s")

    def settle(self) -> None:
        """Let nothing of what was written before be paid for by what is measured next."""
        if self.dialect == "sqlite":
            self.run("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def debit(self, tokens: int, wallets: list[str]) -> None:
        """Take tokens from wallets of `bare_wallets`, once for each time that a wallet is named."""
        if self.dialect == "sqlite":
            rows = [(tokens, wallet) for wallet in wallets]
            self._connection.executemany("UPDATE bare_wallets SET balance = balance - ? WHERE id = ?", rows)
        else:
            self.run(
                "UPDATE bare_wallets SET balance = balance - CAST(? AS bigint) * named.times"
                " FROM (SELECT id, COUNT(*) AS times FROM unnest(CAST(? AS text[])) AS each (id) GROUP BY id) AS named"
                " WHERE bare_wallets.id = named.id",
                (tokens, wallets),
            )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

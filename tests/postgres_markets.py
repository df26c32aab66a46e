"""Lends PostgreSQL databases with an open market, and cleans them for the next test: far quicker than making one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import psycopg
from psycopg import sql

from scidex.errors import ScidexError
from scidex.exchange import compute_auction
from scidex.store import connect
from tests.postgres_server import PostgresServer

# Whatever a test may have done to the schema shows in one of these.
_SHAPE = """
    SELECT md5(string_agg(line, '|' ORDER BY line)) FROM (
        SELECT concat(c.oid, c.relkind, c.relacl) AS line FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace
        UNION ALL SELECT concat(a.attrelid, a.attname, a.atttypid, a.attnotnull) FROM pg_attribute a
            JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = 'public'::regnamespace
        UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT tgname::text FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT concat(setdatabase, setconfig) FROM pg_db_role_setting
    ) AS lines"""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migrations'"
_SEQUENCES = "SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'"


class PostgresMarkets:
    """Databases made from one template, lent to one test after another."""

    def __init__(self, server: PostgresServer, template: str) -> None:
        self._server = server
        self._template = template
        self._free: list[tuple[str, str]] = []

    def __enter__(self) -> PostgresMarkets:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for dsn, _ in self._free:
            self._server.drop_database(dsn)

    @contextmanager
    def lend(self) -> Iterator[str]:
        """Lend the address of a database that nobody else uses."""
        dsn, shape = self._free.pop() if self._free else self._made()
        try:
            yield dsn
        finally:
            if self._cleaned(dsn, shape):
                self._free.append((dsn, shape))
            else:
                self._server.drop_database(dsn)

    def _made(self) -> tuple[str, str]:
        dsn = self._server.create_database(template=self._template)
        with psycopg.connect(dsn) as connection:
            return dsn, _shape(connection)

    def _cleaned(self, dsn: str, shape: str) -> bool:
        """Empty a database and open its market again; return whether it is then as it was made."""
        try:
            with psycopg.connect(dsn, options="-c lock_timeout=2000") as connection:
                if _shape(connection) != shape:
                    return False
                # Foreign keys would ask for an order of the tables.
                connection.execute("SET session_replication_role = replica")
                for (table,) in connection.execute(_TABLES).fetchall():
                    connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
                for (sequence,) in connection.execute(_SEQUENCES).fetchall():
                    connection.execute("SELECT setval(%s::regclass, 1, false)", (sequence,))
            with connect(dsn) as db:
                compute_auction.ensure_schema(db=db)
        except (psycopg.Error, ScidexError):
            return False
        return True


def _shape(connection: psycopg.Connection) -> str:
    row = connection.execute(_SHAPE).fetchone()
    assert row is not None
    return str(row[0])

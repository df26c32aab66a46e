"""Lends PostgreSQL databases with an open market, and cleans them for the next test: far quicker than making one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import NamedTuple

import psycopg

from tests.databases import keep_rows
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


class Market(NamedTuple):
    """A database, its shape, and what puts its rows back."""

    dsn: str
    shape: str
    put_back: bytes


class PostgresMarkets:
    """Databases made from one template, lent to one test after another."""

    def __init__(self, server: PostgresServer, template: str) -> None:
        self._server = server
        self._template = template
        self._free: list[Market] = []

    def __enter__(self) -> PostgresMarkets:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for market in self._free:
            self._server.drop_database(market.dsn)

    @contextmanager
    def lend(self) -> Iterator[str]:
        """Lend the address of a database that nobody else uses."""
        market = self._free.pop() if self._free else self._made()
        try:
            yield market.dsn
        finally:
            if _cleaned(market):
                self._free.append(market)
            else:
                self._server.drop_database(market.dsn)

    def _made(self) -> Market:
        dsn = self._server.create_database(template=self._template)
        with psycopg.connect(dsn) as connection:
            return Market(dsn, _shape(connection), keep_rows(connection))


def _cleaned(market: Market) -> bool:
    """Put a database's rows back; return whether it is then as it was made."""
    try:
        with psycopg.connect(market.dsn, options="-c lock_timeout=2000") as connection:
            if _shape(connection) != market.shape:
                return False
            connection.execute(market.put_back)
    except psycopg.Error:
        return False
    return True


def _shape(connection: psycopg.Connection) -> str:
    row = connection.execute(_SHAPE).fetchone()
    assert row is not None
    return str(row[0])

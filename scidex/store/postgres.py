"""PostgreSQL: a pool of connections, locks by name, and a deadline for every call."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from scidex.errors import DatabaseBusy, DatabaseUnavailable, InvalidDatabaseUrl, ScidexError, StoreError
from scidex.store.database import Database, Result, Row, Transaction, columns_of
from scidex.store.statements import load

# Losing a race (a deadlock, a serialization failure, a row that another got first) is tried again this often.
_MOST_ATTEMPTS = 8
_RACES = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.UniqueViolation,
    psycopg.errors.LockNotAvailable,
)


class PostgresTransaction(Transaction):
    """Named statements on one PostgreSQL connection."""

    dialect = "postgres"

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._statements = load("postgres")
        self._named = connection.cursor(row_factory=dict_row)
        self._bare = connection.cursor()

    def rows(self, statement: str, /, **arguments: Any) -> list[dict[str, Any]]:
        return self._named.execute(self._statements[statement].sql, arguments).fetchall()

    def tuples(self, statement: str, /, **arguments: Any) -> list[tuple[Any, ...]]:
        return self._bare.execute(self._statements[statement].sql, arguments).fetchall()

    def run(self, statement: str, /, **arguments: Any) -> int:
        return self._bare.execute(self._statements[statement].sql, arguments).rowcount

    def run_many(self, statement: str, rows: Sequence[Row], /) -> None:
        if not rows:
            return
        known = self._statements[statement]
        if known.takes_columns:
            self._bare.execute(known.sql, columns_of(rows))
        else:
            self._bare.executemany(known.sql, rows)

    def draw_numbers(self, series: str, count: int) -> list[int]:
        return [row[0] for row in self.tuples("draw_numbers", series=series, count=count)]

    def note_numbers(self, series: str, last: int) -> None:
        self.rows("note_numbers", series=series, last=last)

    def lock(self, names: Iterable[str], *, shared: bool) -> None:
        statement = "lock_shared" if shared else "lock_exclusive"
        # In the order of the names: two transactions that want the same locks then queue, and never deadlock.
        for name in sorted(names):
            self.rows(statement, name=name)

    def gather(self, calls: Sequence[tuple[str, Row]]) -> list[list[dict[str, Any]]]:
        cursors = [self._connection.cursor(row_factory=dict_row) for _ in calls]
        with self._connection.pipeline():
            for cursor, (statement, arguments) in zip(cursors, calls, strict=True):
                cursor.execute(self._statements[statement].sql, arguments)
        return [cursor.fetchall() if cursor.description else [] for cursor in cursors]

    def script(self, sql: str) -> None:
        self._connection.execute(sql)


class PostgresDatabase(Database):
    """A market in one PostgreSQL database, shared by any number of processes."""

    dialect = "postgres"

    def __init__(self, url: str, *, connections: int, deadline_seconds: float) -> None:
        self.url = url
        self._deadline_seconds = deadline_seconds
        self._watch = _DeadlineWatch()
        milliseconds = int(deadline_seconds * 1000)
        options = (
            "-c TimeZone=UTC -c default_transaction_isolation=read\\ committed"
            f" -c statement_timeout={milliseconds} -c idle_in_transaction_session_timeout={2 * milliseconds}"
        )
        try:
            psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.ProgrammingError as error:
            raise InvalidDatabaseUrl(field="database_url", fact=str(error).strip()) from error
        self._pool = ConnectionPool(
            url,
            kwargs={
                "options": options,
                "connect_timeout": max(2, int(deadline_seconds)),
                "tcp_user_timeout": milliseconds,
                "keepalives_idle": 10,
                "prepare_threshold": 2,
            },
            min_size=0,
            max_size=connections,
            timeout=deadline_seconds,
            open=True,
            check=None,
            name="scidex",
        )

    def write(self, work: Callable[[Transaction], Result]) -> Result:
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            try:
                with self._connected() as connection, connection.transaction():
                    return work(PostgresTransaction(connection))
            except _RACES as error:
                if attempt == _MOST_ATTEMPTS:
                    raise DatabaseBusy(fact=_first_line(error)) from error
                # Waits grow and differ, so that two who collided do not collide again.
                time.sleep(random.uniform(0, 0.002 * 2**attempt))
            except psycopg.Error as error:
                raise _refusal(error) from error
        raise AssertionError("unreachable")

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        try:
            with self._connected() as connection, connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                yield PostgresTransaction(connection)
        except psycopg.Error as error:
            raise _refusal(error) from error

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        try:
            with (
                self._pool.connection(timeout=self._deadline_seconds) as connection,
                self._watch.over(connection, self._deadline_seconds),
            ):
                yield connection
        except PoolTimeout as error:
            raise DatabaseUnavailable(fact=_first_line(error)) from error

    def close(self) -> None:
        self._pool.close(timeout=1.0)
        self._watch.close()


class _DeadlineWatch:
    """Breaks connections whose call outlasts its deadline: the server's own timeouts do not reach a dead network."""

    def __init__(self) -> None:
        self._watched: dict[int, tuple[float, psycopg.Connection[Any]]] = {}
        self._changed = threading.Condition()
        self._next_key = 0
        self._closed = False
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, connection: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
        """Break `connection` unless the block ends within `seconds`."""
        with self._changed:
            self._next_key += 1
            key = self._next_key
            self._watched[key] = (time.monotonic() + seconds, connection)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="scidex-deadlines", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._changed:
                self._watched.pop(key, None)

    def close(self) -> None:
        """Stop watching."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                for key in [key for key, (ends, _) in self._watched.items() if ends <= now]:
                    _break(self._watched.pop(key)[1])
                self._changed.wait(timeout=0.25)


def _break(connection: psycopg.Connection[Any]) -> None:
    # Shutting the socket down wakes the thread that waits on it; closing the connection here would race with it.
    try:
        end = socket.socket(fileno=os.dup(connection.fileno()))
    except (OSError, psycopg.Error):
        return
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    finally:
        end.close()


def _refusal(error: psycopg.Error) -> ScidexError:
    if isinstance(error, psycopg.errors.QueryCanceled):
        return DatabaseBusy(fact=_first_line(error))
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return DatabaseUnavailable(fact=_first_line(error))
    return StoreError(fact=_first_line(error))


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)

"""PostgreSQL: a pool of connections, locks by name, and a deadline for every call."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg import pq
from psycopg_pool import ConnectionPool

from scidex.errors import (
    DatabaseBusy,
    DatabaseForbids,
    DatabaseUnavailable,
    InvalidDatabaseUrl,
    ScidexError,
    StoreError,
)
from scidex.store.database import Database, Result, Row, Transaction, columns_of
from scidex.store.hints import News
from scidex.store.libpq import Channel, DeadlinePassed
from scidex.store.listening import Listener
from scidex.store.statements import Statement, load

# Losing a race (a deadlock, a serialization failure, a row that another got first) is tried again this often.
_MOST_ATTEMPTS = 8
_RACES = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.UniqueViolation,
    psycopg.errors.LockNotAvailable,
)


# Statements sent before their answers are read; a bound, since both ends buffer what the other has not read.
_SENT_AT_ONCE = 200
# An announcement may be lost, so whoever waits for one looks this often anyway.
_LOOK_SECONDS = 2.0
# The server's clock is read again after so long.
_CLOCK_SECONDS = 10.0
TUPLES = pq.ExecStatus.TUPLES_OK


class PostgresTransaction(Transaction):
    """Named statements on one PostgreSQL connection."""

    dialect = "postgres"

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._statements = load("postgres")

    def rows(self, statement: str, /, **arguments: Any) -> list[dict[str, Any]]:
        known = self._statements[statement]
        return self._channel.dicts(known, self._channel.last(known, arguments))

    def tuples(self, statement: str, /, **arguments: Any) -> list[tuple[Any, ...]]:
        return self._channel.tuples(self._channel.last(self._statements[statement], arguments))

    def run(self, statement: str, /, **arguments: Any) -> int:
        return self._channel.last(self._statements[statement], arguments).command_tuples or 0

    def post(self, statement: str, /, **arguments: Any) -> None:
        self._channel.send(self._statements[statement], arguments)

    def run_many(self, statement: str, rows: Sequence[Row], /) -> None:
        known = self._statements[statement]
        if known.takes_columns:
            if rows:
                self._channel.send(*_for_rows(known, rows))
            return
        for number, row in enumerate(rows, start=1):
            self._channel.send(known, row)
            if number % _SENT_AT_ONCE == 0:
                self._channel.receive()

    def run_columns(self, statement: str, /, **columns: Any) -> None:
        if all(column for column in columns.values() if type(column) is list):
            self._channel.send(self._statements[statement], columns)
            self._channel.flush()

    def draw_numbers(self, series: str, count: int) -> list[int]:
        return [row[0] for row in self.tuples("draw_numbers", series=series, count=count)]

    def note_numbers(self, series: str, last: int) -> None:
        self.post("note_numbers", series=series, last=last)

    def lock(self, names: Iterable[str], *, shared: bool) -> None:
        statement = "lock_shared" if shared else "lock_exclusive"
        # In the order of the names: two transactions that want the same locks then queue, and never deadlock.
        if ordered := sorted(set(names)):
            self.post(statement, names=ordered)

    def gather(self, calls: Sequence[tuple[str, Row]]) -> list[list[dict[str, Any]]]:
        for statement, arguments in calls:
            self._channel.send(self._statements[statement], arguments)
        # Before them come the answers to what was posted, and between them those to preparing a statement.
        answers = [answer for answer in self._channel.receive() if answer.status == TUPLES]
        asked = [self._statements[statement] for statement, _ in calls]
        return [self._channel.dicts(*pair) for pair in zip(asked, answers[-len(calls) :], strict=True)]

    def script(self, sql: str) -> None:
        self._channel.script(sql)


class PostgresDatabase(Database):
    """A market in one PostgreSQL database, shared by any number of processes."""

    dialect = "postgres"

    def __init__(self, url: str, *, connections: int, deadline_seconds: float) -> None:
        self.url = url
        self.writers = connections
        self._deadline_seconds = deadline_seconds
        # The statements that each connection has prepared already.
        self._prepared: WeakKeyDictionary[psycopg.Connection[Any], set[str]] = WeakKeyDictionary()
        # What the server's clock said, and when that was by a clock that nobody sets.
        self._clock: tuple[datetime | None, float] = (None, 0.0)
        self._news = News()
        self._listener = Listener(url, self._news, max(2, int(deadline_seconds)))
        milliseconds = int(deadline_seconds * 1000)
        options = (
            # Every statement is short and found by an index: planning it once is enough, compiling it never pays.
            "-c plan_cache_mode=force_generic_plan -c jit=off"
            # A plan is made once for a connection's life, and may not rest on a table being as small as it is now.
            " -c enable_seqscan=off"
            " -c TimeZone=UTC -c default_transaction_isolation=read\\ committed"
            # Sooner than the client's own deadline, whose end leaves the outcome unknown.
            f" -c statement_timeout={milliseconds * 4 // 5} -c idle_in_transaction_session_timeout={2 * milliseconds}"
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
                "autocommit": True,
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
                with self._channel(b"BEGIN") as channel:
                    result = work(PostgresTransaction(channel))
                    channel.say(b"COMMIT")
                    channel.receive()
                    return result
            except _RACES as error:
                if attempt == _MOST_ATTEMPTS:
                    # Who finds the same row every time lost to no other writer.
                    doubled = isinstance(error, psycopg.errors.UniqueViolation)
                    raise (StoreError if doubled else DatabaseBusy)(fact=_first_line(error)) from error
                # Waits grow and differ, so that two who collided do not collide again.
                time.sleep(random.uniform(0, 0.002 * 2**attempt))
            except (psycopg.Error, DeadlinePassed) as error:
                raise _refusal(error) from error
        raise AssertionError("unreachable")

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        try:
            with self._channel(b"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY") as channel:
                yield PostgresTransaction(channel)
        except (psycopg.Error, DeadlinePassed) as error:
            raise _refusal(error) from error

    @contextmanager
    def _channel(self, begin: bytes) -> Iterator[Channel]:
        connection = self._pool.getconn(timeout=self._deadline_seconds)
        try:
            prepared = self._prepared.setdefault(connection, set())
            channel = Channel(connection, prepared, self._deadline_seconds)
            channel.say(begin)
            try:
                yield channel
            finally:
                channel.close()
        finally:
            self._pool.putconn(connection)

    def now(self) -> datetime:
        read_at, elapsed = self._clock
        if read_at is None or _steady() - elapsed > _CLOCK_SECONDS:
            with self.reading() as tx:
                read_at = tx.rows("database_time")[0]["read_at"].astimezone(UTC)
            # Noted after the answer: never ahead of the server's clock by what asking took, but behind it.
            elapsed = _steady()
            self._clock = read_at, elapsed
        return read_at + timedelta(seconds=_steady() - elapsed)

    def announce(self, topic: str) -> None:
        # On its own, since what is announced inside a write makes all writers queue for its commit.
        with suppress(ScidexError):
            self.write(lambda tx: tx.post("announce", topic=topic))

    def heard(self, topic: str) -> int:
        self._listener.start()
        return self._news.count(topic)

    def listen(self, topic: str, heard: int, seconds: float) -> None:
        self._news.wait(topic, heard, min(seconds, _LOOK_SECONDS))

    def note_head(self, seal_number: int, entry_id: int, digest: str) -> None:
        """Nothing to do: what is lost of a PostgreSQL database is for its server to miss."""

    def close(self) -> None:
        self._listener.close()
        self._pool.close(timeout=1.0)


def _for_rows(statement: Statement, rows: Sequence[Row]) -> tuple[Statement, Row]:
    """Return the form of a statement that takes these rows at once, and its arguments."""
    if len(rows) > 1:
        assert statement.takes_columns, f"{statement.name} takes one row"
        return statement, columns_of(rows)
    if statement.takes_columns and statement.for_one_row is None:
        return statement, columns_of(rows)
    return statement.for_one_row or statement, rows[0]


def _steady() -> float:
    """Return seconds by a clock that nobody sets, and that runs on while the machine sleeps where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _refusal(error: psycopg.Error | DeadlinePassed) -> ScidexError:
    if isinstance(error, DeadlinePassed):
        return DatabaseUnavailable(fact="no answer before the deadline")
    if isinstance(error, psycopg.errors.QueryCanceled):
        return DatabaseBusy(fact=_first_line(error))
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return DatabaseUnavailable(fact=_first_line(error))
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return DatabaseForbids(fact=_first_line(error))
    return StoreError(fact=_first_line(error))


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)

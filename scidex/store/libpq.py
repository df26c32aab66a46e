"""
Named statements over libpq's pipeline: what nobody waits for travels together with what somebody does.

A cursor waits for each statement's answer. A bid is decided by a dozen short statements, and the waiting would cost
more than they do, so a transaction speaks to the connection's libpq directly. psycopg still connects, pools, and reads
values.
"""

from __future__ import annotations

import re
import select
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import Any

import psycopg
from psycopg import errors, pq
from psycopg.adapt import Transformer

from scidex.store.database import Row, text_of
from scidex.store.statements import Statement

_NAMED = re.compile(r"%\((\w+)\)s")
# As plain numbers, which compare faster than members of an enumeration.
_ANSWERS = frozenset(map(int, (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)))


# The names of a statement's columns, which never change.
_COLUMNS: dict[Statement, list[str]] = {}


class DeadlinePassed(Exception):
    """The server did not answer in time; the connection is of no further use."""


class Channel:
    """One connection's pipeline, for as long as one transaction lasts."""

    def __init__(self, connection: psycopg.Connection[Any], prepared: set[str], deadline_seconds: float) -> None:
        self._connection = connection
        self._pg = connection.pgconn
        self._prepared = prepared
        self._ends_at = time.monotonic() + deadline_seconds
        self._socket = select.poll()
        self._socket.register(self._pg.socket, select.POLLIN)
        self._reader = Transformer.from_context(connection)
        self._unanswered = 0
        # The places, among the answers to come, of those that say whether a statement was prepared.
        self._preparing: dict[str, int] = {}
        self._pg.enter_pipeline_mode()

    def send(self, statement: Statement, arguments: Row) -> None:
        """Queue a statement; its answer is one of those of the next `receive`."""
        sql, names = _positional(statement.sql)
        self._send(statement.name, sql, [_DUMPED[type(value := arguments[name])](value) for name in names])

    def _send(self, name: str, sql: bytes, values: list[bytes | None]) -> None:
        if name not in self._prepared and name not in self._preparing:
            self._pg.send_prepare(name.encode(), sql)
            self._preparing[name] = self._unanswered
            self._unanswered += 1
        self._pg.send_query_prepared(name.encode(), values)
        self._unanswered += 1

    def say(self, command: bytes) -> None:
        """Queue a command without arguments."""
        self._send(command.decode(), command, [])

    def receive(self) -> list[pq.abc.PGresult]:
        """Wait for the answers to everything queued, and return them in order. Raises the first error among them."""
        if not self._unanswered:
            return []
        self._pg.pipeline_sync()
        self.flush()
        wanted, self._unanswered = self._unanswered, 0
        results = []
        for _ in range(wanted):
            results.append(self._next_result())
            self._next_result()  # libpq ends each statement's answers with an empty one
        self._next_result()  # the end of the batch
        if self._preparing:
            self._note_prepared(results)
        answers = []
        for result in results:
            if result is None:
                raise psycopg.OperationalError("the connection was lost")
            if result.status not in _ANSWERS:
                raise errors.error_from_result(result)
            answers.append(result)
        return answers

    def _note_prepared(self, results: Sequence[pq.abc.PGresult | None]) -> None:
        # What stands behind a refusal in the pipeline is skipped, and so may have to be prepared again.
        for name, place in self._preparing.items():
            result = results[place]
            if result is not None and result.status == pq.ExecStatus.COMMAND_OK:
                self._prepared.add(name)
        self._preparing.clear()

    def last(self, statement: Statement, arguments: Row) -> pq.abc.PGresult:
        """Send a statement and return its answer."""
        self.send(statement, arguments)
        return self.receive()[-1]

    def dicts(self, statement: Statement, result: pq.abc.PGresult) -> list[dict[str, Any]]:
        """Read the rows of a statement's answer by the names of their columns."""
        names = _COLUMNS.get(statement)
        if names is None:
            names = _COLUMNS[statement] = [(result.fname(n) or b"").decode() for n in range(result.nfields)]
        return [dict(zip(names, row, strict=True)) for row in self.tuples(result)]

    def tuples(self, result: pq.abc.PGresult) -> list[tuple[Any, ...]]:
        """Read an answer's rows."""
        self._reader.set_pgresult(result)
        return self._reader.load_rows(0, result.ntuples, tuple)

    def script(self, sql: str) -> None:
        """Run several statements as one text, outside the pipeline."""
        self.receive()
        self._pg.exit_pipeline_mode()
        try:
            self._connection.execute(sql)
        finally:
            self._pg.enter_pipeline_mode()

    def close(self) -> None:
        """Leave the pipeline, and whatever transaction is still open in it."""
        if self._pg.status != pq.ConnStatus.OK:
            return
        if self._unanswered:
            with suppress(psycopg.Error):  # what was queued behind a refusal
                self.receive()
        if self._pg.transaction_status != pq.TransactionStatus.IDLE:
            self.say(b"ROLLBACK")
            self.receive()
        self._pg.exit_pipeline_mode()

    def flush(self) -> None:
        """Send all that is queued, so that the server is at it before its answers are waited for."""
        while self._pg.flush():
            self._wait(select.POLLIN | select.POLLOUT)
            self._pg.consume_input()

    def _next_result(self) -> pq.abc.PGresult | None:
        while self._pg.is_busy():
            self._wait(select.POLLIN)
            self._pg.consume_input()
        return self._pg.get_result()

    def _wait(self, events: int) -> None:
        self._socket.modify(self._pg.socket, events)
        left = self._ends_at - time.monotonic()
        if left <= 0 or not self._socket.poll(left * 1000):
            self._connection.close()
            raise DeadlinePassed


@cache
def _positional(sql: str) -> tuple[bytes, tuple[str, ...]]:
    names: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f"${names.setdefault(match[1], len(names) + 1)}"

    text = _NAMED.sub(number, sql).replace("%%", "%")
    return text.encode(), tuple(names)


def _text(value: Any) -> str:
    return text_of(value) if isinstance(value, datetime) else str(value)


def _encoded(value: Any) -> bytes:
    return _text(value).encode()


def _array(values: Sequence[Any]) -> bytes:
    kinds = set(map(type, values))
    if kinds == {str}:
        return _texts(values).encode()
    if str in kinds:
        items: Iterable[str] = ("NULL" if value is None else _quoted(value) for value in values)
    elif kinds == {int}:
        items = map(str, values)
    else:
        items = ("NULL" if value is None else _text(value) for value in values)
    return ("{" + ",".join(items) + "}").encode()


def _texts(values: Sequence[str]) -> str:
    joined = '","'.join(values)
    # Names seldom hold what must be escaped, and looking at all of them at once is a hundred times quicker.
    if "\\" not in joined and joined.count('"') == 2 * (len(values) - 1):
        return f'{{"{joined}"}}'
    return "{" + ",".join(map(_quoted, values)) + "}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class _Dumped(dict[type, Callable[[Any], bytes | None]]):
    """How the values of each type are sent: as their text, unless listed."""

    def __missing__(self, kind: type) -> Callable[[Any], bytes | None]:
        self[kind] = _encoded
        return _encoded


_DUMPED = _Dumped()
_DUMPED[str] = str.encode
_DUMPED[int] = b"%d".__mod__
_DUMPED[list] = _array
_DUMPED[type(None)] = lambda _: None

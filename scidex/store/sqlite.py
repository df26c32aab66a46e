"""SQLite: one writer that groups the commits of many threads, and a few reading connections that they share."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cache
from itertools import repeat
from typing import Any, NamedTuple

from scidex.clock import utc_now
from scidex.errors import DatabaseBusy, DatabaseUnavailable, InvalidDatabaseUrl, ScidexError, StoreError, WritesMissing
from scidex.store import files
from scidex.store.database import Database, Result, Row, Transaction, text_of
from scidex.store.hints import News
from scidex.store.statements import Statement, load

_NAMED = re.compile(r"(?<![:\w]):(\w+)")
_MEMBER = re.compile(r"IN \(SELECT value FROM json_each\(:(\w+)\)\)")
# Commits that one flush to disk may carry; a bound, so that the first of them is not kept waiting.
_MOST_GROUPED = 256
# Other processes cannot tell of a change, so whoever waits for one looks this often.
_LOOK_SECONDS = 0.2
_IN_MEMORY = ":memory:"
# Threads that read at the same time. Each connection holds two files, and a server has many more threads than this.
_MOST_READERS = 16
# What a connection keeps of the file, in KiB. A commit of another makes a reader drop what it has, so it needs less.
_WRITER_CACHE = "PRAGMA cache_size = -24576"
_READER_CACHE = "PRAGMA cache_size = -4096"


class SqliteTransaction(Transaction):
    """Named statements on one SQLite connection."""

    dialect = "sqlite"

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._statements = load("sqlite")
        self._shapes: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}

    def _execute(self, name: str, arguments: Row) -> sqlite3.Cursor:
        form = _form(self._statements[name])
        values = [arguments[name] for name in form.names]
        if form.of_one and all(len(values[place]) == 1 for place in form.members):
            form = form.of_one
            for place in form.members:
                (values[place],) = values[place]
        for place in form.instants:
            if values[place] is not None:
                values[place] = text_of(values[place])
        for place in form.lists:
            if not isinstance(values[place], str):
                values[place] = json.dumps(list(values[place]))
        return self._connection.execute(form.sql, values)

    def rows(self, statement: str, /, **arguments: Any) -> list[dict[str, Any]]:
        cursor = self._execute(statement, arguments)
        shape = self._shapes.get(statement)
        if shape is None:
            names = tuple(column[0] for column in cursor.description)
            shape = self._shapes[statement] = (names, tuple(n for n in names if n.endswith("_at")))
        names, instants = shape
        rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
        for row in rows:
            for name in instants:
                if row[name] is not None:
                    row[name] = datetime.fromisoformat(row[name])
        return rows

    def tuples(self, statement: str, /, **arguments: Any) -> list[tuple[Any, ...]]:
        return self._execute(statement, arguments).fetchall()

    def run(self, statement: str, /, **arguments: Any) -> int:
        return self._execute(statement, arguments).rowcount

    def post(self, statement: str, /, **arguments: Any) -> None:
        self._execute(statement, arguments)

    def run_many(self, statement: str, rows: Sequence[Row], /) -> None:
        if not rows:
            return
        if len(rows) == 1:
            self._execute(statement, rows[0])
            return
        form = _form(self._statements[statement])
        columns = [[row[name] for row in rows] for name in form.names]
        for place in form.instants:
            columns[place] = _texts(columns[place])
        self._connection.executemany(form.sql, zip(*columns, strict=True))

    def run_columns(self, statement: str, /, **columns: Any) -> None:
        form = _form(self._statements[statement])
        assert any(type(columns[name]) is list for name in form.names), "no argument says how often"
        self._connection.executemany(form.sql, zip(*(_items(columns[name]) for name in form.names), strict=False))

    def draw_numbers(self, series: str, count: int) -> list[int]:
        last: int = self.tuples("draw_numbers", series=series, count=count)[0][0]
        return list(range(last - count + 1, last + 1))

    def note_numbers(self, series: str, last: int) -> None:
        self.run("note_numbers", series=series, last=last)

    def lock(self, names: Iterable[str], *, shared: bool) -> None:
        """Nothing to do: a writing transaction is alone."""

    def gather(self, calls: Sequence[tuple[str, Row]]) -> list[list[dict[str, Any]]]:
        return [self.rows(statement, **arguments) for statement, arguments in calls]

    def script(self, sql: str) -> None:
        for statement in _statements_of(sql):
            self._connection.execute(statement)


class _Job:
    """One piece of work that waits for the writer, and what came of it."""

    __slots__ = ("done", "error", "result", "work")

    def __init__(self, work: Callable[[Transaction], Any]) -> None:
        self.work = work
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None


class _Readers:
    """Reading connections, opened as they are needed and lent to one thread at a time, the one used last first."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], deadline_seconds: float) -> None:
        self._connect = connect
        self._deadline_seconds = deadline_seconds
        self._places = threading.BoundedSemaphore(_MOST_READERS)
        self._idle: list[SqliteTransaction] = []
        self._is_closed = False

    @contextmanager
    def lent(self) -> Iterator[SqliteTransaction]:
        """Lend a reader whose view begins with its first statement. Raises DatabaseBusy."""
        if not self._places.acquire(timeout=self._deadline_seconds):
            raise DatabaseBusy(fact=f"all {_MOST_READERS} reading connections are in use")
        try:
            reader = self._take()
            try:
                reader._connection.execute("BEGIN")
                yield reader
            finally:
                self._give_back(reader)
        finally:
            self._places.release()

    def close(self) -> None:
        """Close the connections that are not lent, and the others as they come back."""
        self._is_closed = True
        with suppress(IndexError):
            while True:
                self._idle.pop()._connection.close()

    def _take(self) -> SqliteTransaction:
        with suppress(IndexError):
            return self._idle.pop()
        return SqliteTransaction(self._connect())

    def _give_back(self, reader: SqliteTransaction) -> None:
        try:
            reader._connection.execute("ROLLBACK")
        except sqlite3.Error:  # a connection that cannot end its view is of no further use
            reader._connection.close()
            return
        self._idle.append(reader)
        if self._is_closed:
            self.close()


class SqliteDatabase(Database):
    """A market in one SQLite file, or in memory."""

    dialect = "sqlite"

    def __init__(self, url: str, *, deadline_seconds: float) -> None:
        self.url = url
        self._path = _path_of(url)
        if self._path != _IN_MEMORY:
            files.prepare(self._path)
        self._deadline_seconds = deadline_seconds
        self._waiting: deque[_Job] = deque()
        self._writer_turn = threading.RLock()
        self._local = threading.local()
        self._readers = _Readers(self._connect_reader, deadline_seconds)
        self._writer = self._connect_writer()
        self._writing = SqliteTransaction(self._writer)
        try:
            self._check_head()
        except BaseException:
            self._writer.close()
            raise
        self._writes_in_progress = False
        self._committing = False
        # The thread whose writes share a commit now, and what broke that.
        self._sharing = 0
        self._broken: ScidexError | None = None
        self._news = News()

    # -- writing ---------------------------------------------------------------------------------------------------

    def write(self, work: Callable[[Transaction], Result]) -> Result:
        job = _Job(work)
        if self._sharing == threading.get_ident():
            self._write_shared(job)
        else:
            self._write_with_others(job)
        if job.error is not None:
            raise job.error
        result: Result = job.result
        return result

    def _write_with_others(self, job: _Job) -> None:
        self._waiting.append(job)
        try:
            # Whoever holds the turn does the work of all who wait, in one commit; the others find theirs done.
            with self._writer_turn:
                if self._writes_in_progress:
                    raise RuntimeError("a write may not be begun inside another")
                while not job.done:
                    self._write_group(job)
        except BaseException:
            # Given up: nobody may do it later, unless somebody is at it now.
            with suppress(ValueError):
                self._waiting.remove(job)
            raise

    @contextmanager
    def together(self) -> Iterator[None]:
        with self._writer_turn:
            if self._writes_in_progress or self._sharing:
                raise RuntimeError("a write may not be begun inside another")
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                self._sharing, self._broken = threading.get_ident(), None
                yield
                if self._broken is not None:
                    raise self._broken
                self._writer.execute("COMMIT")
            except sqlite3.Error as error:
                raise _refusal(error) from error
            finally:
                self._sharing = 0
                self._roll_back()

    def _write_shared(self, job: _Job) -> None:
        """Do a piece of work in the commit that this thread's block shares."""
        if self._writes_in_progress:
            raise RuntimeError("a write may not be begun inside another")
        if self._broken is not None:
            raise self._broken
        self._writes_in_progress = True
        try:
            self._attempt(job, alone=False)
        except sqlite3.Error as error:  # SQLite undid the whole of it: nothing of the block may be committed
            self._broken = _refusal(error)
            raise self._broken from error
        finally:
            self._writes_in_progress = False

    def _write_group(self, own: _Job) -> None:
        group = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST_GROUPED))]
        self._writes_in_progress = True
        try:
            self._commit_group(group)
        except sqlite3.Error as error:
            self._roll_back()
            refusal = _refusal(error)
            for job in group:
                job.error, job.done = refusal, True
        except BaseException:
            self._put_back(group, own)
            raise
        finally:
            self._writes_in_progress = False

    def _commit_group(self, group: list[_Job]) -> None:
        self._committing = False
        self._writer.execute("BEGIN IMMEDIATE")
        for job in group:
            self._attempt(job, alone=len(group) == 1)
        self._committing = True
        if self._writer.in_transaction:
            self._writer.execute("COMMIT")
        for job in group:
            job.done = True

    def _put_back(self, group: list[_Job], own: _Job) -> None:
        """After an interrupt of this thread: its own work is given up, and the turn of the others comes again."""
        if self._committing and not self._writer.in_transaction:  # it came after the commit: nothing may run twice
            for job in group:
                job.done = True
            return
        self._roll_back()
        self._waiting.extendleft(reversed([job for job in group if job is not own]))

    def _attempt(self, job: _Job, *, alone: bool) -> None:
        if not alone:
            self._writer.execute("SAVEPOINT job")
        job.error = None
        try:
            job.result = job.work(self._writing)
        except Exception as error:
            job.error = _refusal(error) if isinstance(error, sqlite3.Error) else error
            self._writer.execute("ROLLBACK" if alone else "ROLLBACK TO job")
        if not alone:
            self._writer.execute("RELEASE job")

    def _roll_back(self) -> None:
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")

    # -- reading ---------------------------------------------------------------------------------------------------

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        if self._path == _IN_MEMORY:
            with self._writer_turn:
                yield self._writing
            return
        lent: SqliteTransaction | None = getattr(self._local, "reader", None)
        if lent is not None:  # a read within a read sees the same state
            yield lent
            return
        try:
            with self._readers.lent() as reader:
                self._local.reader = reader
                try:
                    yield reader
                finally:
                    self._local.reader = None
        except sqlite3.Error as error:
            raise _refusal(error) from error

    # -- time and news ----------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        return utc_now()  # everybody who opens the file is on this machine

    def announce(self, topic: str) -> None:
        self._news.tell(topic)

    def heard(self, topic: str) -> int:
        return self._news.count(topic)

    def listen(self, topic: str, heard: int, seconds: float) -> None:
        self._news.wait(topic, heard, min(seconds, _LOOK_SECONDS))

    def note_head(self, seal_number: int, entry_id: int, digest: str) -> None:
        if self._path != _IN_MEMORY:
            files.note_head(self._path, files.Head(seal_number, entry_id, digest))

    def _check_head(self) -> None:
        """Make sure that the journal is as far as it was once, and the same. Raises WritesMissing."""
        noted = None if self._path == _IN_MEMORY else files.noted_head(self._path)
        if noted is None:
            return
        has_journal = self._writing.values("has_schema")[0]
        last: int = self._writing.values("last_journal_number")[0] if has_journal else 0
        digests = self._writing.values("digest_of_seal", seal_number=noted.seal_number) if has_journal else []
        if last < noted.entry_id or digests not in ([], [noted.digest]):
            raise WritesMissing(
                noted_entry=noted.entry_id,
                last_entry=last,
                remedy=f"bring a backup back; if this is one, and meant to be, remove {self._path}.head",
            )

    def close(self) -> None:
        self._readers.close()
        with self._writer_turn:
            self._writer.close()

    def _connect_writer(self) -> sqlite3.Connection:
        try:
            return self._connect(_WRITER_CACHE)
        except sqlite3.Error as error:
            raise InvalidDatabaseUrl(field="database_url", url=self.url, fact=str(error)) from error

    def _connect_reader(self) -> sqlite3.Connection:
        connection = self._connect(_READER_CACHE)
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _connect(self, cache: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=self._deadline_seconds,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(cache)
            connection.execute("PRAGMA temp_store = MEMORY")
            # Copying the log back flushes the disk twice; every 4,096 pages keeps that rare and the log small.
            connection.execute("PRAGMA wal_autocheckpoint = 4096")
        except BaseException:
            connection.close()
            raise
        return connection


def _path_of(url: str) -> str:
    path = url.removeprefix("sqlite://").removeprefix("/")
    if not path or "\x00" in path:
        raise InvalidDatabaseUrl(field="database_url", url=url, fact="names no file")
    return path


def _texts(instants: Sequence[datetime | None]) -> list[str | None]:
    # Rows that are written together mostly share their instants.
    texts = {instant: None if instant is None else text_of(instant) for instant in set(instants)}
    return [texts[instant] for instant in instants]


class _Form(NamedTuple):
    """A statement with its arguments by their places, which SQLite takes faster than by name."""

    sql: str
    names: tuple[str, ...]
    instants: tuple[int, ...]
    """The places of instants, which are stored as text."""
    lists: tuple[int, ...]
    """The places of lists, which are handed over as JSON."""
    members: tuple[int, ...]
    """The places of lists of which something is to be a member."""
    of_one: _Form | None
    """The form for lists of one member each, which is compared with: that costs a third."""


@cache
def _form(statement: Statement) -> _Form:
    found = list(_NAMED.finditer(statement.sql))
    starts = {match.start(1) for match in _MEMBER.finditer(statement.sql)}
    names = tuple(match[1] for match in found)
    form = _Form(
        sql=_NAMED.sub("?", statement.sql),
        names=names,
        instants=tuple(place for place, name in enumerate(names) if name in statement.time_arguments),
        lists=tuple(place for place, name in enumerate(names) if name in statement.list_arguments),
        members=tuple(place for place, match in enumerate(found) if match.start(1) in starts),
        of_one=None,
    )
    if not form.members:
        return form
    sql = _NAMED.sub("?", _MEMBER.sub(r"= :\1", statement.sql))
    lists = tuple(place for place in form.lists if place not in form.members)
    return form._replace(of_one=form._replace(sql=sql, lists=lists))


def _items(column: Any) -> Iterable[Any]:
    """Return the items of an argument, one for each row; without end where it is the same in all of them."""
    if type(column) is list:
        return column
    return repeat(text_of(column) if isinstance(column, datetime) else column)


def _refusal(error: BaseException) -> ScidexError:
    fact = str(error)
    if isinstance(error, sqlite3.IntegrityError):
        return StoreError(fact=fact)
    if "locked" in fact or "busy" in fact:
        return DatabaseBusy(fact=fact)
    return DatabaseUnavailable(fact=fact)


def _statements_of(sql: str) -> Iterator[str]:
    pending = ""
    for line in sql.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""

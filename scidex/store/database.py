"""What a database gives to the verbs: transactions, and named statements within them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar

from scidex.store.statements import Dialect

Row = Mapping[str, Any]
Result = TypeVar("Result")


class Transaction(ABC):
    """Named statements inside one transaction of one database."""

    dialect: Dialect

    @abstractmethod
    def rows(self, statement: str, /, **arguments: Any) -> list[dict[str, Any]]:
        """Run a statement and return its rows; columns that end in `_at` are instants in UTC."""

    @abstractmethod
    def tuples(self, statement: str, /, **arguments: Any) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows bare and as stored, for large reads."""

    @abstractmethod
    def run(self, statement: str, /, **arguments: Any) -> int:
        """Run a statement and return how many rows it changed."""

    @abstractmethod
    def post(self, statement: str, /, **arguments: Any) -> None:
        """Run a statement without waiting for its answer; a refusal comes with a later statement, or the commit."""

    @abstractmethod
    def run_many(self, statement: str, rows: Sequence[Row], /) -> None:
        """Run a statement once for each row of arguments, at the least cost that the database allows."""

    @abstractmethod
    def run_columns(self, statement: str, /, **columns: Any) -> None:
        """Run a statement once for each item of its arguments that are lists; the others are the same each time."""

    @abstractmethod
    def draw_numbers(self, series: str, count: int) -> list[int]:
        """Return the next `count` numbers of a series, rising."""

    @abstractmethod
    def note_numbers(self, series: str, last: int) -> None:
        """Make sure that the series never again yields `last` or a smaller number."""

    @abstractmethod
    def lock(self, names: Iterable[str], *, shared: bool) -> None:
        """Hold the named locks until the transaction ends; SQLite's single writer already does."""

    @abstractmethod
    def gather(self, calls: Sequence[tuple[str, Row]]) -> list[list[dict[str, Any]]]:
        """Run several statements in one round trip and return the rows of each."""

    @abstractmethod
    def script(self, sql: str) -> None:
        """Run statements written in this database's own dialect, for migrations."""

    def row(self, statement: str, /, **arguments: Any) -> dict[str, Any] | None:
        """Run a statement and return its first row, or None."""
        rows = self.rows(statement, **arguments)
        return rows[0] if rows else None

    def values(self, statement: str, /, **arguments: Any) -> list[Any]:
        """Run a statement and return the first column."""
        return [row[0] for row in self.tuples(statement, **arguments)]


class Database(ABC):
    """One market's database. Safe to share between threads."""

    dialect: Dialect
    url: str
    # How many threads can be at writing at the same time.
    writers: int = 1

    @abstractmethod
    def write(self, work: Callable[[Transaction], Result]) -> Result:
        """
        Run `work` in one transaction and commit it durably.

        Work may be run again after it lost a race, so it must do nothing but use its transaction. Whatever it raises
        undoes it and is raised here.
        """

    def together(self) -> AbstractContextManager[None]:
        """
        Let the writes that this thread does in the block share a commit, where the database has one writer.

        Each of them is undone by itself where it raises. What they return holds once the block has ended, and may be
        told to nobody before. Raises at its end where they could not be committed: then none of them is.
        """
        return nullcontext()

    @abstractmethod
    def reading(self) -> AbstractContextManager[Transaction]:
        """Give a transaction that sees one consistent state and writes nothing."""

    @abstractmethod
    def now(self) -> datetime:
        """Return what the database's own clock says, in UTC; nobody else's decides how long a lease lasts."""

    @abstractmethod
    def announce(self, topic: str) -> None:
        """Tell everybody who listens, in any process where that can be done. A hint: it may be lost. Never raises."""

    @abstractmethod
    def heard(self, topic: str) -> int:
        """Return how often a topic was heard of so far; to be asked before looking, and handed to `listen`."""

    @abstractmethod
    def listen(self, topic: str, heard: int, seconds: float) -> None:
        """Wait until a topic is heard of again or it is time to look anyway, at most so many seconds."""

    @abstractmethod
    def note_head(self, seal_number: int, entry_id: int, digest: str) -> None:
        """Note outside the database how far its journal is sealed, where nothing else would miss what is lost of it."""

    @abstractmethod
    def close(self) -> None:
        """Close every connection."""

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@lru_cache(maxsize=256)
def text_of(instant: datetime) -> str:
    """Return an instant as text of one width in UTC, which sorts as the time does."""
    # Kept for a moment: a write says the same instant to its rows and to its journal.
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def columns_of(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Turn rows of arguments into one list a column."""
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}

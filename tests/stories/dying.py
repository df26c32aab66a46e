"""A process that does one step on a market and is killed at a given point of it, by a signal that nobody can catch."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from scidex.store import Database, connect
from scidex.store.libpq import Channel
from scidex.store.sqlite import SqliteDatabase
from scidex.store.statements import load
from tests.histories import History, Step

NEVER = -1


class Life:
    """Counts the points that a process passes, and ends it at one of them."""

    def __init__(self, ends_at: int) -> None:
        self.points: list[str] = []
        self._ends_at = ends_at

    def point(self, name: str) -> None:
        if len(self.points) == self._ends_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.points.append(name)

    def around(self, function: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
        """Return the function with a point before it and one after it."""

        def lived(*arguments: Any, **named: Any) -> Any:
            what = name(*arguments)
            self.point(f"before {what}")
            result = function(*arguments, **named)
            self.point(f"after {what}")
            return result

        return lived


class Watched:
    """A SQLite connection with a point before and after each statement."""

    def __init__(self, connection: Any, life: Life) -> None:
        self._connection = connection
        self.execute = life.around(connection.execute, lambda sql, *_: " ".join(sql.split())[:40])
        self.executemany = life.around(connection.executemany, lambda sql, *_: " ".join(sql.split())[:40])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def watch(db: Database, life: Life) -> None:
    """Put a point before and after everything that is said to a database."""
    if isinstance(db, SqliteDatabase):
        watched: Any = Watched(db._writer, life)
        db._writer = db._writing._connection = watched
        return
    # A statement is only put in a buffer until the buffer is sent, so these are all the points there are.
    named: dict[str, Callable[..., str]] = {
        "say": lambda _, command: f"saying {command.decode()}",
        # What was sent is on its way when this is over, and not yet answered.
        "flush": lambda _: "putting it on the wire",
        "receive": lambda _: "hearing the answers",
    }
    for method, name in named.items():
        setattr(Channel, method, life.around(getattr(Channel, method), name))


def live(url: str, history: History, step: Step, ends_at: int) -> tuple[list[str], Any]:
    """Take a step; return the points that were passed, and the answer."""
    with connect(url) as db:
        history.db = db
        life = Life(ends_at)
        watch(db, life)
        answer = history.take(step)
        return life.points, answer


def serve(pipe: Connection) -> None:
    """Live one life after another, each in a process of its own; answer None for those who were killed."""
    import_module("scidex.store.postgres")  # here once, and not in each life
    for dialect in ("sqlite", "postgres"):
        load(dialect)
    while True:
        try:
            told = pipe.recv()
        except EOFError:
            return
        pipe.send(_in_a_child(told))


def _in_a_child(told: tuple[Any, ...]) -> Any:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, pickle.dumps(live(*told)))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answers:
        answer = answers.read()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == (0 if answer else -signal.SIGKILL)
    return pickle.loads(answer) if answer else None

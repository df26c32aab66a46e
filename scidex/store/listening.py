"""Hears what other processes announce through PostgreSQL's LISTEN, on a connection and a thread of its own."""

from __future__ import annotations

import select
import socket
import threading
from functools import partial

import psycopg

from scidex.errors import DatabaseUnavailable
from scidex.loops import Loop
from scidex.store.hints import News

# A connection that died without a word is noticed by asking something of it.
_ASK_SECONDS = 30.0


class Listener:
    """Passes on what is announced, from the first time that somebody listens until it is closed."""

    def __init__(self, url: str, news: News, connect_seconds: int) -> None:
        self._url = url
        self._news = news
        self._connect_seconds = connect_seconds
        self._starting = threading.Lock()
        self._ends: tuple[socket.socket, socket.socket] | None = None
        self._loop: Loop | None = None

    def start(self) -> None:
        """Begin to listen, once."""
        if self._loop is not None:  # asked before each wait
            return
        with self._starting:
            if self._loop is None:
                self._ends = near, far = socket.socketpair()
                self._loop = Loop("news", partial(self._turn, far), interrupt=partial(near.sendall, b"."))
                self._loop.start()

    def close(self) -> None:
        """Stop listening."""
        with self._starting:
            loop = self._loop = self._loop or Loop("news", lambda: None)
        loop.stop()
        for end in self._ends or ():
            end.close()

    def _turn(self, woken: socket.socket) -> float:
        """Listen until the connection is lost or the loop ends; those who wait look by themselves meanwhile."""
        try:
            with self._connected() as connection:
                self._listen(connection, woken)
        except psycopg.Error as error:
            raise DatabaseUnavailable(fact=f"not listening for now: {error}".strip()) from error
        return 0.0

    def _connected(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=self._connect_seconds,
            keepalives_idle=10,
            application_name="scidex news",
        )

    def _listen(self, connection: psycopg.Connection[tuple[object, ...]], woken: socket.socket) -> None:
        # What arrives while a statement is executed comes by the handler, and the rest by looking.
        connection.add_notify_handler(lambda told: self._news.tell(told.payload))
        connection.execute("LISTEN scidex")
        self._news.tell_all()  # what was announced before is known to nobody here
        server = connection.pgconn
        while True:
            ready, _, _ = select.select([server.socket, woken.fileno()], [], [], _ASK_SECONDS)
            if woken.fileno() in ready:
                return
            if not ready:
                connection.execute("")
            server.consume_input()
            while (told := server.notifies()) is not None:
                self._news.tell(told.extra.decode())

"""Hears what other processes announce through PostgreSQL's LISTEN, on a connection and a thread of its own."""

from __future__ import annotations

import logging
import select
import socket
import threading

import psycopg

from scidex.store.hints import News

_LOG = logging.getLogger(__name__)
_MOST_PAUSE_SECONDS = 5.0
# A connection that died without a word is noticed by asking something of it.
_ASK_SECONDS = 30.0


class Listener:
    """Passes on what is announced, from the first time that somebody listens until it is closed."""

    def __init__(self, url: str, news: News, connect_seconds: int) -> None:
        self._url = url
        self._news = news
        self._connect_seconds = connect_seconds
        self._closed = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ends: tuple[socket.socket, socket.socket] | None = None

    def start(self) -> None:
        """Begin to listen, once."""
        with self._starting:
            if self._thread is None and not self._closed.is_set():
                self._ends = near_and_far = socket.socketpair()
                self._thread = threading.Thread(target=self._run, args=near_and_far[1:], name="news", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        with self._starting:
            self._closed.set()
        if self._thread is None or self._ends is None:
            return
        near, far = self._ends
        near.close()  # wakes the thread
        self._thread.join(self._connect_seconds)
        far.close()

    def _run(self, woken: socket.socket) -> None:
        pause = 0.1
        while not self._closed.is_set():
            try:
                with self._connected() as connection:
                    pause = 0.1
                    self._listen(connection, woken)
            except psycopg.Error as error:  # those who wait look by themselves meanwhile
                _LOG.info("not listening for now: %s", error)
                self._closed.wait(pause)
                pause = min(2 * pause, _MOST_PAUSE_SECONDS)

    def _connected(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=self._connect_seconds,
            keepalives_idle=10,
            application_name="scidex news",
        )

    def _listen(self, connection: psycopg.Connection[tuple[object, ...]], woken: socket.socket) -> None:
        connection.execute("LISTEN scidex")
        self._news.tell_all()  # what was announced before is known to nobody here
        server = connection.pgconn
        while not self._closed.is_set():
            ready, _, _ = select.select([server.socket, woken.fileno()], [], [], _ASK_SECONDS)
            if not ready:
                connection.execute("")
            server.consume_input()
            while (told := server.notifies()) is not None:
                self._news.tell(told.extra.decode())

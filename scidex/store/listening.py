"""Hears what other processes announce through PostgreSQL's LISTEN, on a connection and a thread of its own."""

from __future__ import annotations

import logging
import threading

import psycopg

from scidex.store.news import News

CHANNEL = "scidex"
_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 1.0
_MOST_PAUSE_SECONDS = 5.0


class Listener:
    """Passes on what is announced, from the first time that somebody listens until it is closed."""

    def __init__(self, url: str, news: News, connect_seconds: int) -> None:
        self._url = url
        self._news = news
        self._connect_seconds = connect_seconds
        self._closed = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to listen, once."""
        with self._starting:
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._run, name="database news", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join(_LOOK_SECONDS + 1.0)

    def _run(self) -> None:
        pause = 0.1
        while not self._closed.is_set():
            try:
                self._listen()
                pause = 0.1
            except psycopg.Error as error:  # those who wait look by themselves meanwhile
                _LOG.info("not listening for now: %s", error)
                self._closed.wait(pause)
                pause = min(2 * pause, _MOST_PAUSE_SECONDS)

    def _listen(self) -> None:
        with psycopg.connect(
            self._url, autocommit=True, connect_timeout=self._connect_seconds, keepalives_idle=10
        ) as connection:
            connection.execute("LISTEN scidex")
            self._news.tell_all()  # what was announced before is known to nobody here
            while not self._closed.is_set():
                for told in connection.notifies(timeout=_LOOK_SECONDS):
                    self._news.tell(told.payload)
                    if self._closed.is_set():
                        return

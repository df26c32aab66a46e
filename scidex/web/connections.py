"""
Connections of a server within bounds: how many, how long they may be idle, and how large and slow a request's head.

The application sees a request once its head is complete; what comes before is bounded here.
"""

from __future__ import annotations

import asyncio
import importlib
import resource
import time
from collections import defaultdict
from contextlib import suppress
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
MOST_HEAD_BYTES = 64 * 1024
# A client that does not read what it asked for is let go after this.
_UNREAD_SECONDS = 30.0
# Files that a server needs beside its connections: the database's, the listener, and what the interpreter opens.
_OTHER_FILES = 96
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"
)


class Connections:
    """The connections of one server: a number of them, of which one address may have half. For its own thread."""

    def __init__(self, most: int) -> None:
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        bound = most if files == resource.RLIM_INFINITY else min(most, files - _OTHER_FILES)
        self.most = max(2, bound)
        self.most_per_address = self.most // 2
        self._of: defaultdict[str, set[BoundedProtocol]] = defaultdict(set)
        self._count = 0

    def add(self, address: str, one: BoundedProtocol) -> bool:
        """
        Take a connection in, in place of the one that has been idle longest where there are too many.

        Return False where all the others are at work.
        """
        if len(self._of[address]) >= self.most_per_address:
            crowd = self._of[address]
        elif self._count >= self.most:
            crowd = max(self._of.values(), key=len)
        else:
            crowd = set()
        if crowd:
            idle = [other for other in crowd if other.idle_since is not None]
            if not idle:
                return False
            min(idle, key=lambda other: other.idle_since or 0.0).drop()
        self._of[address].add(one)
        self._count += 1
        return True

    def discard(self, address: str, one: BoundedProtocol) -> None:
        """Let a connection go."""
        crowd = self._of[address]
        if one in crowd:
            crowd.remove(one)
            self._count -= 1
        if not crowd:
            del self._of[address]


class BoundedConfig(uvicorn.Config):
    """A server's configuration with the connections that it may have."""

    def __init__(self, app: Any, *, connections: Connections, **options: Any) -> None:
        super().__init__(app, http=BoundedProtocol, loop=f"{__name__}:loop_of_server", **options)
        self.bounded = connections


class BoundedProtocol(HttpToolsProtocol):
    """One connection. It is idle unless a request is being answered, also while the head of one is on its way."""

    config: BoundedConfig

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.idle_since: float | None = None
        self._address = ""
        self._head_bytes = 0
        self._is_in_head = True
        self._head_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection in, or close it."""
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self._rest()
        self._await_head()
        if not self.config.bounded.add(self._address, self):
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self.config.bounded.discard(self._address, self)
        self._stop_timers()
        super().connection_lost(exc)

    def drop(self) -> None:
        """End the connection now, whatever waits to be sent."""
        self.config.bounded.discard(self._address, self)
        self._stop_timers()
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take in a part of a request; one whose head is too large is refused."""
        if self.transport.is_closing():
            return
        if self._is_in_head:
            self._head_bytes += len(data)
            self._await_head()
        super().data_received(data)
        if self._is_in_head and self._head_bytes > MOST_HEAD_BYTES:
            self._refuse_head()

    def on_message_begin(self) -> None:
        """Begin with the head of a request."""
        super().on_message_begin()
        self._is_in_head = True

    def on_headers_complete(self) -> None:
        """Go on with a request whose head has come."""
        if sum(len(name) + len(value) for name, value in self.headers) + len(self.url) > MOST_HEAD_BYTES:
            self._refuse_head()
            raise ValueError("the head is too large")  # so that no more of it is read
        self._is_in_head, self._head_bytes, self.idle_since = False, 0, None
        self._stop(self._head_timer)
        self._head_timer = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Await the next request behind this one."""
        self._is_in_head = True
        if not self.transport.is_closing():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Rest until the next request."""
        super().on_response_complete()
        if not self.pipeline:
            self._rest()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, unless it was refused before."""
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def pause_writing(self) -> None:
        """Wait for a client to read, but not for ever."""
        super().pause_writing()
        self._unread_timer = self.loop.call_later(_UNREAD_SECONDS, self.drop)

    def resume_writing(self) -> None:
        """Go on writing."""
        super().resume_writing()
        self._stop(self._unread_timer)

    def _rest(self) -> None:
        self.idle_since = time.monotonic()

    def _await_head(self) -> None:
        """Give a request's head so much time from its first byte on; the first one from when the connection is made."""
        if self._head_timer is None and self.idle_since is not None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _refuse_head(self) -> None:
        if self.idle_since is None:  # the answer to the request before it is under way
            self.drop()
            return
        self._stop_timers()
        self.transport.write(_TOO_LARGE)
        self.transport.close()

    def _stop_timers(self) -> None:
        self._stop(self._head_timer)
        self._stop(self._unread_timer)

    @staticmethod
    def _stop(timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()


def loop_of_server() -> asyncio.AbstractEventLoop:
    """Return an event loop that waits for a client's part of a TLS handshake no longer than for a request's head."""
    base: Any = asyncio.SelectorEventLoop
    with suppress(ImportError):  # CPython has it
        base = importlib.import_module("uvloop").Loop

    class ServerLoop(base):  # type: ignore[misc]  # whichever there is
        def create_server(self, *arguments: Any, **named: Any) -> Any:
            if named.get("ssl") is not None:
                named["ssl_handshake_timeout"] = HEAD_SECONDS
            return super().create_server(*arguments, **named)

    return cast(asyncio.AbstractEventLoop, ServerLoop())

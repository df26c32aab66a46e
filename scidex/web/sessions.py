"""Sessions of the dashboard: opened once by a link that the operator was given, kept in a signed cookie."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable

from scidex.errors import NotAuthenticated
from scidex.web.refusals import SessionLinkUsed

COOKIE = "scidex_session"
_LINK_SECONDS = 600.0
SESSION_SECONDS = 12 * 3_600
_MOST_LINKS = 100


class Sessions:
    """
    The links and cookies of one server. Safe to share between threads.

    A session acts by the key that its link was made for, and no longer than that key lives.
    """

    def __init__(self, secret: bytes | None = None, clock: Callable[[], float] = time.time) -> None:
        self._secret = secrets.token_bytes(32) if secret is None else secret
        self._clock = clock
        self._lock = threading.Lock()
        self._links: dict[bytes, tuple[str, float]] = {}

    def new_link(self, key_id: str) -> str:
        """Return the path of a page that opens a session by a key, once, within ten minutes."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._drop_old()
            self._links[_digest(token)] = key_id, self._clock() + _LINK_SECONDS
        return f"/session?token={token}"

    def open(self, token: str) -> str:
        """Return the cookie of a session for a link's token. Raises SessionLinkUsed."""
        with self._lock:
            key_id, ends = self._links.pop(_digest(token), ("", 0.0))
        if ends <= self._clock():
            raise SessionLinkUsed(field="token")
        told = f"{key_id}.{int(self._clock()) + SESSION_SECONDS}.{secrets.token_hex(8)}"
        return f"{told}.{self._signature(told)}"

    def key_of(self, cookie: str) -> str:
        """Return the id of the key that a session acts by. Raises NotAuthenticated."""
        told, _, signature = cookie.rpartition(".")
        # As bytes: of text in other letters than ASCII there is nothing to compare.
        if not hmac.compare_digest(self._signature(told).encode(), signature.encode("utf-8", "replace")):
            raise NotAuthenticated
        key_id, ends, _ = told.split(".")
        if int(ends) <= self._clock():
            raise NotAuthenticated
        return key_id

    def _signature(self, told: str) -> str:
        return hmac.new(self._secret, told.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    def _drop_old(self) -> None:
        now = self._clock()
        self._links = {token: link for token, link in self._links.items() if link[1] > now}
        while len(self._links) >= _MOST_LINKS:
            self._links.pop(next(iter(self._links)))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()

"""Refused requests, gathered in memory and written to the journal about once a second, so many and no more."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import MutableMapping
from datetime import timedelta
from typing import Any

from scidex.errors import ScidexError
from scidex.exchange.attempts import MOST_AT_ONCE, note_refusals
from scidex.loops import Loop
from scidex.store import Database
from scidex.web.limits import Rate
from scidex.web.refusals import TooManyRequests

_LOG = logging.getLogger(__name__)
_FLUSH_SECONDS = 1.0
# What is told one by one of each account, and of all together who have no key: so many at once, and so many a second.
# The rest is counted. A row with its part of the journal takes about half a kilobyte: that is some 90 MB a day at most.
BURST = 200
PER_SECOND = 2
_NOBODY = ""

_ALWAYS = frozenset({401, 403, 421, 429})
_OF_MONEY = range(400, 500)
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS = _SAFE_METHODS | {"POST", "PUT", "PATCH", "DELETE"}


def new_request_id() -> str:
    """Return the id of a request, which its answer carries and the journal."""
    return secrets.token_hex(8)


def is_noted(status: int, *, moves_tokens: bool, writes: bool) -> bool:
    """
    Return whether a refusal is kept: whoever is turned away, and all that is refused where tokens move.

    What belongs to others is told as if it were not there, so of writes that is kept too.
    """
    return status in _ALWAYS or (writes and status == 404) or (moves_tokens and status in _OF_MONEY)


class Attempts:
    """The refusals of one server. Safe to share between threads."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._rate = Rate("refusals noted", PER_SECOND, burst=BURST)
        self._lock = threading.Lock()
        self._waiting: list[dict[str, Any]] = []
        self._dropped = 0
        self.loop = Loop("refusals", self._turn)

    def note(self, scope: MutableMapping[str, Any], status: int, error: str = "") -> None:
        """Keep a request that was answered with a status, if that is a refusal to keep."""
        route, state = scope.get("route"), scope.get("state", {})
        who = state.get("who")
        writes = who is not None and scope["method"] not in _SAFE_METHODS
        if not is_noted(status, moves_tokens=getattr(route, "moves_tokens", False), writes=writes):
            return
        try:
            self._rate.take(_NOBODY if who is None else who.account_id)
        except TooManyRequests:
            with self._lock:
                self._dropped += 1
            return
        attempt = {
            # By a clock that nobody sets, until the database's is asked.
            "refused_at": time.monotonic(),
            "account_id": None if who is None else who.account_id,
            "key_id": state.get("shown_key_id") if who is None else who.key_id,
            "method": scope["method"] if scope["method"] in _METHODS else "other",
            "route": getattr(route, "path_format", "none"),
            "status": status,
            "error": error or state.get("refused", ""),
            "request_id": state.get("id", ""),
            "place": (scope.get("client") or ("",))[0],
            "attempts": 1,
        }
        with self._lock:
            self._keep([attempt])
        if len(self._waiting) >= MOST_AT_ONCE // 2:
            self.loop.wake()

    def flush(self) -> None:
        """Write down what was refused since the last time."""
        with self._lock:
            noted, self._waiting = self._waiting[: MOST_AT_ONCE - 1], self._waiting[MOST_AT_ONCE - 1 :]
            dropped, self._dropped = self._dropped, 0
        rows = [*noted, *([_too_many(dropped)] if dropped else [])]
        try:
            now, elapsed = self._db.now(), time.monotonic()
            ages = [elapsed - row["refused_at"] for row in rows]
            told = [{**row, "refused_at": now - timedelta(seconds=age)} for row, age in zip(rows, ages, strict=True)]
            note_refusals(told, db=self._db)
        except ScidexError as error:  # told again next time, or counted
            _LOG.warning("%d refused attempts could not be noted: %s", len(rows), error)
            with self._lock:
                self._dropped += dropped
                self._keep(noted)

    def _turn(self) -> float:
        if self._waiting or self._dropped:
            self.flush()
        return _FLUSH_SECONDS

    def _keep(self, attempts: list[dict[str, Any]]) -> None:
        room = max(0, MOST_AT_ONCE - len(self._waiting))
        self._waiting += attempts[:room]
        self._dropped += len(attempts[room:])


def _too_many(count: int) -> dict[str, Any]:
    """Return the row that stands for attempts that were counted and not kept."""
    texts = dict.fromkeys(("account_id", "key_id")) | dict.fromkeys(("request_id", "place"), "")
    told = {"method": "other", "route": "none", "status": 429, "error": "NotKept"}
    return {**texts, **told, "refused_at": time.monotonic(), "attempts": count}

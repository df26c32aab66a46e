"""For whom a write is done: the request that a door is serving, its key, and the answer it may have had before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime

from scidex.errors import NotAuthenticated
from scidex.store.database import Transaction


@dataclass(frozen=True)
class Call:
    """One write of a request: the key it is done by, and under which idempotency key its answer is kept."""

    key_id: str | None = None
    scope: str = ""
    idempotency_key: str | None = None
    digest: str = ""


@dataclass
class Request:
    """
    A request of a client: the key that it came with, and the idempotency key that stands for all that it writes.

    `scope` is whose keys these are, and `digest` that of what was asked for: with another digest a key is refused.
    """

    key_id: str | None
    scope: str
    idempotency_key: str | None
    digest: str
    _calls: dict[str, int] = field(default_factory=dict)

    def call_of(self, verb: str) -> Call:
        """Return the next write by a verb: of several, each is known by its verb and its number."""
        if self.idempotency_key is None:
            return Call(self.key_id)
        number = self._calls[verb] = self._calls.get(verb, 0) + 1
        key = f"{self.idempotency_key} {verb} {number}"
        return Call(self.key_id, self.scope, key, self.digest)


_SERVED: ContextVar[Request | None] = ContextVar("request", default=None)
_NOBODY = Call()


@contextmanager
def serving(request: Request) -> Iterator[None]:
    """Do the writes of this block for a request."""
    token = _SERVED.set(request)
    try:
        yield
    finally:
        _SERVED.reset(token)


def call_of(verb: str, *, keeps_answer: bool) -> Call:
    """Return for whom a verb is done now, and under which key of the request its answer is kept, if it is."""
    request = _SERVED.get()
    if request is None:
        return _NOBODY
    return request.call_of(verb) if keeps_answer else Call(request.key_id)


def assert_key_lives(tx: Transaction, key_id: str, now: datetime) -> None:
    """Keep a key from being revoked until the transaction ends. Raises NotAuthenticated where it was before."""
    key = tx.row("lock_key", key_id=key_id)
    if key is None or key["revoked_at"] is not None or (key["expires_at"] is not None and key["expires_at"] <= now):
        raise NotAuthenticated

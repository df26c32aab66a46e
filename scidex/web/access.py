"""Who a request is from, and whether its key may do what it asks: each route says which scopes it takes."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from scidex import settings as _settings
from scidex.errors import InvalidArgument, NotAllowed, NotAuthenticated, ScidexError
from scidex.exchange import keys
from scidex.exchange.keys import SCOPES
from scidex.loops import Loop
from scidex.records import Principal
from scidex.store import Database
from scidex.web.gate import SAFE_METHODS
from scidex.web.limits import Rate
from scidex.web.problems import path_to_log
from scidex.web.refusals import ForeignPage, RequestInFlight
from scidex.web.sessions import COOKIE, Sessions

_LOG = logging.getLogger("scidex.audit")
_NOTE_SECONDS = 60.0
_KEY_ID = re.compile(r"scidex_([0-9a-f]{16})_", re.ASCII)
_SCOPES = "__scopes__"
_MOVES_TOKENS = "__moves_tokens__"

Endpoint = TypeVar("Endpoint", bound=Callable[..., object])


def allows(*scopes: str, moves_tokens: bool = False) -> Callable[[Endpoint], Endpoint]:
    """Say which scopes may call a route: one of them is enough. What moves tokens needs an idempotency key."""
    assert set(scopes) <= set(SCOPES), scopes

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _SCOPES, frozenset(scopes))
        setattr(endpoint, _MOVES_TOKENS, moves_tokens)
        return endpoint

    return mark


def allows_anybody(endpoint: Endpoint) -> Endpoint:
    """Say that a route takes no key, since it tells nothing of the market."""
    setattr(endpoint, _SCOPES, frozenset())
    return endpoint


def scopes_of(endpoint: Callable[..., object]) -> frozenset[str]:
    """Return the scopes that may call a route; none for one that takes no key. A route must have said which."""
    scopes: frozenset[str] | None = getattr(endpoint, _SCOPES, None)
    assert scopes is not None, f"{endpoint.__name__} does not say who may call it"
    return scopes


def moves_tokens(endpoint: Callable[..., object]) -> bool:
    """Return whether a route needs an idempotency key."""
    return bool(getattr(endpoint, _MOVES_TOKENS, False))


class Access:
    """Lets requests in by their keys, within limits, and notes when keys were used."""

    def __init__(self, db: Database, sessions: Sessions) -> None:
        given = _settings.from_environment()
        self.db = db
        self.sessions = sessions
        self.bids = Rate("bids", given.most_bids_per_second)
        self._requests = Rate("requests", given.most_requests_per_second)
        self._refusals = Rate("refused requests", given.most_refusals_per_second)
        self._lock = threading.Lock()
        # When each key was used, by a clock that nobody sets.
        self._uses: dict[str, float] = {}
        # Keys that were let in, by their ids: a digest of the whole text, and whose each is.
        self._known: dict[str, tuple[bytes, Principal]] = {}
        self._in_flight: set[tuple[str, str]] = set()
        self.loop = Loop("uses of keys", self._turn, begins_after=_NOTE_SECONDS)

    async def admit(self, request: Request, scopes: frozenset[str]) -> Principal:
        """
        Return who a request is from.

        Raises NotAuthenticated, NotAllowed without one of the scopes, TooManyRequests, and ForeignPage for a write
        that came with a session's cookie and is not known to come from our own page.
        """
        try:
            request.state.who = who = await run_in_threadpool(self._identified, request)
            if not who.scopes & scopes:
                raise NotAllowed(needs=sorted(scopes), scopes=sorted(who.scopes))
        except (NotAuthenticated, NotAllowed) as refused:
            _log_refusal(request, refused)
            raise
        self.note_request(who)
        return who

    def note_request(self, who: Principal) -> None:
        """Count a request of a key, and remember that it was used. Raises TooManyRequests."""
        self._requests.take(who.key_id)
        with self._lock:
            self._uses[who.key_id] = time.monotonic()

    def known(self, authorization: str) -> Principal | None:
        """
        Return whose a key is that was let in before, without asking the database; None where it was not.

        It may have ended since. So this is for writes, which ask for the key in their transaction, and whatever else
        is told asks `still_lives` before.
        """
        text = _text_of(authorization)
        digest, who = self._known.get(text[7:23], (b"", None))
        return who if hmac.compare_digest(digest, _digest(text)) else None

    def still_lives(self, who: Principal) -> bool:
        """Return whether a principal's key has neither ended nor been revoked since it was let in."""
        try:
            keys.principal_of(who.key_id, db=self.db)
        except NotAuthenticated:
            self._known.pop(who.key_id, None)
            return False
        return True

    @contextmanager
    def in_flight(self, scope: str, key: str | None) -> Iterator[None]:
        """Keep others from doing the same request while the block runs. Raises RequestInFlight."""
        if key is None:
            yield
            return
        mine = (scope, key)
        with self._lock:
            if mine in self._in_flight:
                raise RequestInFlight(field="Idempotency-Key", idempotency_key=key)
            self._in_flight.add(mine)
        try:
            yield
        finally:
            with self._lock:
                self._in_flight.discard(mine)

    def note_uses(self) -> None:
        """Write down when keys were used, those used since the last time."""
        with self._lock:
            uses, self._uses = self._uses, {}
        try:
            now, elapsed = self.db.now(), time.monotonic()
            used = {key_id: now - timedelta(seconds=elapsed - at) for key_id, at in uses.items()}
            keys.note_key_uses(used, db=self.db)
        except ScidexError as error:  # it is told again with the next use
            _LOG.warning("the use of %d keys could not be noted: %s", len(uses), error)

    def _turn(self) -> float:
        self.note_uses()
        return _NOTE_SECONDS

    def _identified(self, request: Request) -> Principal:
        given = request.headers.getlist("authorization")
        if not given and COOKIE in request.cookies:
            return self._by_session(request)
        text = _text_of(given[0]) if len(given) == 1 else ""
        if (shown := _KEY_ID.match(text)) is not None:
            request.state.shown_key_id = shown[1]
        place = request.client.host if request.client else ""
        if text[7:23] not in self._known and self._refusals.is_empty(place):
            self._refusals.take(place)
        try:
            who = keys.authenticate(text, db=self.db)
        except NotAuthenticated:
            self._refusals.take(place)
            raise
        self._known[who.key_id] = _digest(text), who
        return who

    def _by_session(self, request: Request) -> Principal:
        if request.method not in SAFE_METHODS and not _is_of_our_page(request):
            raise ForeignPage(field="Sec-Fetch-Site", site=request.headers.get("sec-fetch-site"))
        return keys.principal_of(self.sessions.key_of(request.cookies[COOKIE]), db=self.db)


def idempotency_key_of(request: Request) -> str | None:
    """Return the request's idempotency key. Raises InvalidArgument for what is none."""
    given = request.headers.getlist("idempotency-key")
    if not given:
        return None
    key = given[0]
    if len(given) > 1 or not is_idempotency_key(key):
        raise InvalidArgument(field="Idempotency-Key", value=key, fact="must be 1 to 150 printable ASCII characters")
    return key


def is_idempotency_key(text: str) -> bool:
    """Return whether a text can be an idempotency key."""
    return 1 <= len(text) <= 150 and text.isascii() and text.isprintable()


def _text_of(authorization: str) -> str:
    """Return the text of the key that a header brings; what it brings otherwise is none."""
    scheme, _, text = authorization.partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def _is_of_our_page(request: Request) -> bool:
    # The gate has refused foreign ones; a browser that tells neither is not trusted with a cookie.
    return request.headers.get("sec-fetch-site") == "same-origin" or "origin" in request.headers


def _log_refusal(request: Request, refused: ScidexError) -> None:
    _LOG.warning(
        "refused %s %s from %s: %s",
        request.method,
        path_to_log(request),
        request.client.host if request.client else "?",
        type(refused).__name__,
    )

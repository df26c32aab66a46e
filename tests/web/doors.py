"""Keys for clients under test: each request goes out by a key that may make it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Generator

import httpx2

from scidex.exchange import keys
from scidex.store import Database

BIDDER = "ada"


def key_for(db: Database, account_id: str, *scopes: str) -> str:
    """Return the text of a new key."""
    text = keys.create_key(account_id, scopes, db=db).text
    assert text is not None
    return text


def headers_for(db: Database, account_id: str, *scopes: str) -> dict[str, str]:
    """Return the headers by which a client acts with a new key."""
    return {"Authorization": f"Bearer {key_for(db, account_id, *scopes)}"}


def operator(db: Database) -> dict[str, str]:
    """Return the headers by which a client acts as the operator."""
    return headers_for(db, "system:treasury", "admin")


class EveryKey(httpx2.Auth):
    """
    The keys of everybody in a small market: bids go out as ada's, attestations as their evaluator's, the rest as the
    operator's. A POST without an idempotency key gets one.
    """

    requires_request_body = True

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: dict[tuple[str, str], str] = {}

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        if "Authorization" not in request.headers:
            request.headers["Authorization"] = f"Bearer {self._key(*self._of(request))}"
        if request.method == "POST" and "Idempotency-Key" not in request.headers:
            request.headers["Idempotency-Key"] = str(uuid.uuid4())
        yield request

    def _of(self, request: httpx2.Request) -> tuple[str, str]:
        path = request.url.path
        if request.method in ("POST", "DELETE") and "/bids" in path:
            return BIDDER, "bid"
        if request.method == "POST" and path == f"/api/wallets/{BIDDER}/transfers":
            return BIDDER, "bid"
        if path.endswith("/attest"):
            return str(json.loads(request.content)["attested_by"]), "attest"
        return "system:treasury", "admin"

    def _key(self, account_id: str, scope: str) -> str:
        if (account_id, scope) not in self._known:
            self._known[account_id, scope] = key_for(self._db, account_id, scope)
        return self._known[account_id, scope]

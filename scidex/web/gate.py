"""The gate that every request passes: who is asked, from which page, with how large a body, and what goes out."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scidex.errors import ScidexError
from scidex.web.attempts import Attempts, new_request_id
from scidex.web.metrics import Metrics
from scidex.web.problems import response_to, status_of
from scidex.web.refusals import BodyTooLarge, BodyTooSlow, ForeignPage, UnknownHost, UnsupportedMediaType

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
MOST_BODY_BYTES = 1024 * 1024
_BODY_SECONDS = 10.0
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# Stands for a slash within an id while routes are matched, so that no id chooses a route. Half of a surrogate pair:
# no address can spell it.
SLASH_IN_ID = "\ud82f"

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Gate:
    """
    ASGI middleware: refuses what comes from elsewhere or is too much, and sends the security headers.

    Whatever is refused here or behind it has an id in its answer, and `attempts` hears of it.
    """

    def __init__(
        self, app: ASGIApp, *, metrics: Metrics, attempts: Attempts, host_names: frozenset[str] = LOOPBACK_NAMES
    ) -> None:
        self.app = app
        self.metrics = metrics
        self.attempts = attempts
        self.host_names = host_names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it with a refusal."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        send = _with_headers(send)
        headers = Headers(scope=scope)
        try:
            self._check_host(scope, headers)
            _check_page(scope, headers)
            body = await _whole_body(headers, receive)
        except ScidexError as refused:
            await response_to(refused)(scope, receive, _noting_status(send, scope, {}))
            self.attempts.note(scope, status_of(refused), type(refused).__name__)
            return
        whole = _with_ids_kept_whole(scope)
        answer: dict[str, Any] = {}
        with self.metrics.timed(whole, answer):
            await self.app(whole, _replaying(body, receive), _noting_status(send, whole, answer))
        if (status := answer.get("status", 0)) >= 400:
            self.attempts.note(whole, status)

    def _check_host(self, scope: Scope, headers: Headers) -> None:
        """Refuse a name that is neither ours nor the address that was reached. Raises UnknownHost."""
        host = headers.get("host", "")
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        address = (scope.get("server") or ("",))[0]
        if name.lower() not in {*self.host_names, address, f"[{address}]"}:
            raise UnknownHost(field="Host", host=host)


def _check_page(scope: Scope, headers: Headers) -> None:
    """
    Refuse to answer a page from elsewhere, whatever the method. Programs send neither header.

    A link from elsewhere may lead to our pages: it brings no cookie, since that is strict. Raises ForeignPage.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    follows_link = scope["method"] in SAFE_METHODS and headers.get("sec-fetch-mode") == "navigate"
    if site not in (None, "same-origin", "none") and not (follows_link and not scope["path"].startswith("/api/")):
        raise ForeignPage(field="Sec-Fetch-Site", site=site)
    if origin is not None and origin != f"{scope['scheme']}://{headers['host']}":
        raise ForeignPage(field="Origin", origin=origin)


async def _whole_body(headers: Headers, receive: Receive) -> bytes | None:
    """Return the body, or None where there is none. Raises BodyTooLarge, BodyTooSlow, UnsupportedMediaType."""
    length = headers.get("content-length", "0")
    if length == "0" and "transfer-encoding" not in headers:
        return None
    if headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedMediaType(field="Content-Encoding", content_encoding=headers["content-encoding"])
    if length.isdigit() and int(length[:20]) > MOST_BODY_BYTES:
        raise BodyTooLarge(field="body", most_bytes=MOST_BODY_BYTES)
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            return await _read(receive)
    except TimeoutError:
        raise BodyTooSlow(field="body", most_seconds=_BODY_SECONDS) from None


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MOST_BODY_BYTES:
            raise BodyTooLarge(field="body", most_bytes=MOST_BODY_BYTES)
        more = message.get("more_body", False)
    return bytes(body)


def _replaying(body: bytes | None, receive: Receive) -> Receive:
    waiting: list[Message] = [] if body is None else [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _with_ids_kept_whole(scope: Scope) -> Scope:
    """Return the scope of an API request with each segment of its path decoded on its own."""
    raw = scope.get("raw_path")
    if raw is None or not scope["path"].startswith("/api/"):
        return {**scope}
    segments = raw.decode("ascii", "replace").split("/")
    return {**scope, "path": "/".join(unquote(segment).replace("/", SLASH_IN_ID) for segment in segments)}


def _noting_status(send: Send, scope: Scope, answer: dict[str, Any]) -> Send:
    """Note the status of an answer, and give an id to one that is a refusal."""

    async def send_and_note(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer["status"] = message["status"]
            if message["status"] >= 400:
                state = scope.setdefault("state", {})
                state.setdefault("id", new_request_id())
                MutableHeaders(scope=message).setdefault("X-Request-Id", state["id"])
        await send(message)

    return send_and_note


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return send_with_headers

"""The tools by streamable HTTP on loopback: each request brings a key, and the market's server says what it may do."""

from __future__ import annotations

import socket
from typing import Any, cast

import uvicorn
from mcp.server.mcpserver import Context
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from scidex.client import Client
from scidex.errors import MarketUnreachable, NotAuthenticated, ScidexError
from scidex.mcp_server.tools import Bidder, server_of

PATH = "/mcp"
_MOST_BODY_BYTES = 1024 * 1024
# An agent waits for its answer: a market that is started again meanwhile is still found.
_DEADLINE_SECONDS = 10.0
_GRACE_SECONDS = 2
_BIDDER = "scidex.bidder"


def serve(url: str, listening: socket.socket) -> None:
    """Answer on a socket that listens on loopback for the market at `url`, until the process is told to stop."""
    config = uvicorn.Config(
        app_of(url, listening.getsockname()[1]),
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        ws="none",
    )
    uvicorn.Server(config).run(sockets=[listening])


def app_of(url: str, port: int) -> ASGIApp:
    """Return the application for the market at `url`, which answers to the names of loopback with its port alone."""
    names = ("127.0.0.1", "localhost", "[::1]")
    # No page may ask, from whichever origin: programs send none.
    security = TransportSecuritySettings(allowed_hosts=[f"{name}:{port}" for name in names], allowed_origins=[])
    tools = server_of(_bidder_of_request).streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        # Without sessions: no request can act by the key of an earlier one.
        stateless_http=True,
        max_request_body_size=_MOST_BODY_BYTES,
        transport_security=security,
    )
    return KeyGate(tools, url, security)


class KeyGate:
    """ASGI middleware: lets a request in by its key, as the market's server says, and names its bidder."""

    def __init__(self, app: ASGIApp, url: str, security: TransportSecuritySettings) -> None:
        self.app = app
        self.url = url
        self._security = TransportSecurityMiddleware(security)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it with a refusal."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refusal = await self._security.validate_request(Request(scope))
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        try:
            client = await run_in_threadpool(self._client_of, Headers(scope=scope))
        except ScidexError as refused:
            await _response_to(refused)(scope, receive, send)
            return
        try:
            await self._through(client, scope, receive, send)
        finally:
            await run_in_threadpool(client.close)

    async def _through(self, client: Client, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            who = await run_in_threadpool(client.whoami)
        except ScidexError as refused:
            await _response_to(refused)(scope, receive, send)
            return
        await self.app({**scope, _BIDDER: Bidder(who.account_id, client)}, receive, send)

    def _client_of(self, headers: Headers) -> Client:
        return Client(self.url, key_of(headers), deadline_seconds=_DEADLINE_SECONDS)


def key_of(headers: Headers) -> str:
    """
    Return the one key that a request brings. Raises NotAuthenticated.

    Never an empty one: without a key a client would act by the operator's, which it finds by itself.
    """
    given = headers.getlist("authorization")
    scheme, _, text = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    key = text.strip()
    if scheme.lower() != "bearer" or not key.isascii() or not key.isprintable() or not key:
        raise NotAuthenticated
    return key


def _bidder_of_request(context: Context[Any, Any]) -> Bidder:
    request = cast(Request, context.request_context.request)
    return cast(Bidder, request.scope[_BIDDER])


def _response_to(refused: ScidexError) -> Response:
    """Return a refusal as text; of a market that cannot be reached, its sentence without its address."""
    sentence = (type(refused).__doc__ or "").strip().splitlines()[0]
    if isinstance(refused, NotAuthenticated):
        return PlainTextResponse(sentence, 401, {"WWW-Authenticate": 'Bearer realm="scidex"'})
    return PlainTextResponse(sentence, 503 if isinstance(refused, MarketUnreachable) else 502)

"""
Single bids by keys that were let in before: those that wait together go through one transaction's commit.

The common case at the fewest steps. It asks what the route asks, and answers as the route does; whatever is not as
plain, or is to be refused before it is a valid bid, is left to the route, with nothing done.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from fastapi import Request, Response
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scidex.errors import NotAuthenticated, ScidexError
from scidex.records import Bid, Principal
from scidex.store import Database, requests
from scidex.web import problems, schemas, strict_json
from scidex.web.access import Access, is_idempotency_key
from scidex.web.attempts import new_request_id
from scidex.web.metrics import Metrics
from scidex.web.routes import market
from scidex.web.routing import acting_for, write_of

# Bids that one commit may carry; a bound, so that the first of them is not kept waiting.
_MOST_TOGETHER = 256
# What is longer is read where its sender is known.
_MOST_BYTES = 4_096
_ROUTE = next(route for route in market.routes.routes if getattr(route, "endpoint", None) is market.place_bids)
_PATH = str(getattr(_ROUTE, "path_format", ""))
_NEEDED = (b"authorization", b"content-type")

_BID: TypeAdapter[Any] = TypeAdapter(schemas.Bid)


class Asked(NamedTuple):
    """One bid that was asked for: by whom, in which request, the bid, and who waits for the outcome."""

    who: Principal
    write: requests.Request
    request_id: str
    bid: schemas.NewBid
    answer: asyncio.Future[Bid]


class BidDesk:
    """ASGI middleware: places single bids, many in one commit, and lets everything else pass."""

    def __init__(self, app: ASGIApp, *, access: Access, metrics: Metrics, db: Database) -> None:
        self.app = app
        self._access = access
        self._db = db
        self._waiting: deque[Asked] = deque()
        self._at_work: set[asyncio.Task[None]] = set()
        metrics.bids_waiting.set_function(lambda: len(self._waiting))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Place a bid, or pass the request on."""
        if scope["type"] != "http" or scope["path"] != _PATH or scope["method"] != "POST" or scope["query_string"]:
            await self.app(scope, receive, send)
            return
        message = await receive()
        asked = self._asked(scope, message)
        if asked is None:
            await self.app(scope, _again(message, receive), send)
            return
        scope["route"] = _ROUTE
        request = Request(scope)
        request.state.who, request.state.id = asked.who, asked.request_id
        await (await self._answer(request, asked))(scope, receive, send)

    def _asked(self, scope: Scope, message: Message) -> Asked | None:
        """Return the bid that a request asks for, or None where it is for the route to judge."""
        body, headers = message.get("body", b""), _plain_headers(scope)
        if headers is None or message.get("more_body") or not 0 < len(body) <= _MOST_BYTES:
            return None
        who = self._access.known(headers[b"authorization"])
        if who is None or "bid" not in who.scopes:
            return None
        try:
            bid = schemas.NewBid.model_validate(strict_json.parse(body))
        except (ValidationError, ScidexError):
            return None
        key = headers.get(b"idempotency-key")
        if not (bid.idempotency_key if key is None else is_idempotency_key(key)):
            return None
        write = write_of(who, f"POST {_PATH}", key, f"{_PATH}?", body)
        return Asked(who, write, new_request_id(), bid, asyncio.get_running_loop().create_future())

    async def _answer(self, request: Request, asked: Asked) -> Response:
        try:
            bid = await self._placed(asked)
        except ScidexError as error:
            return problems.refused(request, error)
        told = _BID.dump_json(_BID.validate_python(bid))
        headers = {"X-Request-Id": asked.request_id}
        return Response(told, status_code=201, headers=headers, media_type="application/json")

    async def _placed(self, asked: Asked) -> Bid:
        """Return the bid once it is durable. Raises what refuses it."""
        with self._access.in_flight(asked.write.scope, asked.write.idempotency_key):
            self._waiting.append(asked)
            if len(self._at_work) < self._db.writers:
                task = asyncio.create_task(self._work())
                self._at_work.add(task)
                task.add_done_callback(self._at_work.discard)
            return await asked.answer

    async def _work(self) -> None:
        """Place what waits, until nothing does."""
        while self._waiting:
            # Answers go out, and who has sent a bid comes in, before a thread is at the interpreter too.
            await asyncio.sleep(0)
            most = _MOST_TOGETHER if self._db.writers == 1 else 1
            group = [self._waiting.popleft() for _ in range(min(len(self._waiting), most))]
            outcomes = await run_in_threadpool(self._place_all, group)
            for asked, outcome in zip(group, outcomes, strict=True):
                if asked.answer.done():  # whoever asked is gone
                    continue
                if isinstance(outcome, BaseException):
                    asked.answer.set_exception(outcome)
                else:
                    asked.answer.set_result(outcome)

    def _place_all(self, group: list[Asked]) -> list[Bid | Exception]:
        """Place bids in one commit; return the bid or the refusal of each. None harms another."""
        try:
            with self._db.together():
                outcomes = [self._attempt(asked) for asked in group]
        except Exception as error:
            return [error] * len(group)
        return [self._told(asked.who, one) for asked, one in zip(group, outcomes, strict=True)]

    def _attempt(self, asked: Asked) -> Bid | Exception:
        try:
            self._access.note_request(asked.who)
            with acting_for(asked.who, asked.write, asked.request_id):
                return market.place(asked.bid, asked.who, self._access.bids, self._db)
        except Exception as error:
            return error

    def _told(self, who: Principal, outcome: Bid | Exception) -> Bid | Exception:
        """Return an outcome as it may be told: a refusal tells nothing to a key that has ended."""
        if isinstance(outcome, ScidexError) and not self._access.still_lives(who):
            return NotAuthenticated()
        return outcome


def _plain_headers(scope: Scope) -> dict[bytes, str] | None:
    """Return the headers that matter here, or None where one of them is missing, given twice, or calls for more."""
    found: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        if name in (b"authorization", b"content-type", b"idempotency-key"):
            if name in found:
                return None
            found[name] = value.decode("latin-1")
        elif name == b"cookie":
            return None
    if any(name not in found for name in _NEEDED) or found[b"content-type"].strip().lower() != "application/json":
        return None
    return found


def _again(message: Message, receive: Receive) -> Receive:
    """Give a message once more, and then those behind it."""
    first: Iterator[Message] = iter((message,))

    async def replay() -> Message:
        return next(first, None) or await receive()

    return replay

"""Routes that ask for a key, take JSON strictly, know all their parameters, act once a request, and keep ids whole."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.convertors import Convertor, register_url_convertor

from scidex.errors import InvalidArgument
from scidex.records import Principal
from scidex.store import requests
from scidex.store.db_writes import acting_as
from scidex.web import strict_json
from scidex.web.access import Access, idempotency_key_of, moves_tokens, scopes_of
from scidex.web.attempts import new_request_id
from scidex.web.gate import SAFE_METHODS, SLASH_IN_ID
from scidex.web.refusals import IdempotencyKeyMissing, UnsupportedMediaType

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

_KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key and request get the first answer, and act once. Needed where tokens move.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 150, "pattern": "^[ -~]+$"},
}


class IdConvertor(Convertor[str]):
    """An id in a path: one segment, whatever its characters."""

    regex = "[^/]+"

    def convert(self, value: str) -> str:
        """Return the id as it was sent."""
        return value.replace(SLASH_IN_ID, "/")

    def to_string(self, value: str) -> str:
        """Return the id as a segment."""
        return value.replace("/", SLASH_IN_ID)


register_url_convertor("id", IdConvertor())


class StrictRequest(Request):
    """A request whose body is read as strict JSON, once."""

    _value: Any

    async def json(self) -> Any:
        """Return the body's value. Raises MalformedBody, UnsupportedMediaType."""
        if not hasattr(self, "_value"):
            if self.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                raise UnsupportedMediaType(field="Content-Type", content_type=self.headers.get("content-type"))
            self._value = strict_json.parse(await self.body())
        return self._value


class StrictRoute(APIRoute):
    """
    A route that is closed to whoever has no key for it, and refuses what readers could read in two ways.

    A route that does not say which scopes it takes cannot be made.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self.scopes = scopes_of(endpoint)
        self.moves_tokens = moves_tokens(endpoint)
        extra = dict(options.pop("openapi_extra", None) or {})
        if self.scopes:
            extra["security"] = [{"key": sorted(self.scopes)}]
        if not set(options.get("methods") or ["GET"]) <= SAFE_METHODS:
            extra["parameters"] = [{**_KEY_PARAMETER, "required": False}]
        super().__init__(path, endpoint, openapi_extra=extra or None, **options)

    def get_route_handler(self) -> Handler:
        """Return what answers this route's requests."""
        handle = super().get_route_handler()
        known = _parameters_of(self.dependant)

        async def handle_strictly(request: Request) -> Response:
            access: Access = request.app.state.access
            who = await access.admit(request, self.scopes) if self.scopes else None
            _check_parameters(request, known)
            strict = StrictRequest(request.scope, request.receive)
            if await strict.body():
                await strict.json()  # read here, where a refusal keeps its name
            if request.method in SAFE_METHODS or who is None:
                return await _unless_known(request, handle(strict))
            return await self._act(access, who, strict, handle)

        return handle_strictly

    async def _act(self, access: Access, who: Principal, request: StrictRequest, handle: Handler) -> Response:
        """Do a write as its principal, once for an idempotency key."""
        key = idempotency_key_of(request)
        if key is None and self.moves_tokens and not _brings_keys(await request.json() if await request.body() else {}):
            raise IdempotencyKeyMissing(
                field="Idempotency-Key", fact="must be sent, as any text that is new, such as a UUID"
            )
        address = f"{request.url.path}?{request.url.query}"
        write = write_of(who, f"{request.method} {self.path_format}", key, address, await request.body())
        request.state.id = new_request_id()
        with access.in_flight(write.scope, key), acting_for(who, write, request.state.id):
            response = await handle(request)
        response.headers["X-Request-Id"] = request.state.id
        return response


def write_of(who: Principal, route: str, key: str | None, address: str, body: bytes) -> requests.Request:
    """Return a write as its idempotency key stands for it: of one principal, at one route, of one content."""
    digest = hashlib.sha256(f"{address}\n".encode("utf-8", "replace"))
    digest.update(body)
    return requests.Request(who.key_id, f"{who.account_id} {route}", key, digest.hexdigest())


@contextmanager
def acting_for(who: Principal, write: requests.Request, request_id: str) -> Iterator[None]:
    """Journal the writes of the block as a principal's, by its key, in this request."""
    with acting_as(f"{who.account_id} key:{who.key_id} request:{request_id}"), requests.serving(write):
        yield


def _brings_keys(body: Any) -> bool:
    """Return whether each thing in a body has an idempotency key of its own."""
    items = body if isinstance(body, list) else [body]
    return all(isinstance(item, dict) and item.get("idempotency_key") for item in items)


async def _unless_known(request: Request, answer: Awaitable[Response]) -> Response:
    """Return an answer with the tag of its content, or that the client has this very content."""
    response = await answer
    body = getattr(response, "body", None)
    if response.status_code != 200 or not body or not request.url.path.startswith("/api/"):
        return response
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if tag in [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return response


def _parameters_of(dependant: Dependant) -> set[str]:
    """Return the names of the parameters that a route takes, and what it depends on."""
    own = {parameter.alias for parameter in dependant.query_params}
    return own.union(*map(_parameters_of, dependant.dependencies))


def _check_parameters(request: Request, known: set[str]) -> None:
    seen: set[str] = set()
    for name, value in request.query_params.multi_items():
        if name not in known:
            raise InvalidArgument(field=name[:100], value=value, fact="is no parameter here")
        if name in seen:
            raise InvalidArgument(field=name, value=value, fact="is given twice")
        seen.add(name)

"""Refusals as problem documents (RFC 9457): what is true, which field it is about, and never a traceback."""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from scidex import errors
from scidex.errors import ScidexError, shown
from scidex.web import refusals

_LOG = logging.getLogger(__name__)
_MOST_ERRORS = 20
_MOST_FIELD_CHARACTERS = 200
_MOST_PATH_CHARACTERS = 200
_FENCE = re.compile(r"(?<=^/api/leases/)[^/]+")

# The status of a refusal is that of the nearest of its classes that stands here.
STATUS: dict[type[ScidexError], int] = {
    ScidexError: 409,
    errors.InvalidArgument: 422,
    errors.UnknownMechanism: 422,
    errors.BidsRefused: 422,
    errors.TasksRefused: 422,
    errors.IdempotencyConflict: 422,
    errors.UnknownId: 404,
    errors.NotAuthenticated: 401,
    errors.NotAllowed: 403,
    errors.AttesterNotIndependent: 403,
    errors.NotTheWorkersSlot: 403,
    errors.StoreError: 500,
    errors.DatabaseBusy: 503,
    errors.DatabaseUnavailable: 503,
    refusals.MalformedBody: 400,
    refusals.BodyTooSlow: 408,
    refusals.BodyTooLarge: 413,
    refusals.UnsupportedMediaType: 415,
    refusals.UnknownHost: 421,
    refusals.ForeignPage: 403,
    refusals.SessionLinkUsed: 403,
    refusals.TooManyRequests: 429,
    refusals.TooManyEventStreams: 429,
}


# To people who open a page these are told as a page.
_CLOSED = (errors.NotAuthenticated, errors.NotAllowed, refusals.SessionLinkUsed)


class ProblemResponse(Response):
    """A problem document."""

    media_type = "application/problem+json"

    def __init__(self, document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(content=document, status_code=document["status"], headers=headers)

    def render(self, content: Any) -> bytes:
        # In ASCII, so that even half of a character that a client sent can be told back to it.
        return json.dumps(content, allow_nan=False).encode("ascii")


def install(app: FastAPI) -> None:
    """Let every refusal and every failure of the app answer with a problem document."""
    app.add_exception_handler(ScidexError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _failed)


def response_to(error: ScidexError) -> ProblemResponse:
    """Return a refusal as a response."""
    return ProblemResponse(document_of(error), headers=_headers_of(error))


def _headers_of(error: ScidexError) -> dict[str, str]:
    headers: dict[str, str] = {}
    if status_of(error) in (429, 503):
        headers["Retry-After"] = str(error.facts.get("retry_after_seconds", 1))
    if isinstance(error, errors.NotAuthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="scidex"'
    return headers


def status_of(error: ScidexError) -> int:
    """Return the HTTP status of a refusal."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def document_of(error: ScidexError) -> dict[str, Any]:
    """Return a refusal as a problem document: its name, its sentence, its field and its facts."""
    document = {"type": _type_of(type(error).__name__), "title": _title_of(error), "status": status_of(error)}
    if isinstance(error, errors.StoreError):  # its facts quote the database, which is nobody's business outside
        return {**document, "detail": _title_of(error)}
    document["detail"] = str(error)
    if isinstance(error, (errors.BidsRefused, errors.TasksRefused)):
        batch = "tasks" if isinstance(error, errors.TasksRefused) else ""
        told = [_of_item(f"{batch}[{index}]", one) for index, one in sorted(error.errors.items())[:_MOST_ERRORS]]
        return {**document, "field": told[0]["field"], "errors": told}
    facts = {name: _plain(value) for name, value in error.facts.items() if name != "field"}
    return {**document, "field": error.facts.get("field"), "facts": facts}


def _of_item(place: str, error: ScidexError) -> dict[str, Any]:
    told = document_of(error)
    return {**told, "field": f"{place}.{told['field']}" if told.get("field") else place}


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ScidexError)
    return refused(request, error)


def refused(request: Request, error: ScidexError) -> Response:
    """Return a refusal as this client is told of it."""
    request.state.refused = type(error).__name__
    if isinstance(error, errors.StoreError):
        _LOG.error("%s %s: %s", request.method, path_to_log(request), error)
    if isinstance(error, _CLOSED) and "text/html" in request.headers.get("accept", ""):
        address = f"{request.url.scheme}://{request.headers.get('host', '')}"
        page: Response = request.app.state.pages.closed(_title_of(error), address, status_of(error))
        page.headers.update(_headers_of(error))
        return page
    return response_to(error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    request.state.refused = errors.InvalidArgument.__name__
    told = [{"field": field_of(one["loc"]), "detail": one["msg"]} for one in error.errors()[:_MOST_ERRORS]]
    first = told[0]
    return ProblemResponse(
        {
            "type": _type_of("InvalidArgument"),
            "title": errors.InvalidArgument.__doc__,
            "status": 422,
            "detail": f"{first['field']}: {first['detail']}",
            "field": first["field"],
            "errors": told,
        }
    )


def path_to_log(request: Request) -> str:
    """Return a request's path as logs may have it: in ASCII, not endless, and without the number of a lease."""
    return ascii(_FENCE.sub("{fence}", request.url.path))[1:-1][:_MOST_PATH_CHARACTERS]


def field_of(location: Sequence[int | str]) -> str:
    """Return the name of the field at a location that the validator reports."""
    where, *path = location
    # "one" and "many" tell which shape of the body was meant; they are no part of it.
    parts = [part for part in path if part not in ("one", "many")] or [where]
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).lstrip(".")
    return text[:_MOST_FIELD_CHARACTERS] if text.isprintable() else ascii(text)[1 : _MOST_FIELD_CHARACTERS - 1]


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    detail = {404: "Nothing is to be found here.", 405: "This is not done here in this way."}.get(
        error.status_code, str(error.detail)
    )
    document = {"type": "about:blank", "title": phrase, "status": error.status_code, "detail": detail}
    return ProblemResponse(document, headers=error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    number = secrets.token_hex(8)
    # The server logs the traceback right after this line.
    _LOG.error("failure %s in %s %s: %r", number, request.method, path_to_log(request), error)
    detail = "The server failed. Its log has more under this id."
    document = {"type": "about:blank", "title": "Internal Server Error", "status": 500, "detail": detail, "id": number}
    # The server closes the connection after a failure, and whoever is not told so asks on it again and is reset.
    return ProblemResponse(document, headers={"Connection": "close"})


def _type_of(name: str) -> str:
    return "urn:scidex:problem:" + re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def _title_of(error: ScidexError) -> str:
    return (type(error).__doc__ or "").strip().splitlines()[0]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) <= 2**63):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value[:_MOST_ERRORS]]
    return value if isinstance(value, str) and value.isprintable() and len(value) <= 200 else shown(value)

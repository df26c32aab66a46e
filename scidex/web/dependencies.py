"""What routes ask for: the market's database, and the forms of an argument that the path or the query carries."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Path, Query, Request

from scidex.exchange.keys import SCOPES
from scidex.records import Principal
from scidex.settings import DEFAULT_POOL
from scidex.store import Database
from scidex.web.access import Access
from scidex.web.routing import StrictRoute
from scidex.web.schemas import Problem


async def _database(request: Request) -> Database:
    return cast(Database, request.app.state.db)


async def _principal(request: Request) -> Principal:
    return cast(Principal, request.state.who)


async def _access(request: Request) -> Access:
    return cast(Access, request.app.state.access)


Db = Annotated[Database, Depends(_database)]
Who = Annotated[Principal, Depends(_principal)]
Doors = Annotated[Access, Depends(_access)]
PoolName = Annotated[str, Query(min_length=1, max_length=200, description="The book of like slots.")]
Limit = Annotated[int, Query(ge=1, le=1_000, description="At most this many.")]
Before = Annotated[int | None, Query(ge=1, le=2**53 - 1, description="Only those with a smaller number than this.")]
Hours = Annotated[float, Query(ge=0.001, le=24 * 366, description="How far to look back.")]
Number = Annotated[int, Path(ge=-(2**63), le=2**63 - 1)]
Name = Annotated[str, Path(min_length=1, max_length=200)]
POOL = DEFAULT_POOL
# Every key may read what the market tells everybody.
ANY = SCOPES


def router(prefix: str, tag: str) -> APIRouter:
    """Return a router of strict routes whose refusals are documented."""
    problems = {
        status: {"model": Problem, "content": {"application/problem+json": {}}, "description": description}
        for status, description in _PROBLEMS.items()
    }
    return APIRouter(prefix=prefix, tags=[tag], route_class=StrictRoute, responses={**problems})


_PROBLEMS: dict[int | str, str] = {
    400: "The body is not JSON that all read alike.",
    401: "This needs a key.",
    403: "This key may not do it, or not from here.",
    404: "Nothing is known under this id.",
    409: "The state of the market forbids it.",
    408: "The body came too slowly.",
    413: "The body is too large.",
    415: "The body is not sent as application/json.",
    421: "The server does not go by this name.",
    422: "A field is not what this takes.",
    429: "There were too many of these.",
    503: "The database is busy; try again.",
}

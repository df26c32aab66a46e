"""Sessions of the dashboard: a link that opens one, and the page that it leads to."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse

from scidex.errors import NotAllowed
from scidex.web import schemas
from scidex.web.access import allows, allows_anybody
from scidex.web.dependencies import ANY, Doors, Who, router
from scidex.web.routing import StrictRoute
from scidex.web.sessions import COOKIE, SESSION_SECONDS

routes = router("/api", "keys")
pages = APIRouter(include_in_schema=False, route_class=StrictRoute)


@routes.post("/session-links", status_code=201, response_model=schemas.SessionLink)
@allows(*ANY)
def make_link(who: Who, doors: Doors) -> dict[str, str]:
    """Return the path of a page that opens the dashboard once, for an operator's key."""
    if not who.is_operator:
        raise NotAllowed(field="account_id", account_id=who.account_id, fact="must be the operator's")
    return {"path": doors.sessions.new_link(who.key_id)}


@pages.get("/session")
@allows_anybody
def open_session(request: Request, doors: Doors, token: Annotated[str, Query(max_length=100)] = "") -> RedirectResponse:
    """Open a session by a link's token, and go to the dashboard."""
    answer = RedirectResponse("/resources", status_code=303)
    answer.set_cookie(
        COOKIE,
        doors.sessions.open(token),
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer

"""Whether this server lives, and whether it can answer."""

from __future__ import annotations

from fastapi import APIRouter

from scidex.exchange import compute_auction
from scidex.web.access import allows_anybody
from scidex.web.dependencies import Db
from scidex.web.routing import StrictRoute

routes = APIRouter(tags=["health"], route_class=StrictRoute)


@routes.get("/healthz")
@allows_anybody
async def is_alive() -> dict[str, str]:
    """Answer, if the server lives."""
    return {"status": "ok"}


@routes.get("/readyz")
@allows_anybody
def is_ready(db: Db) -> dict[str, str]:
    """Answer, if the database does."""
    compute_auction.get_pool(db=db)
    return {"status": "ok"}

"""The dashboard's addresses: the page with its tabs, and the parts that it refreshes in place."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException

from scidex.errors import NotAllowed, ScidexError
from scidex.exchange import compute_auction
from scidex.records import Principal
from scidex.settings import DEFAULT_POOL
from scidex.store import Database
from scidex.web.access import allows, allows_anybody
from scidex.web.dashboard import formats, views
from scidex.web.dashboard.assets import Assets
from scidex.web.dashboard.recent import Recent
from scidex.web.dashboard.reference import Description, operations_by_tag
from scidex.web.dependencies import ANY, PoolName, Who
from scidex.web.routing import StrictRoute

Tab = Literal["budget", "auction", "wallets", "fleet", "health"]
BidNumber = Annotated[str, Query(max_length=20, description="The number of a bid to explain.")]

TABS = {"budget": "Budget", "auction": "Auction", "wallets": "Wallets", "fleet": "Fleet", "health": "Health"}
# Both are part of the page at once, so that going from one to the other waits for nothing.
_AT_ONCE = ("budget", "auction")
# How long an answer is fresh enough: proving the books reads all of them.
_FRESH_SECONDS = 1.0
_PROVED_SECONDS = 20.0

routes = APIRouter(include_in_schema=False, route_class=StrictRoute)


class Pages:
    """Renders the dashboard's pages over one market."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.assets = Assets()
        self._recent = Recent(_FRESH_SECONDS)
        self._proved = Recent(_PROVED_SECONDS)
        self._templates = Environment(
            loader=PackageLoader("scidex.web.dashboard"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(inspect.getmembers(formats, inspect.isfunction))
        self._templates.globals.update(tabs=TABS, asset=self.assets.address, missing=self.assets.missing)

    def page(self, tab: str, pool: str, bid: str = "") -> HTMLResponse:
        """Return the whole page with one tab open."""
        shown = {name: self.part(name, pool) if name in (*_AT_ONCE, tab) else "" for name in TABS}
        told = self.explanation(bid) if bid else ""
        return self._html("page.html", tab=tab, pool=pool, status=self.part("status", pool), panels=shown, told=told)

    def part(self, name: str, pool: str) -> str:
        """Return a part of the page as it stands. Raises UnknownPool."""
        part: str = self._recent.get(
            (name, pool), lambda: self._render(f"_{name}.html", pool=pool, **self._facts(name, pool))
        )
        return part

    def explanation(self, bid: str) -> str:
        """Return why a bid stands where it stands, or that there is no such bid."""
        number = bid.strip().removeprefix("#")
        try:
            wanted = int(number) if number.isascii() and number.isdigit() else number
            told = compute_auction.explain(wanted, db=self.db)  # type: ignore[arg-type]  # the verb refuses texts
        except ScidexError:
            return self._render("_explanation.html", asked=bid, told=None, bid=None)
        return self._render(
            "_explanation.html", asked=bid, told=told, bid=compute_auction.get_bid(told.bid_id, db=self.db)
        )

    def closed(self, fact: str, address: str, status: int) -> HTMLResponse:
        """Return the page that whoever is not let in sees, with what is missing."""
        html = self._render("closed.html", fact=fact, address=address)
        return HTMLResponse(html, status_code=status)

    def reference(self, description: Description) -> HTMLResponse:
        """Return the page that tells what the API's description says."""
        return self._html("reference.html", tags=operations_by_tag(description))

    def _facts(self, name: str, pool: str) -> dict[str, Any]:
        now = self.db.now()
        gather: dict[str, Callable[[], dict[str, Any]]] = {
            "status": lambda: views.status(self.db, pool, now),
            "budget": lambda: views.budget(self.db, pool, now),
            "auction": lambda: views.auction(self.db, pool, now),
            "wallets": lambda: views.wallets(self.db),
            "fleet": lambda: views.fleet(self.db),
            "health": lambda: self._proved.get(pool, lambda: views.health(self.db, pool, now)),
        }
        return {"now": now, **gather[name]()}

    def _render(self, template: str, **facts: Any) -> str:
        return self._templates.get_template(template).render(**facts)

    def _html(self, template: str, **facts: Any) -> HTMLResponse:
        return HTMLResponse(self._render(template, **facts))


def install(app: FastAPI, db: Database) -> None:
    """Add the dashboard to an application."""
    app.state.pages = Pages(db)
    app.include_router(routes)


def _pages(request: Request) -> Pages:
    pages: Pages = request.app.state.pages
    return pages


def _check_sees_all(who: Principal) -> None:
    """Make sure that somebody may see every account. Raises NotAllowed."""
    if not who.is_operator:
        raise NotAllowed(field="account_id", account_id=who.account_id, fact="must be the operator's")


@routes.get("/")
@allows_anybody
async def go_to_dashboard() -> RedirectResponse:
    """Send people to the dashboard."""
    return RedirectResponse("/resources", status_code=307)


@routes.get("/resources")
@allows(*ANY)
def show_page(request: Request, who: Who, tab: Tab = "budget", pool: PoolName = DEFAULT_POOL) -> HTMLResponse:
    """Return the dashboard with one tab open."""
    _check_sees_all(who)
    return _pages(request).page(tab, pool)


@routes.get("/resources/parts/{name}")
@allows(*ANY)
def show_part(request: Request, who: Who, name: Literal[Tab, "status"], pool: PoolName = DEFAULT_POOL) -> HTMLResponse:
    """Return one part of the page, to be refreshed in place."""
    _check_sees_all(who)
    return HTMLResponse(_pages(request).part(name, pool))


@routes.get("/resources/why")
@allows(*ANY)
def show_why(request: Request, who: Who, bid: BidNumber = "") -> HTMLResponse:
    """Return why a bid stands where it stands: alone where the page asks for it, else on the page."""
    _check_sees_all(who)
    pages = _pages(request)
    if "hx-request" in request.headers:
        return HTMLResponse(pages.explanation(bid))
    return pages.page("auction", DEFAULT_POOL, bid)


@routes.get("/docs")
@allows_anybody
def show_reference(request: Request) -> HTMLResponse:
    """Return the API's reference."""
    return _pages(request).reference(request.app.openapi())


@routes.get("/static/{name:path}")
@allows_anybody
async def show_asset(request: Request, name: str, v: str = "") -> Response:
    """Return a file that the pages load."""
    response = _pages(request).assets.response(name, v)
    if response is None:
        raise HTTPException(404)
    return response


@routes.get("/favicon.ico")
@allows_anybody
async def show_icon(request: Request) -> Response:
    """Return the icon, where a browser looks for it unasked."""
    return await show_asset(request, "icon.svg")

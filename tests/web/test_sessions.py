"""The dashboard's sessions: a link that opens once, a cookie that others cannot use, pages that show text as text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, expect

from scidex import keyring
from scidex.errors import NotAuthenticated
from scidex.exchange import backlog, compute_auction, cycle, keys, token_ledger
from scidex.store import Database, connect
from scidex.web.market_up import served_market
from scidex.web.refusals import SessionLinkUsed
from scidex.web.serving import running_server
from scidex.web.sessions import COOKIE, SESSION_SECONDS, Sessions
from tests.cli.running import scidex
from tests.web.conftest import link
from tests.web.doors import key_for

PAUSE = "/api/cycles/scidex-agent/pause"


@contextmanager
def opened(db: Database) -> Iterator[httpx2.Client]:
    """Give a client with an open session, and nothing else."""
    sessions = Sessions()
    with running_server(db, sessions=sessions) as address, httpx2.Client(base_url=address) as client:
        assert client.get(link(db, sessions)).status_code == 303
        yield client


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


# --- links and cookies


def test_a_link_opens_once():
    sessions = Sessions()
    token = sessions.new_link("key").rpartition("=")[2]

    assert sessions.key_of(sessions.open(token)) == "key"
    with pytest.raises(SessionLinkUsed):
        sessions.open(token)


def test_a_link_ends_after_ten_minutes_and_a_session_after_twelve_hours():
    clock = Clock()
    sessions = Sessions(clock=clock)
    late, soon = (sessions.new_link("key").rpartition("=")[2] for _ in range(2))
    clock.now += 599
    cookie = sessions.open(soon)
    clock.now += 1
    with pytest.raises(SessionLinkUsed):
        sessions.open(late)

    clock.now += SESSION_SECONDS - 2
    assert sessions.key_of(cookie) == "key"
    clock.now += 2
    with pytest.raises(NotAuthenticated):
        sessions.key_of(cookie)


def test_links_that_nobody_opens_do_not_pile_up():
    sessions = Sessions()
    for _ in range(1_000):
        sessions.new_link("key")

    assert len(sessions._links) <= 100


@pytest.mark.parametrize("change", [lambda c: c[:-1] + ("0" if c[-1] != "0" else "1"), lambda c: "other" + c[3:]])
def test_a_cookie_that_was_changed_is_refused(change):
    sessions = Sessions()
    cookie = sessions.open(sessions.new_link("key").rpartition("=")[2])

    for forged in (change(cookie), "", "...", "ä.1.b.c", cookie.rpartition(".")[0]):
        with pytest.raises(NotAuthenticated):
            sessions.key_of(forged)
    with pytest.raises(NotAuthenticated):
        Sessions().key_of(cookie)  # of another server


def test_the_cookie_is_for_this_site_and_no_script(db):
    sessions = Sessions()
    with running_server(db, sessions=sessions) as address:
        answer = httpx2.get(address + link(db, sessions))

    assert (answer.status_code, answer.headers["location"]) == (303, "/resources")
    cookie = SimpleCookie(answer.headers["set-cookie"])[COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "strict", "/")


def test_a_session_ends_with_its_key(db):
    sessions = Sessions()
    made = keys.create_key("system:treasury", ["admin"], db=db)
    with running_server(db, sessions=sessions) as address, httpx2.Client(base_url=address) as client:
        client.get(sessions.new_link(made.key.key_id))
        assert client.get("/resources").status_code == 200
        keys.revoke_key(made.key.key_id, db=db)
        assert client.get("/resources").status_code == 401


def test_a_page_without_a_session_says_how_to_open_it(db):
    with running_server(db) as address:
        page = httpx2.get(f"{address}/resources", headers={"Accept": "text/html"})
        program = httpx2.get(f"{address}/resources")
        used = httpx2.get(f"{address}/session?token=x", headers={"Accept": "text/html"})

    assert (page.status_code, used.status_code, program.status_code) == (401, 403, 401)
    assert "scidex login" in page.text
    assert program.headers["content-type"] == "application/problem+json"


def test_only_an_operators_key_opens_the_dashboard(db):
    token_ledger.create_account("ada", db=db)
    headers = {"Authorization": f"Bearer {key_for(db, 'ada', 'read', 'bid')}"}
    with running_server(db) as address, httpx2.Client(base_url=address, headers=headers) as client:
        for path in ("/resources", "/resources/parts/wallets", "/resources/why?bid=1"):
            assert client.get(path).status_code == 403
        assert client.post("/api/session-links").status_code == 403


def test_who_serves_a_market_gets_a_link_and_a_key_that_commands_find(tmp_path):
    url = f"sqlite:///{tmp_path}/market.db"
    with served_market(url, port=0) as market:
        with httpx2.Client(base_url=market.address) as client:
            client.get(market.dashboard())
            assert client.get("/resources").status_code == 200
        code, out, _ = scidex("login", "--url", market.address)
        assert (code, out.startswith(f"{market.address}/session?token=")) == (0, True)
        assert keyring.found_key(market.address) == market.key
        first = market.key
    with served_market(url, port=0) as market:
        assert market.key == first
    assert keyring.found_key(market.address) is None


# --- pages from elsewhere


def test_our_own_page_may_act_with_its_cookie(db):
    with opened(db) as client:
        assert client.post(PAUSE, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
        assert client.post(PAUSE, headers={"Origin": str(client.base_url).rstrip("/")}).status_code == 200
    assert cycle.cycle_status(db=db).paused


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "same-origin", "Host": "elsewhere.example"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_cookie_alone_never_writes(db, method, headers):
    paths = {"POST": PAUSE, "PUT": "/api/tasks", "PATCH": "/api/quests/q", "DELETE": "/api/compute-auction/slots/s"}
    with opened(db) as client:
        answer = client.request(method, paths[method], headers=headers)

    assert answer.status_code in (403, 421)
    assert not cycle.cycle_status(db=db).paused


@pytest.mark.parametrize("path", ["/api/wallets", "/api/events", "/metrics", "/resources", "/session?token=x"])
@pytest.mark.parametrize("mode", ["cors", "no-cors", "websocket"])
def test_a_page_from_elsewhere_may_not_even_read(db, path, mode):
    with opened(db) as client:
        answer = client.get(path, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode})

    assert answer.status_code == 403


def test_a_link_from_elsewhere_leads_to_the_closed_page():
    with connect("sqlite:///:memory:") as db:
        compute_auction.ensure_schema(db=db)
        with running_server(db) as address:
            headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
            page = httpx2.get(f"{address}/resources", headers=headers)  # a strict cookie does not come along
            data = httpx2.get(f"{address}/api/wallets", headers=headers)

    assert (page.status_code, data.status_code) == (401, 403)


def test_a_web_socket_is_not_opened(db):
    with opened(db) as client:
        headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        answer = client.get(
            "/api/events", headers={**headers, "Sec-Fetch-Site": "cross-site", "Sec-WebSocket-Key": "eA=="}
        )

    assert answer.status_code == 403


# --- in a real browser

HOSTILE = [
    "<script>document.title='stolen'</script>",
    "<img src=x onerror=\"document.title='stolen'\">",
    "\"><svg onload=document.title='stolen'>",
    "' autofocus onfocus=document.title='stolen' x='",
    "javascript:document.title='stolen'",
    "{{ 7 * 7 }}${7*7}<%= 7*7 %>",
    "</textarea></title><script src=//elsewhere.example/x.js></script>",
    "=cmd|' /C calc'!A0",
    "&lt;b&gt;&amp;",
]


def test_whatever_people_call_their_things_is_shown_as_text(browser: Browser, tmp_path):
    sessions = Sessions()
    asked: set[str] = set()
    with connect(f"sqlite:///{tmp_path}/market.db") as db:
        compute_auction.ensure_schema(db=db)
        for place, text in enumerate(HOSTILE):
            quest, account = f"{text} q", f"{text} {place}"
            backlog.add_quest(quest, text, account_id=account, db=db)
            token_ledger.mint(account, 1_000, reason=text, db=db)
            backlog.add_task(f"{text} t", quest, text, expected_value_usd=5, db=db)
            compute_auction.place_bid(account, f"{text} t", 100 + place, db=db)
        compute_auction.offer_slots(3, db=db)
        cleared = compute_auction.clear_round(db=db)
        compute_auction.settle(cleared.clears[0].slot_id, 10, 1.0, db=db)
        compute_auction.void(cleared.clears[1].slot_id, reason=HOSTILE[0], db=db)
        compute_auction.create_pool(HOSTILE[0][:50], db=db)
        with running_server(db, sessions=sessions) as address:
            context = browser.new_context()
            page = context.new_page()
            page.on("request", lambda request: asked.add(urlsplit(request.url).netloc))
            page.goto(address + link(db, sessions))
            for tab in ("budget", "auction", "wallets", "health"):
                page.goto(f"{address}/resources?tab={tab}")
                expect(page).to_have_title(f"{tab.title()} · scidex")
                made = "main script, main img, main svg[onload], main [onerror], main [onfocus], a[href^=javascript]"
                assert page.locator(made).count() == 0
            page.goto(f"{address}/resources?tab=wallets")
            shown = page.locator("#wallets").inner_text()
            for text in HOSTILE:
                assert text.replace("\n", " ") in shown
            for bid in range(1, len(HOSTILE) + 1):
                page.goto(f"{address}/resources/why?bid={bid}")
                assert page.title() == "Auction · scidex"
            context.close()

    assert asked == {urlsplit(address).netloc}


def test_a_page_of_another_origin_cannot_use_the_browsers_session(browser: Browser, tmp_path):
    sessions = Sessions()
    with connect(f"sqlite:///{tmp_path}/market.db") as db, connect(f"sqlite:///{tmp_path}/other.db") as other:
        compute_auction.ensure_schema(db=db)
        compute_auction.ensure_schema(db=other)
        with running_server(db, sessions=sessions) as address, running_server(other) as elsewhere:
            context = browser.new_context()
            page = context.new_page()
            page.goto(address + link(db, sessions))
            expect(page.locator("#mode")).to_be_visible()
            page.goto(f"{elsewhere.replace('127.0.0.1', 'localhost')}/docs")
            outcome = page.evaluate(
                """async (address) => {
                    const ask = (path, what) => fetch(address + path, {credentials: "include", ...what})
                        .then((answer) => answer.type, () => "refused");
                    return Promise.all([
                        ask("/api/cycles/scidex-agent/pause", {method: "POST", mode: "no-cors"}),
                        ask("/api/wallets", {mode: "cors"}),
                    ]);
                }""",
                address,
            )
            context.close()
        assert not cycle.cycle_status(db=db).paused

    assert outcome[1] == "refused"

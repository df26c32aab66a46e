"""Who may do what: every route with every scope, every body that names another, and every id of somebody else."""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import httpx2
import pytest
from fastapi import FastAPI

from scidex.exchange import backlog, compute_auction, keys, token_ledger
from scidex.exchange.keys import SCOPES
from scidex.records import NewKey
from scidex.store import Database, connect
from scidex.store.db_writes import read_journal
from scidex.web.app import create_app
from scidex.web.routing import StrictRoute
from scidex.web.serving import running_server
from tests.databases import contents, contents_but_refusals
from tests.web.doors import headers_for, key_for, operator

BIDS = "/api/compute-auction/bids"
# What a server writes of its own accord, now and then.
NOTES = ("note_key_uses", "note_refusals")
SLOTS = "/api/compute-auction/slots"

ALL = frozenset(SCOPES)
NOBODY: frozenset[str] = frozenset()

# Which scopes each route takes, written down a second time: a route that is opened wider fails here.
ROUTES: dict[str, frozenset[str]] = {
    **dict.fromkeys(
        (
            "GET /api/compute-auction/order-book",
            "GET /api/compute-auction/stats",
            "GET /api/compute-auction/bidders",
            "GET /api/compute-auction/quote",
            "GET /api/compute-auction/pools",
            "GET /api/compute-auction/pools/{pool}",
            "GET /api/compute-auction/pools/{pool}/next-round",
            "GET /api/compute-auction/pools/{pool}/settings",
            "GET /api/compute-auction/bids",
            "GET /api/compute-auction/bids/{bid_id}",
            "GET /api/compute-auction/rounds",
            "GET /api/compute-auction/rounds/{round_id}",
            "GET /api/compute-auction/rounds/{round_id}/bids",
            "GET /api/compute-auction/rounds/{round_id}/lottery",
            "GET /api/compute-auction/rounds/{round_id}/recomputed",
            "GET /api/compute-auction/clears",
            "GET /api/compute-auction/slots",
            "GET /api/compute-auction/slots/{slot_id}/timeline",
            "GET /api/wallets",
            "GET /api/wallets/{account_id}",
            "GET /api/wallets/{account_id}/income",
            "GET /api/wallets/{account_id}/transfers",
            "GET /api/quests",
            "GET /api/quests/{quest_id}",
            "GET /api/quest-budget-allocations",
            "GET /api/quest-troubles",
            "GET /api/tasks",
            "GET /api/tasks/{task_id}",
            "GET /api/tasks/{task_id}/bids",
            "GET /api/accounts/{account_id}",
            "GET /api/task-ranking",
            "GET /api/cycles/{pool}",
            "GET /api/cycles/{pool}/mode-switches",
            "GET /api/workers",
            "GET /api/workers/{worker_id}/leases",
            "GET /api/leases",
            "GET /api/leases/{fence}",
            "GET /api/runs/{run_id}/usage",
            "GET /api/runs/{run_id}/output",
            "GET /api/runs/{run_id}/ending",
            "GET /api/endings",
            "GET /api/evaluators",
            "GET /api/pauses",
            "GET /api/runs/{run_id}/pull-requests",
            "GET /api/report",
            "GET /api/whoami",
            "GET /api/keys",
            "GET /api/events",
            "POST /api/keys/{key_id}/rotate",
            "DELETE /api/keys/{key_id}",
            "POST /api/session-links",
            "GET /resources",
            "GET /resources/parts/{name}",
            "GET /resources/why",
        ),
        ALL,
    ),
    "POST /api/compute-auction/bids": frozenset({"bid"}),
    **dict.fromkeys(
        (
            "DELETE /api/compute-auction/bids/{bid_id}",
            "POST /api/compute-auction/slots/{slot_id}/declare",
            "POST /api/wallets/{account_id}/transfers",
            "PATCH /api/quests/{quest_id}",
            "POST /api/tasks",
            "PUT /api/tasks",
            "POST /api/tasks/{task_id}/status",
            "POST /api/tasks/{task_id}/written-back",
        ),
        frozenset({"bid", "admin"}),
    ),
    **dict.fromkeys(
        (
            "POST /api/compute-auction/asks",
            "DELETE /api/compute-auction/slots/{slot_id}",
            "POST /api/compute-auction/slots/{slot_id}/settle",
            "POST /api/compute-auction/slots/{slot_id}/void",
            "POST /api/compute-auction/slots/{slot_id}/lease",
            "POST /api/compute-auction/slots/{slot_id}/heartbeat",
            "POST /api/workers",
            "POST /api/workers/{worker_id}/heartbeat",
            "POST /api/workers/{worker_id}/offers",
            "POST /api/workers/{worker_id}/leases",
            "POST /api/workers/{worker_id}/stop",
            "POST /api/leases/{fence}/step",
            "POST /api/leases/{fence}/finish",
            "POST /api/leases/{fence}/give-back",
            "POST /api/runs/{run_id}/usage",
            "POST /api/runs/{run_id}/output",
            "POST /api/runs/{run_id}/pull-requests",
        ),
        frozenset({"work", "admin"}),
    ),
    "POST /api/compute-auction/slots/{slot_id}/attest": frozenset({"attest"}),
    **dict.fromkeys(
        (
            "POST /api/compute-auction/pools",
            "POST /api/compute-auction/clear",
            "PUT /api/compute-auction/pools/{pool}/settings",
            "GET /api/accounts",
            "GET /api/transfers",
            "GET /api/books",
            "GET /api/audit",
            "GET /api/refusals",
            "POST /api/sweep",
            "POST /api/pauses/end",
            "PUT /api/evaluators/{evaluator_id}",
            "POST /api/journal/seal",
            "POST /api/wallets",
            "POST /api/wallets/{account_id}/mint",
            "POST /api/wallets/{account_id}/burn",
            "POST /api/quests",
            "PUT /api/quests/{quest_id}/floor",
            "POST /api/keys",
            "POST /api/cycles/{pool}/pause",
            "POST /api/cycles/{pool}/resume",
            "POST /api/cycles/{pool}/clear",
        ),
        frozenset({"admin"}),
    ),
    "GET /metrics": frozenset({"read", "admin"}),
    **dict.fromkeys(
        ("GET /healthz", "GET /readyz", "GET /", "GET /docs", "GET /static/{name}", "GET /favicon.ico", "GET /session"),
        NOBODY,
    ),
}
# The description of the API, which FastAPI serves by itself.
DESCRIPTION = "/openapi.json"
REFUSALS = {"not-authenticated", "too-many-requests", "foreign-page"}
ACCOUNTS = {"admin": "system:treasury", "attest": "judge", "bid": "ada", "read": "ada", "work": "ada"}


def routes_of(app: FastAPI) -> dict[str, StrictRoute]:
    """Return every route there is, by its method and address; each must be one that asks for a key."""
    found: dict[str, StrictRoute] = {}
    waiting = list(app.routes)
    while waiting:
        route = waiting.pop()
        if included := getattr(route, "original_router", None):
            waiting += included.routes
        elif route.path != DESCRIPTION:
            assert isinstance(route, StrictRoute), route
            found |= {f"{method} {route.path_format}": route for method in route.methods}
    return found


class Market(NamedTuple):
    """A served market, its application, and a key of each scope."""

    db: Database
    address: str
    headers: dict[str, dict[str, str]]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def market(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """
    A market where ada and bob have 1,000 tokens each, bids, a quest with a task, a slot on offer and one sold to them.
    """
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path_factory.mktemp('doors')}/market.db"
        else:
            server = request.getfixturevalue("postgres_server")
            url = stack.enter_context(server.new_database(template=request.getfixturevalue("postgres_template")))
        db = stack.enter_context(connect(url))
        compute_auction.ensure_schema(db=db)
        token_ledger.create_account("judge", kind="evaluator", db=db)
        for account in ("ada", "bob"):
            token_ledger.create_account(account, owner_id=f"team of {account}", db=db)
            token_ledger.mint(account, 1_000, db=db)
            backlog.add_quest(f"quest of {account}", account_id=account, db=db)
            backlog.add_task(f"task of {account}", f"quest of {account}", payload={"secret": account}, db=db)
            compute_auction.offer_slots(1, reserve_price_tokens=1, db=db)
            compute_auction.place_bid(account, f"work of {account}", 50, db=db)
        compute_auction.clear_round(db=db)
        for account in ("ada", "bob"):
            compute_auction.offer_slots(1, provider_id=account, reserve_price_tokens=900, db=db)
            compute_auction.place_bid(account, f"more work of {account}", 20, db=db)
        headers = {scope: headers_for(db, account, scope) for scope, account in ACCOUNTS.items()}
        yield Market(db, stack.enter_context(running_server(db)), headers)


@pytest.fixture
def ask(market: Market) -> Iterator[httpx2.Client]:
    """A client without a key."""
    with httpx2.Client(base_url=market.address, timeout=30) as client:
        yield client


def problem(response: httpx2.Response) -> str:
    """Return the name of a refusal."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    return str(response.json()["type"]).rpartition(":")[2]


def address_of(route: str) -> tuple[str, str]:
    """Return the method of a route, and an address at which it answers."""
    method, _, path = route.partition(" ")
    path = re.sub(r"\{(?:bid_id|round_id|fence)\}", "1", path).replace("{name}", "status")
    return method, path.replace("{", "").replace("}", "")


# --- every route, every scope


def test_the_table_has_every_route_and_no_other():
    with connect("sqlite:///:memory:") as db:
        assert {name: route.scopes for name, route in routes_of(create_app(db)).items()} == ROUTES


def test_a_route_that_does_not_say_who_may_call_it_cannot_be_made():
    def forgotten() -> None: ...

    with pytest.raises(AssertionError, match="does not say who may call it"):
        StrictRoute("/api/forgotten", forgotten)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer scidex_0000000000000000_" + "0" * 64},
        {"Authorization": "Basic YWRhOmFkYQ=="},
        {"Authorization": "Bearer ' OR '1'='1"},
        {"Cookie": "scidex_session=x.y.z.w"},
    ],
    ids=str,
)
def test_no_route_answers_without_a_key(market, ask, headers):
    before = contents_but_refusals(market.db)
    answered = {}
    for route, scopes in ROUTES.items():
        method, path = address_of(route)
        body: Any = {} if method in ("POST", "PUT", "PATCH") else None
        if scopes and (found := problem(ask.request(method, path, json=body, headers=headers))) not in REFUSALS:
            answered[route] = found

    assert answered == {}
    assert contents_but_refusals(market.db) == before


def test_a_refusal_says_how_to_be_let_in(market):
    with running_server(market.db) as address:
        response = httpx2.get(f"{address}/api/whoami")

    assert (response.status_code, problem(response)) == (401, "not-authenticated")
    assert response.headers["www-authenticate"] == 'Bearer realm="scidex"'


@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_opens_the_routes_of_its_scope_and_no_other(market, ask, scope):
    before = contents_but_refusals(market.db)
    wrong = {}
    for route, scopes in ROUTES.items():
        if not scopes or (scope in scopes and route == "GET /api/events"):  # a stream without end has tests of its own
            continue
        method, path = address_of(route)
        body = {"nonsense": 1} if method in ("POST", "PUT", "PATCH") else None
        response = ask.request(method, path, json=body, headers=market.headers[scope])
        needs = (response.json().get("facts") or {}).get("needs") if response.status_code == 403 else None
        if needs != (None if scope in scopes else sorted(scopes)):
            wrong[route] = response.text

    assert wrong == {}
    if scope == "read":  # it tried everything, and may change nothing
        assert contents_but_refusals(market.db) == before


@pytest.mark.parametrize("route", [route for route, scopes in ROUTES.items() if not scopes])
def test_what_needs_no_key_tells_nothing_of_the_market(market, ask, route):
    method, path = address_of(route)

    response = ask.request(method, path)

    assert response.status_code in (200, 307, 403, 404)
    assert "ada" not in response.text.replace("created", "")


@pytest.mark.parametrize("suffix", ["/healthz", "/health", "/ready", "/readyz", "/docs", "/static/x", "/session"])
def test_no_ending_of_an_address_opens_it(ask, suffix):
    for place in ("/api/wallets", "/api/compute-auction/bids", "/metrics", "/resources"):
        assert ask.get(f"{place}{suffix}").status_code in (401, 404, 429)


# --- an account acts for itself


def test_a_bid_that_names_no_bidder_is_the_keys_own(market, ask):
    headers = {**market.headers["bid"], "Idempotency-Key": str(uuid.uuid4())}

    bid = ask.post(BIDS, json={"task_id": "own", "max_price_tokens": 1}, headers=headers).json()

    assert bid["bidder_id"] == "ada"
    assert ask.delete(f"{BIDS}/{bid['id']}", headers=market.headers["bid"]).json()["status"] == "cancelled"


BID: dict[str, Any] = {"task_id": "t", "max_price_tokens": 1}
MINE: dict[str, Any] = {"task_id": "x", "quest_id": "quest of ada"}
BOBS: dict[str, Any] = {"task_id": "y", "quest_id": "quest of bob"}
ASKS = "/api/compute-auction/asks"
ATTESTED = {"actual_cost_tokens": 1, "actual_impact": 9.0, "attested_by": "judge"}
OTHERS: list[tuple[str, str, str, Any, str]] = [
    ("bid", "POST", BIDS, {**BID, "bidder_id": "bob"}, "bidder_id"),
    ("bid", "POST", BIDS, [BID, {**BID, "task_id": "u", "bidder_id": "bob"}], "[1].bidder_id"),
    ("work", "POST", ASKS, {"provider_id": "bob"}, "provider_id"),
    ("work", "POST", ASKS, {"provider_id": "system:treasury"}, "provider_id"),
    ("attest", "POST", f"{SLOTS}/slot-1/attest", {"actual_impact": 1.0, "attested_by": "another"}, "attested_by"),
    ("work", "POST", f"{SLOTS}/{{own}}/settle", ATTESTED, "attested_by"),
    ("bid", "POST", "/api/tasks", BOBS, "quest_id"),
    ("bid", "PUT", "/api/tasks", {"tasks": [MINE, BOBS]}, "tasks[1].quest_id"),
    ("bid", "PUT", "/api/tasks", {"tasks": [{**MINE, "task_id": "task of bob"}]}, "tasks[0].quest_id"),
    ("bid", "PUT", "/api/tasks", {"tasks": [], "quests": [{"quest_id": "mine", "priority": 9}]}, "quests"),
    ("bid", "PATCH", "/api/quests/quest of bob", {"status": "paused"}, "quest_id"),
    ("bid", "PATCH", "/api/quests/quest of ada", {"priority": 1_000}, "priority"),
    ("bid", "POST", "/api/tasks/task of bob/status", {"status": "done"}, "task_id"),
    ("work", "POST", "/api/workers", {"worker_id": "w", "account_id": "bob"}, "account_id"),
    ("bid", "POST", "/api/session-links", None, "account_id"),
]


@pytest.mark.parametrize(("scope", "method", "path", "body", "field"), OTHERS, ids=lambda value: str(value)[:40])
def test_a_body_that_names_another_account_is_refused_and_nothing_is_written(
    market, ask, scope, method, path, body, field
):
    before = contents_but_refusals(market.db)
    own = next(c.slot_id for c in compute_auction.list_clears(db=market.db) if c.bidder_id == "ada")
    headers = {**market.headers[scope], "Idempotency-Key": str(uuid.uuid4())}

    response = ask.request(method, path.format(own=own), json=body, headers=headers)

    assert response.status_code == 403, response.text
    assert response.json()["field"] == field
    assert contents_but_refusals(market.db) == before


def of_bob(market: Market) -> dict[str, str]:
    """Return ids of bob's things."""
    bid = compute_auction.list_open_bids("bob", db=market.db)[0]
    offered = next(a for a in compute_auction.get_order_book(db=market.db)["asks"] if a["provider_id"] == "bob")
    key = keys.create_key("bob", ["bid"], db=market.db).key
    return {"bid": str(bid.id), "offered": offered["slot_id"], "key": key.key_id}


FOREIGN = [
    ("read", "GET", "/api/wallets/bob", None),
    ("read", "GET", "/api/wallets/bob/transfers", None),
    ("read", "GET", "/api/wallets/system:treasury", None),
    ("bid", "POST", "/api/wallets/bob/transfers", {"credit": "ada", "amount_tokens": 5}),
    ("read", "GET", f"{BIDS}?bidder_id=bob", None),
    ("read", "GET", f"{SLOTS}?bidder_id=bob", None),
    ("bid", "GET", f"{BIDS}/{{bid}}", None),
    ("bid", "DELETE", f"{BIDS}/{{bid}}", None),
    ("work", "DELETE", f"{SLOTS}/{{offered}}", None),
    ("work", "POST", f"{SLOTS}/{{offered}}/void", {}),
    ("bid", "DELETE", "/api/keys/{key}", None),
    ("bid", "POST", "/api/keys/{key}/rotate", {}),
    ("work", "POST", "/api/workers/unknown/stop", {}),
    ("work", "POST", "/api/leases/1/finish", {"succeeded": True, "actual_cost_tokens": 1}),
]


@pytest.mark.parametrize(("scope", "method", "path", "body"), FOREIGN, ids=lambda value: str(value)[:40])
def test_what_belongs_to_others_is_told_as_if_it_were_not_there(market, ask, scope, method, path, body):
    ids = of_bob(market)
    before = contents_but_refusals(market.db)
    headers = {**market.headers[scope], "Idempotency-Key": str(uuid.uuid4())}

    response = ask.request(method, path.format(**ids), json=body, headers=headers)

    assert response.status_code == 404, response.text
    assert problem(response).startswith("unknown-")
    assert contents_but_refusals(market.db) == before


def test_an_account_sees_its_owners_wallets_and_an_operator_all(market, ask):
    token_ledger.create_account(f"ada's other {uuid.uuid4()}", owner_id="team of ada", db=market.db)

    seen = {one["owner_id"] for one in ask.get("/api/wallets", headers=market.headers["read"]).json()}
    everybody = {one["owner_id"] for one in ask.get("/api/wallets", headers=market.headers["admin"]).json()}

    assert seen == {"team of ada"}
    assert everybody >= {"team of ada", "team of bob", "system"}


def test_a_tasks_payload_is_for_its_quest_and_for_operators(market, ask):
    def payloads(scope: str) -> dict[str, Any]:
        tasks = ask.get("/api/tasks", headers=market.headers[scope]).json()
        for task in tasks:
            assert ask.get(f"/api/tasks/{task['task_id']}", headers=market.headers[scope]).json() == task
        return {task["task_id"]: task["payload"] for task in tasks if task["task_id"].startswith("task of")}

    assert payloads("bid") == {"task of ada": {"secret": "ada"}, "task of bob": {}}
    assert payloads("admin") == {"task of ada": {"secret": "ada"}, "task of bob": {"secret": "bob"}}


def test_the_winner_may_settle_and_not_void(db):
    token_ledger.create_account("ada", db=db)
    token_ledger.mint("ada", 100, db=db)
    compute_auction.offer_slots(1, db=db)
    compute_auction.place_bid("ada", "t", 5, db=db)
    slot = compute_auction.clear_round(db=db).clears[0].slot_id
    with (
        running_server(db) as address,
        httpx2.Client(base_url=address, headers=headers_for(db, "ada", "work")) as client,
    ):
        voided = client.post(f"{SLOTS}/{slot}/void", json={})
        settled = client.post(f"{SLOTS}/{slot}/settle", json={"actual_cost_tokens": 1})

    assert (voided.status_code, voided.json()["field"]) == (403, "slot_id")
    assert settled.json()["status"] == "settled"


def test_an_evaluator_of_the_bidders_owner_cannot_attest(db):
    token_ledger.create_account("ada", owner_id="team", db=db)
    token_ledger.create_account("judge", kind="evaluator", owner_id="team", db=db)
    token_ledger.create_account("agent", owner_id="others", db=db)
    token_ledger.mint("ada", 100, db=db)
    compute_auction.offer_slots(1, db=db)
    compute_auction.place_bid("ada", "t", 5, db=db)
    slot = compute_auction.clear_round(db=db).clears[0].slot_id
    compute_auction.settle(slot, 1, db=db)
    with running_server(db) as address, httpx2.Client(base_url=address) as client:
        answers = [
            client.post(f"{SLOTS}/{slot}/attest", json={"actual_impact": 1e6}, headers=headers_for(db, who, "attest"))
            for who in ("judge", "agent", "ada")
        ]

    assert [(one.status_code, problem(one)) for one in answers] == [(403, "attester-not-independent")] * 3


def test_a_key_may_end_itself_and_its_like_but_gain_nothing(db):
    token_ledger.create_account("ada", db=db)
    reading, bidding = (keys.create_key("ada", [scope], db=db) for scope in ("read", "bid"))
    with running_server(db) as address, httpx2.Client(base_url=address) as client:
        client.headers["Authorization"] = f"Bearer {reading.text}"
        gained = client.post(f"/api/keys/{bidding.key.key_id}/rotate", json={})
        rotated = client.post(f"/api/keys/{reading.key.key_id}/rotate", json={"overlap_seconds": 0}).json()
        ended = client.get("/api/whoami")
        client.headers["Authorization"] = f"Bearer {rotated['text']}"
        mine = client.get("/api/whoami").json()
        listed = client.get("/api/keys").text
        revoked = client.delete(f"/api/keys/{rotated['key']['key_id']}")
        after = client.get("/api/whoami")

    assert gained.status_code == 404
    assert ended.status_code == 401
    assert (mine["account_id"], mine["scopes"]) == ("ada", ["read"])
    assert rotated["text"].rpartition("_")[2] not in listed
    assert (revoked.status_code, after.status_code) == (200, 401)


# --- a key ends


def test_an_expired_and_a_revoked_key_are_refused_at_once(db):
    token_ledger.create_account("ada", db=db)
    with running_server(db) as address, httpx2.Client(base_url=address) as client:

        def status(made: NewKey) -> int:
            return client.get("/api/whoami", headers={"Authorization": f"Bearer {made.text}"}).status_code

        soon = keys.create_key("ada", ["read"], expires_at=datetime.now(UTC) + timedelta(seconds=3), db=db)
        long = keys.create_key("ada", ["read"], db=db)
        assert (status(soon), status(long)) == (200, 200)
        keys.revoke_key(long.key.key_id, db=db)
        assert status(long) == 401
        for _ in range(1_000):
            if status(soon) != 200:
                break
            threading.Event().wait(0.02)
        assert status(soon) in (401, 429)


def test_a_key_that_is_revoked_while_its_request_is_under_way_writes_nothing(db, monkeypatch):
    token_ledger.create_account("ada", db=db)
    token_ledger.mint("ada", 100, db=db)
    made = keys.create_key("ada", ["bid"], db=db)
    place = compute_auction.place_bid

    def placed_late(*arguments, **terms):
        keys_of_operator.revoke()
        return place(*arguments, **terms)

    class Revoker:
        def revoke(self) -> None:
            thread = threading.Thread(target=lambda: keys.revoke_key(made.key.key_id, db=db))
            thread.start()
            thread.join()

    keys_of_operator = Revoker()
    monkeypatch.setattr(compute_auction, "place_bid", placed_late)
    headers = {"Authorization": f"Bearer {made.text}", "Idempotency-Key": "k"}
    with running_server(db) as address:
        response = httpx2.post(
            f"{address}{BIDS}", json={"task_id": "t", "max_price_tokens": 5}, headers=headers, timeout=30
        )

    assert (response.status_code, problem(response)) == (401, "not-authenticated")
    assert compute_auction.list_open_bids("ada", db=db) == []


# --- nothing tells a key


def test_keys_stand_in_no_log_no_answer_and_no_table(db, caplog, capfd):
    caplog.set_level("DEBUG")
    token_ledger.create_account("ada", db=db)
    good, bad = key_for(db, "ada", "bid"), f"scidex_{'a' * 16}_{'b' * 64}"
    told = []
    with running_server(db) as address, httpx2.Client(base_url=address) as client:
        for key in (good, bad):
            for path in ("/api/whoami", "/api/wallets/nobody", "/nothing", "/api/compute-auction/quote?probability=9"):
                response = client.get(path, headers={"Authorization": f"Bearer {key}"})
                told.append(response.text + str(response.headers))
            response = client.post(BIDS, content="{", headers={"Authorization": f"Bearer {key}"})
            told.append(response.text)
    written = caplog.text + "".join(capfd.readouterr()) + "".join(told)
    written += repr(contents(db)) + repr(list(read_journal(db)))

    for key in (good, bad):
        assert key.rpartition("_")[2] not in written
    assert "refused GET /api/whoami" in caplog.text  # refusals are told, by what they wanted


def test_the_journal_says_who_did_it_by_which_key_in_which_request(db):
    token_ledger.create_account("ada", db=db)
    token_ledger.mint("ada", 10, db=db)
    made = keys.create_key("ada", ["bid"], db=db)
    headers = {"Authorization": f"Bearer {made.text}", "Idempotency-Key": "k"}
    with running_server(db) as address:
        response = httpx2.post(f"{address}{BIDS}", json={"task_id": "t", "max_price_tokens": 5}, headers=headers)

    [placed] = [entry for entry in read_journal(db) if entry.verb == "place_bids"]
    assert placed.actor == f"ada key:{made.key.key_id} request:{response.headers['x-request-id']}"


def test_when_a_key_was_last_used_is_known_without_a_write_for_each_request(db):
    headers = operator(db)
    with running_server(db) as address, httpx2.Client(base_url=address, headers=headers) as client:
        before = list(read_journal(db))
        for _ in range(20):
            assert client.get("/api/whoami").status_code == 200
        assert list(read_journal(db)) == before

    [entry] = [entry for entry in read_journal(db) if entry.verb == "note_key_uses"]
    assert len(entry.arguments["uses"]) == 1
    assert keys.list_keys(db=db)[0].last_used_at is not None


# --- idempotency keys


def test_what_moves_tokens_needs_an_idempotency_key(db):
    token_ledger.create_account("ada", db=db)
    with running_server(db) as address, httpx2.Client(base_url=address) as client:
        mine, operators = headers_for(db, "ada", "bid", "work"), operator(db)
        asked = [
            (mine, BIDS, {"task_id": "t", "max_price_tokens": 5}),
            (mine, BIDS, [{"task_id": "t", "max_price_tokens": 5}]),
            (mine, "/api/wallets/ada/transfers", {"credit": "system:treasury", "amount_tokens": 1}),
            (mine, "/api/compute-auction/asks", {}),
            (operators, "/api/wallets/ada/mint", {"amount_tokens": 5}),
        ]
        answers = [client.post(path, json=body, headers=headers) for headers, path, body in asked]
        funded = client.post(
            "/api/wallets/ada/mint", json={"amount_tokens": 5, "idempotency_key": "m"}, headers=operators
        )

    assert [(one.status_code, one.json()["field"]) for one in answers] == [(422, "Idempotency-Key")] * 5
    assert funded.status_code == 201


@pytest.mark.parametrize("key", ["x" * 151, "ä", "a\tb"])
def test_an_idempotency_key_is_plain_text(db, key):
    token_ledger.create_account("ada", db=db)
    headers = [
        (b"Authorization", headers_for(db, "ada", "bid")["Authorization"].encode()),
        (b"Idempotency-Key", key.encode()),
    ]
    with running_server(db) as address:
        response = httpx2.post(f"{address}{BIDS}", json={"task_id": "t", "max_price_tokens": 5}, headers=headers)

    assert (response.status_code, response.json()["field"]) == (422, "Idempotency-Key")


def test_a_key_stands_for_one_principal_and_one_route(db):
    for account in ("ada", "bob"):
        token_ledger.create_account(account, db=db)
        token_ledger.mint(account, 100, db=db)
    with running_server(db) as address, httpx2.Client(base_url=address) as client:
        one, other = headers_for(db, "ada", "bid", "work"), headers_for(db, "bob", "bid")
        bid = {"task_id": "t", "max_price_tokens": 5}
        first = client.post(BIDS, json=bid, headers={**one, "Idempotency-Key": "k"})
        bobs = client.post(BIDS, json=bid, headers={**other, "Idempotency-Key": "k"})
        elsewhere = client.post("/api/compute-auction/asks", json={}, headers={**one, "Idempotency-Key": "k"})
        again = client.post(BIDS, json=bid, headers={**one, "Idempotency-Key": "k"})
        changed = client.post(BIDS, json={**bid, "max_price_tokens": 6}, headers={**one, "Idempotency-Key": "k"})

    assert [one.status_code for one in (first, bobs, elsewhere, again, changed)] == [201, 201, 201, 201, 422]
    assert first.json()["id"] != bobs.json()["id"]
    assert again.json() == first.json()
    assert problem(changed) == "idempotency-conflict"


def test_every_kind_of_write_answers_the_same_again(db):
    headers = operator(db)
    writes: list[tuple[str, str, Any]] = [
        ("POST", "/api/wallets", {"account_id": "ada"}),
        ("POST", "/api/wallets/ada/mint", {"amount_tokens": 5}),
        ("POST", "/api/quests", {"quest_id": "q"}),
        ("PATCH", "/api/quests/q", {"title": "Q"}),
        ("POST", "/api/tasks", {"task_id": "a", "quest_id": "q"}),
        ("PUT", "/api/tasks", {"tasks": [{"task_id": "b", "quest_id": "q"}]}),
        ("POST", "/api/tasks/a/status", {"status": "done"}),
        ("POST", "/api/compute-auction/pools", {"pool": "gpu"}),
        ("POST", "/api/compute-auction/asks", {"count": 2}),
        ("DELETE", f"{SLOTS}/slot-1", None),
        ("POST", "/api/compute-auction/clear", {}),
        ("POST", "/api/cycles/gpu/pause", None),
        ("POST", "/api/cycles/gpu/resume", None),
        ("POST", "/api/cycles/scidex-agent/clear", None),
    ]
    with running_server(db) as address, httpx2.Client(base_url=address, headers=headers, timeout=30) as client:
        for number, (method, path, body) in enumerate(writes):
            key = {"Idempotency-Key": f"write {number}"}
            first = client.request(method, path, json=body, headers=key)
            done = [entry for entry in read_journal(db) if entry.verb not in NOTES]
            again = client.request(method, path, json=body, headers=key)
            assert first.is_success, first.text
            answers = [one.json() for one in (first, again)]
            if path.endswith("scidex-agent/clear"):
                answers = [answer["round"] for answer in answers]  # of several verbs, the one that moves tokens
            assert (again.status_code, answers[1]) == (first.status_code, answers[0]), path
            assert [entry for entry in read_journal(db) if entry.verb not in NOTES] == done, path


def test_the_same_request_twice_at_once_is_done_once(db, monkeypatch):
    token_ledger.create_account("ada", db=db)
    token_ledger.mint("ada", 100, db=db)
    begun, go_on = threading.Event(), threading.Event()
    transfer = token_ledger.transfer

    def slow(*arguments, **terms):
        begun.set()
        assert go_on.wait(30)
        return transfer(*arguments, **terms)

    monkeypatch.setattr(token_ledger, "transfer", slow)
    headers = {**headers_for(db, "ada", "bid"), "Idempotency-Key": "k"}
    order = {"credit": "system:treasury", "amount_tokens": 5}
    answers: list[httpx2.Response] = []
    with running_server(db) as address, httpx2.Client(base_url=address, headers=headers, timeout=60) as client:
        path = "/api/wallets/ada/transfers"
        first = threading.Thread(target=lambda: answers.append(client.post(path, json=order)))
        first.start()
        assert begun.wait(30)
        second = client.post(path, json=order)
        go_on.set()
        first.join()
        third = client.post(path, json=order)

    assert (second.status_code, problem(second)) == (409, "request-in-flight")
    assert third.json() == answers[0].json()
    assert token_ledger.get_balance("ada", db=db).balance == 95


def test_the_same_request_by_many_at_once_is_done_once(db):
    token_ledger.create_account("ada", db=db)
    token_ledger.mint("ada", 100, db=db)
    headers = {**headers_for(db, "ada", "bid"), "Idempotency-Key": "k"}
    answers: list[httpx2.Response] = []
    with ExitStack() as stack:  # two servers, so that neither knows what the other is doing
        clients = [
            stack.enter_context(
                httpx2.Client(base_url=stack.enter_context(running_server(db)), headers=headers, timeout=60)
            )
            for _ in range(2)
        ]
        for client in clients:
            assert client.get("/api/wallets/ada").status_code == 200  # a server makes its routes when first asked

        def send(client: httpx2.Client) -> None:
            answers.append(
                client.post("/api/wallets/ada/transfers", json={"credit": "system:treasury", "amount_tokens": 5})
            )

        threads = [threading.Thread(target=send, args=(client,)) for client in clients * 4]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert {one.status_code for one in answers} <= {201, 409}
    assert len({json.dumps(one.json()) for one in answers if one.status_code == 201}) == 1
    assert token_ledger.get_balance("ada", db=db).balance == 95

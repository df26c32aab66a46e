"""The API over a real connection: the market's verbs, and a clear refusal for whatever is wrong with a request."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx2
import pytest

from scidex.errors import DatabaseUnavailable
from scidex.exchange import compute_auction, cycle, token_ledger
from scidex.store import Database, connect
from scidex.store.db_writes import JournalEntry, read_journal
from scidex.web.gate import MOST_BODY_BYTES
from scidex.web.serving import running_server
from tests.databases import assert_journal_tells_all
from tests.raw_sql import query
from tests.web.doors import EveryKey

BIDS = "/api/compute-auction/bids"
BID = {"bidder_id": "ada", "task_id": "task", "max_price_tokens": 10}


class Refusing(NamedTuple):
    """A served market, and a client of it."""

    db: Database
    client: httpx2.Client


@pytest.fixture
def client(db: Database) -> Iterator[httpx2.Client]:
    """A client of a served market in which ada has 1,000 tokens."""
    token_ledger.create_account("ada", db=db)
    token_ledger.mint("ada", 1_000, db=db)
    with running_server(db) as address, httpx2.Client(base_url=address, timeout=30, auth=EveryKey(db)) as client:
        yield client


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def refusing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Refusing]:
    """The same market once for all tests in which nothing may be written."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path_factory.mktemp('refusing')}/market.db"
        else:
            server = request.getfixturevalue("postgres_server")
            url = stack.enter_context(server.new_database(template=request.getfixturevalue("postgres_template")))
        db = stack.enter_context(connect(url))
        compute_auction.ensure_schema(db=db)
        token_ledger.create_account("ada", db=db)
        token_ledger.mint("ada", 1_000, db=db)
        address = stack.enter_context(running_server(db))
        yield Refusing(db, stack.enter_context(httpx2.Client(base_url=address, timeout=30, auth=EveryKey(db))))


def done(db: Database) -> list[JournalEntry]:
    """Return what was done in a market, beside what its doors write down of keys."""
    return [entry for entry in read_journal(db) if entry.verb not in ("create_key", "note_key_uses", "note_refusals")]


@pytest.fixture
def written(refusing: Refusing) -> Iterator[None]:
    """Check at the end of a test that it has written nothing."""
    before = done(refusing.db)
    yield
    assert done(refusing.db) == before
    assert token_ledger.verify(refusing.db).ok


def refused(response: httpx2.Response, status: int, field: str | None) -> dict:
    """Return a problem document, after checking that it is one and names the field."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert {"type", "title", "status", "detail"} <= problem.keys()
    assert problem["status"] == status
    assert problem.get("field") == field
    assert "Traceback" not in response.text
    return problem


# --- the verbs


def test_the_order_book_has_bids_and_asks_and_nothing_else(client):
    client.post("/api/compute-auction/asks", json={"count": 2})
    client.post(BIDS, json=BID)

    book = client.get("/api/compute-auction/order-book").json()

    assert book.keys() == {"bids", "asks"}
    assert [(bid["bidder_id"], bid["max_price_tokens"], bid["status"]) for bid in book["bids"]] == [("ada", 10, "open")]
    assert [ask["slot_id"] for ask in book["asks"]] == ["slot-1", "slot-2"]
    assert all(ask["available_at"].endswith("Z") for ask in book["asks"])


def test_an_empty_book_has_both_lists(client):
    assert client.get("/api/compute-auction/order-book").json() == {"bids": [], "asks": []}


def test_a_round_from_bid_to_settlement(client):
    client.post("/api/wallets", json={"account_id": "evaluator:ci", "kind": "evaluator"}).raise_for_status()
    client.post("/api/compute-auction/asks", json={"count": 1}).raise_for_status()
    won, lost = client.post(BIDS, json=[{**BID, "max_price_tokens": 90}, {**BID, "task_id": "b"}]).json()

    cleared = client.post("/api/compute-auction/clear", json={}).json()
    slot = cleared["clears"][0]["slot_id"]
    held = client.get("/api/compute-auction/slots", params={"bidder_id": "ada"}).json()
    client.post(f"/api/compute-auction/slots/{slot}/settle", json={"actual_cost_tokens": 2_000}).raise_for_status()
    attestation = {"actual_impact": 3.0, "attested_by": "evaluator:ci"}
    settled = client.post(f"/api/compute-auction/slots/{slot}/attest", json=attestation).json()

    assert (cleared["clearing_price_tokens"], cleared["sold"]) == (10, 1)
    assert [clear["slot_id"] for clear in held] == [slot]
    assert (settled["status"], settled["roi"]) == ("settled", 1.5)
    assert client.get(f"{BIDS}/{won['id']}").json()["explanation"]["sentence"].startswith("It won")
    explained = client.get(f"{BIDS}/{lost['id']}").json()
    assert (explained["status"], explained["explanation"]["price_to_win_tokens"]) == ("lost", 91)
    assert client.get(f"/api/compute-auction/rounds/{cleared['round_id']}").json()["clears"] == [settled]
    assert [one["round_id"] for one in client.get("/api/compute-auction/rounds").json()] == [cleared["round_id"]]
    assert client.get("/api/compute-auction/clears").json() == [settled]
    stats = client.get("/api/compute-auction/stats").json()
    assert (stats["fill_rate"], stats["last_price_tokens"], stats["actual_impact"]) == (1.0, 10, 3.0)
    assert client.get("/api/compute-auction/bidders").json()[0]["paid_tokens"] == 10


def test_a_slot_that_died_is_voided_and_its_tokens_are_free(client):
    client.post("/api/compute-auction/asks", json={"reserve_price_tokens": 7})
    client.post(BIDS, json=BID)
    slot = client.post("/api/compute-auction/clear", json={}).json()["clears"][0]["slot_id"]
    assert client.get("/api/wallets/ada").json() == {"account_id": "ada", "balance": 1_000, "held": 7, "available": 993}

    voided = client.post(f"/api/compute-auction/slots/{slot}/void", json={"reason": "worker lost"}).json()

    assert (voided["status"], voided["reason"]) == ("voided", "worker lost")
    assert client.get("/api/wallets/ada").json()["available"] == 1_000
    refused(client.post(f"/api/compute-auction/slots/{slot}/settle", json={"actual_cost_tokens": 1}), 409, "slot_id")


def test_a_dry_run_tells_the_round_and_writes_nothing(client, db):
    client.post("/api/compute-auction/asks", json={})
    client.post(BIDS, json=BID)
    before = done(db)

    told = client.post("/api/compute-auction/clear", json={"dry_run": True}).json()

    assert told["sold"] == 1
    assert done(db) == before


def test_a_bid_is_cancelled_once(client):
    bid = client.post(BIDS, json=BID).json()

    assert client.delete(f"{BIDS}/{bid['id']}").json()["status"] == "cancelled"
    refused(client.delete(f"{BIDS}/{bid['id']}"), 409, "bid_id")
    assert client.get(BIDS, params={"bidder_id": "ada"}).json() == []


@pytest.mark.parametrize("body", [BID, [BID, {**BID, "task_id": "another"}]])
def test_the_same_key_and_body_act_once(client, body):
    first = client.post(BIDS, json=body, headers={"Idempotency-Key": "k"})
    again = client.post(BIDS, json=body, headers={"Idempotency-Key": "k"})

    assert (first.status_code, again.json()) == (201, first.json())
    assert len(client.get(BIDS, params={"bidder_id": "ada"}).json()) == (2 if isinstance(body, list) else 1)


def test_the_same_key_with_another_body_is_refused(client):
    order = {"credit": "system:treasury", "amount_tokens": 5}
    client.post("/api/wallets/ada/transfers", json=order, headers={"Idempotency-Key": "k"}).raise_for_status()

    other = client.post(
        "/api/wallets/ada/transfers", json={**order, "amount_tokens": 6}, headers={"Idempotency-Key": "k"}
    )

    refused(other, 422, "idempotency_key")
    assert client.get("/api/wallets/ada").json()["balance"] == 995


@pytest.mark.parametrize(
    ("address", "body"),
    [
        (BIDS, {"task_id": "t", "max_price_tokens": 5, "idempotency_key": "own"}),
        (BIDS, [{"task_id": "t", "max_price_tokens": 5, "idempotency_key": "own"}]),
        ("/api/wallets/ada/transfers", {"credit": "system:treasury", "amount_tokens": 5, "idempotency_key": "own"}),
        ("/api/wallets/ada/mint", {"amount_tokens": 5, "idempotency_key": "own"}),
        ("/api/compute-auction/asks", {"count": 1, "idempotency_key": "own"}),
    ],
    ids=["a bid", "bids", "a transfer", "a mint", "an offer"],
)
def test_what_is_sent_with_two_keys_is_done_and_kept_once(client, db, address, body):
    answers = [client.post(address, json=body, headers={"Idempotency-Key": key}) for key in ("k1", "k2", "k2")]

    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert answers[0].json() == answers[1].json() == answers[2].json()
    kept = query(db, "SELECT idempotency_key FROM idempotency_keys WHERE answer IS NOT NULL")
    assert [row["idempotency_key"] for row in kept] == ["own"]
    assert_journal_tells_all(db)


def test_a_list_of_which_some_have_keys_is_kept_under_the_requests_too(client):
    bids = [
        {"task_id": "t1", "max_price_tokens": 5, "idempotency_key": "own"},
        {"task_id": "t2", "max_price_tokens": 5},
    ]
    first, again = (client.post(BIDS, json=bids, headers={"Idempotency-Key": "k"}) for _ in range(2))

    assert first.json() == again.json()
    other = [bids[0], {**bids[1], "max_price_tokens": 6}]
    refused(client.post(BIDS, json=other, headers={"Idempotency-Key": "k"}), 422, "idempotency_key")


def test_quests_and_tasks_are_added_changed_and_read(client):
    client.post("/api/quests", json={"quest_id": "q", "title": "Quest", "priority": 2}).raise_for_status()
    task = {"task_id": "a", "quest_id": "q", "expected_value_usd": 4, "payload": {"command": ["true"]}}
    client.post("/api/tasks", json=task).raise_for_status()
    tasks = [
        {"task_id": "a", "quest_id": "q", "title": "First"},
        {"task_id": "b", "quest_id": "q", "depends_on": ["a"]},
    ]

    assert client.put("/api/tasks", json={"tasks": tasks}).json() == {"added": 1, "updated": 1, "unchanged": 0}
    first = client.get("/api/tasks/a").json()
    assert (first["title"], first["expected_value_usd"], first["payload"]) == ("First", 4.0, {"command": ["true"]})
    assert [one["task_id"] for one in client.get("/api/tasks", params={"status": "blocked"}).json()] == ["b"]
    assert [one["task_id"] for one in client.get("/api/task-ranking").json()] == ["a"]
    [allocation] = client.get("/api/quest-budget-allocations").json()
    assert allocation["quest_id"] == "q"
    assert allocation["remaining_tokens"] == allocation["allocated_tokens"] > 0
    assert client.patch("/api/quests/q", json={"status": "paused"}).json()["status"] == "paused"
    client.post("/api/tasks/a/status", json={"status": "running"}).raise_for_status()
    client.post("/api/tasks/a/status", json={"status": "done"}).raise_for_status()
    assert client.get("/api/tasks/b").json()["status"] == "open"


def test_a_refused_batch_names_each_item_by_its_place(client):
    tasks = [{"task_id": "a", "quest_id": "nowhere"}, {"task_id": "b", "quest_id": "q"}]
    client.post("/api/quests", json={"quest_id": "q"})

    problem = refused(client.put("/api/tasks", json={"tasks": tasks}), 422, "tasks[0].quest_id")

    assert [one["field"] for one in problem["errors"]] == ["tasks[0].quest_id"]
    assert client.get("/api/tasks").json() == []


def test_the_cycle_is_paused_resumed_and_run_at_once(client, db):
    client.post("/api/compute-auction/asks", json={})
    cycles = "/api/cycles/scidex-agent"

    assert client.post(f"{cycles}/pause").json()["paused"]
    assert client.post(f"{cycles}/clear").json()["round"]["slots"] == 1
    assert not client.post(f"{cycles}/resume").json()["paused"]
    assert client.get(cycles).json()["mode"] == "auction"
    assert client.get(f"{cycles}/mode-switches").json() == []
    assert not cycle.cycle_status(db=db).paused
    refused(client.get("/api/cycles/nowhere"), 404, "pool")


def test_pools_and_quotes_are_told(client):
    [pool] = client.get("/api/compute-auction/pools").json()

    assert client.get(f"/api/compute-auction/pools/{pool['pool']}").json() == pool
    assert client.get("/api/compute-auction/quote").json()["max_price_tokens"] == 1


@pytest.mark.usefixtures("written")
def test_health_is_told_at_its_exact_address_alone(refusing):
    assert refusing.client.get("/healthz").json() == {"status": "ok"}
    assert refusing.client.get("/readyz").json() == {"status": "ok"}
    for other in ("/healthz/", "/api/healthz", "/api/wallets/healthz", "/readyz/x"):
        assert refusing.client.get(other).status_code == 404


@pytest.mark.usefixtures("written")
def test_the_description_covers_every_route(refusing):
    described = refusing.client.get("/openapi.json").json()

    assert described["openapi"].startswith("3.1")
    assert "/api/compute-auction/order-book" in described["paths"]
    assert "/api/wallets/{account_id}" in described["paths"]
    for path, operations in described["paths"].items():
        for operation in operations.values():
            assert operation["description"], path


def test_the_reference_for_people_tells_of_every_route_what_it_takes(refusing):
    described = refusing.client.get("/openapi.json").json()

    page = refusing.client.get("/docs").text

    assert page.count("<details ") == sum(len(methods) for methods in described["paths"].values())
    assert page.count("<code>max_price_tokens</code></th><td>body</td><td>integer</td><td>yes</td>") == 1
    assert "//" not in page.replace("http://www.w3.org", "")


def test_what_is_null_was_left_out(client):
    nothing = dict.fromkeys(("pool", "expected_value_usd", "ttl_at", "time_in_force", "idempotency_key"))
    bid = {"bidder_id": "ada", "task_id": "fix", "max_price_tokens": 5, **nothing}

    placed = client.post("/api/compute-auction/bids", json=bid)

    assert placed.status_code == 201, placed.text
    assert placed.json()["pool"] == "scidex-agent"


# --- ids never choose the route


@pytest.mark.parametrize("name", ["a/transfers", "../healthz", "a/b/c", "..", "%2F", "a?b#c", "ü/ñ", "x/readyz", "a b"])
def test_an_id_means_itself_whatever_its_characters(client, name):
    client.post("/api/wallets", json={"account_id": name}).raise_for_status()
    segment = "".join(f"%{byte:02X}" for byte in name.encode())

    wallet = client.get(httpx2.URL(client.base_url, raw_path=f"/api/wallets/{segment}".encode()))
    transfers = client.get(httpx2.URL(client.base_url, raw_path=f"/api/wallets/{segment}/transfers".encode()))

    assert wallet.json()["account_id"] == name
    assert transfers.json() == []


# --- bad input: a clear refusal, and nothing is written

HUGE = 10**400
# (status, field, values that it does not take)
WRONG: list[tuple[int, str, list[Any]]] = [
    (422, "max_price_tokens", [0, -1, 1.5, 1.0, "10", "12abc", True, None, [], {}, 2**53, 2**63, HUGE]),
    (409, "max_price_tokens", [2**53 - 1]),
    (422, "bidder_id", ["", 7, "x" * 201, "\ud800"]),
    (403, "bidder_id", ["nobody", "a\u200bb", "a\x00b", " a", "e\u0301", "'; DROP TABLE token_accounts; --"]),
    (422, "task_id", ["", None, 7, "x" * 201, "\n"]),
    (422, "expected_value_usd", [-1, "1", 1e16, HUGE, True]),
    (422, "ttl_at", ["2026-01-01T00:00:00", "yesterday", 1_900_000_000, "2001-01-01T00:00:00Z", True]),
    (422, "ttl_at", ["9999-12-31T23:59:59Z"]),
    (422, "time_in_force", ["forever", 1]),
    (422, "pool", [7]),
    (404, "pool", ["nowhere"]),
    (422, "idempotency_key", [""]),
    (422, "now", ["2026-01-01T00:00:00Z"]),
    *[(422, unknown, [5]) for unknown in ("max_price", "", "x" * 300)],
]


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [(field, value, status) for status, field, values in WRONG for value in values],
    ids=lambda value: repr(value)[:30],
)
@pytest.mark.usefixtures("written")
def test_a_wrong_field_is_named_and_nothing_is_written(refusing, field, value, status):
    one = refusing.client.post(
        BIDS, content=json.dumps({**BID, field: value}), headers={"Content-Type": "application/json"}
    )
    many = refusing.client.post(
        BIDS, content=json.dumps([BID, {**BID, field: value}]), headers={"Content-Type": "application/json"}
    )

    problem = refused(one, status, one.json().get("field"))
    assert problem["field"] == field[:100] or problem["field"].startswith(f"{field[:100]}x")
    refused(many, 403 if status == 403 else 422, many.json()["field"])
    assert many.json()["field"].startswith("[1]")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b'{"bidder_id": NaN}', 400, "body"),
        (b'{"max_price_tokens": Infinity}', 400, "body"),
        (b'{"max_price_tokens": -Infinity}', 400, "body"),
        (b'{"expected_value_usd": 1e999}', 400, "body"),
        (b'{"max_price_tokens": ' + b"9" * 5_000 + b"}", 400, "body"),
        (b'{"bidder_id": "ada", "bidder_id": "bob"}', 400, "bidder_id"),
        (b'{"bidder_id": "ada"', 400, "body"),
        (b"[" * 100_000, 400, "body"),
        (b"[" * 40 + b"]" * 40, 400, "body"),
        (b'{"task_id": "\xff"}', 400, "body"),
        (b"\x1f\x8b", 400, "body"),
        (b"null", 422, "body"),
        (b'"text"', 422, "body"),
        (b"7", 422, "body"),
        (b"", 422, "body"),
        (b"[7]", 422, "[0]"),
        (b"{}", 422, "task_id"),
    ],
)
@pytest.mark.usefixtures("written")
def test_a_body_that_is_no_bid_is_refused(refusing, body, status, field):
    response = refusing.client.post(BIDS, content=body, headers={"Content-Type": "application/json"})

    refused(response, status, field)


@pytest.mark.usefixtures("written")
def test_no_bids_are_no_bids(refusing):
    assert refusing.client.post(BIDS, json=[]).json() == []


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x"])
@pytest.mark.usefixtures("written")
def test_a_body_that_is_not_sent_as_json_is_refused(refusing, kind):
    headers = {} if kind is None else {"Content-Type": kind}

    refused(refusing.client.post(BIDS, content=json.dumps(BID), headers=headers), 415, "Content-Type")


@pytest.mark.usefixtures("written")
def test_a_packed_body_is_refused_unopened(refusing):
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}

    refused(refusing.client.post(BIDS, content=b"\x1f\x8b", headers=headers), 415, "Content-Encoding")


@pytest.mark.usefixtures("written")
def test_a_body_over_the_limit_is_refused_whether_or_not_it_says_its_length(refusing):
    body = b" " * (MOST_BODY_BYTES + 1)
    headers = {"Content-Type": "application/json"}

    refused(refusing.client.post(BIDS, content=body, headers=headers), 413, "body")
    refused(refusing.client.post(BIDS, content=iter([body[: 2**19]] * 3), headers=headers), 413, "body")
    assert refusing.client.get("/healthz").status_code == 200


def test_a_body_at_the_limit_is_read(client):
    body = json.dumps(BID).encode()
    padded = body + b" " * (MOST_BODY_BYTES - len(body))

    assert client.post(BIDS, content=padded, headers={"Content-Type": "application/json"}).status_code == 201


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        (f"{BIDS}/99", 404, "bid_id"),
        (f"{BIDS}/x", 422, "bid_id"),
        (f"{BIDS}/{2**63}", 422, "bid_id"),
        (f"{BIDS}/-1", 404, "bid_id"),
        (f"{BIDS}?bidder_id=nobody", 404, "bidder_id"),
        (f"{BIDS}?bidder_id=", 422, "bidder_id"),
        ("/api/compute-auction/rounds/7", 404, "round_id"),
        ("/api/compute-auction/order-book?pool=nowhere", 404, "pool"),
        ("/api/compute-auction/order-book?pool=", 422, "pool"),
        ("/api/compute-auction/order-book?limit=0", 422, "limit"),
        ("/api/compute-auction/order-book?limit=1e3", 422, "limit"),
        ("/api/compute-auction/order-book?limt=5", 422, "limt"),
        ("/api/compute-auction/order-book?limit=5&limit=6", 422, "limit"),
        ("/api/compute-auction/order-book?now=2026-01-01T00:00:00Z", 422, "now"),
        ("/api/compute-auction/stats?hours=nan", 422, "hours"),
        ("/api/compute-auction/stats?hours=-1", 422, "hours"),
        ("/api/compute-auction/stats?hours=inf", 422, "hours"),
        ("/api/compute-auction/quote?probability=1", 422, "probability"),
        ("/api/compute-auction/quote?probability=x", 422, "probability"),
        ("/api/wallets/nobody", 404, "account_id"),
        ("/api/wallets/nobody/transfers", 404, "account_id"),
        ("/api/wallets/a%00b", 422, "account_id"),
        ("/api/wallets/ada/transfers?before=-1", 422, "before"),
        ("/api/tasks/nothing", 404, "task_id"),
        ("/api/tasks?status=lazy", 422, "status"),
        ("/api/quests/nothing", 404, "quest_id"),
        ("/resources?pool=nowhere", 404, "pool"),
        ("/resources?tab=nothing", 422, "tab"),
        ("/resources/parts/page", 422, "name"),
        ("/nothing", 404, None),
        ("/static/vendor/%2e%2e/dashboard.css", 404, None),
        ("/static/..%2Fpages.py", 404, None),
        ("/static/", 404, None),
        ("/docs/../resources/", 404, None),
    ],
)
@pytest.mark.usefixtures("written")
def test_what_is_not_there_or_not_understood_is_told(refusing, path, status, field):
    url = httpx2.URL(refusing.client.base_url, raw_path=path.encode())

    refused(refusing.client.get(url), status, field)


@pytest.mark.usefixtures("written")
def test_a_method_that_a_route_does_not_take_is_told_with_those_it_takes(refusing):
    response = refusing.client.put("/api/compute-auction/order-book", json={})

    refused(response, 405, None)
    assert response.headers["allow"] == "GET"


# --- who asks, and from where


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.usefixtures("written")
def test_a_page_from_elsewhere_may_not_act(refusing, method, headers):
    problem = refused(
        refusing.client.request(method, "/api/wallets", json={"account_id": "z"}, headers=headers),
        403,
        next(iter(headers)),
    )

    assert problem["type"] == "urn:scidex:problem:foreign-page"


def test_our_own_page_may_act(client):
    headers = {"Origin": str(client.base_url).rstrip("/"), "Sec-Fetch-Site": "same-origin"}

    assert client.post("/api/wallets", json={"account_id": "z"}, headers=headers).status_code == 201


@pytest.mark.parametrize("host", ["elsewhere.example", "127.0.0.1.elsewhere.example", "localhost.", "", "0.0.0.0:80"])
@pytest.mark.usefixtures("written")
def test_a_name_that_is_not_ours_is_refused(refusing, host):
    refused(refusing.client.get("/healthz", headers={"Host": host}), 421, "Host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:99", "[::1]:80"])
@pytest.mark.usefixtures("written")
def test_every_loopback_name_is_ours(refusing, host):
    assert refusing.client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", ["/resources", "/api/wallets", "/nothing", "/static/dashboard.css"])
@pytest.mark.usefixtures("written")
def test_every_answer_forbids_scripts_of_others(refusing, path):
    headers = refusing.client.get(path).headers

    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers


@pytest.mark.usefixtures("written")
def test_a_page_has_no_script_or_style_of_its_own_and_loads_from_here_alone(refusing):
    for tab in ("budget", "auction", "wallets", "fleet", "health"):
        page = refusing.client.get("/resources", params={"tab": tab}).text

        assert " style=" not in page
        assert "<style" not in page
        assert " onclick=" not in page
        assert page.count("<script ") == page.count('<script src="/static/') == 4
        assert "//" not in page.replace("http://www.w3.org", "")


@pytest.mark.usefixtures("written")
def test_files_are_kept_by_their_version(refusing):
    page = refusing.client.get("/resources").text
    start = page.index("/static/dashboard.css?v=")
    address = page[start : page.index('"', start)]

    assert "immutable" in refusing.client.get(address).headers["cache-control"]
    assert refusing.client.get("/static/dashboard.css").headers["cache-control"] == "no-cache"


# --- many at once, and what goes wrong behind the door


def test_bids_of_many_clients_at_once_never_spend_more_than_the_wallet(client, db):
    def bid(number: int) -> None:
        answers.append(client.post(BIDS, json={**BID, "task_id": f"t{number}", "max_price_tokens": 300}).status_code)

    answers: list[int] = []
    threads = [threading.Thread(target=bid, args=(number,)) for number in range(8)]
    compute_auction.offer_slots(8, db=db)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answers) == [201] * 3 + [409] * 5
    assert token_ledger.get_balance("ada", db=db).held == 900


@pytest.mark.usefixtures("written")
def test_a_failure_behind_the_door_tells_a_number_and_nothing_else(refusing, monkeypatch, caplog):
    def broken(*_, **__):
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(compute_auction, "quote", broken)

    response = refusing.client.get("/api/compute-auction/quote")

    problem = refused(response, 500, None)
    assert response.headers["connection"] == "close"
    assert "secret" not in response.text
    assert problem["id"] in caplog.text


def test_a_database_that_is_gone_is_told_without_its_words(client, db, monkeypatch):
    def broken():
        raise DatabaseUnavailable(fact="secret of the database")

    monkeypatch.setattr(db, "reading", broken)

    response = client.get("/readyz")

    problem = refused(response, 503, None)
    assert problem["type"] == "urn:scidex:problem:database-unavailable"
    assert response.headers["retry-after"] == "1"
    assert "secret" not in response.text


@pytest.mark.usefixtures("written")
def test_a_client_that_sends_half_a_body_and_leaves_harms_nobody(refusing):
    place = urlsplit(str(refusing.client.base_url))
    with socket.create_connection((place.hostname, place.port)) as connection:
        connection.sendall(
            f"POST {BIDS} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: application/json\r\n"
            f"Content-Length: 1000\r\n\r\n{{".encode()
        )

    assert refusing.client.get("/healthz").status_code == 200

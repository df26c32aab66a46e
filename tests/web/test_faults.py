"""Faults that a door must stand, each as it comes over HTTP: odd amounts, odd names, races, and recorded requests."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import httpx2
import pytest

from scidex.client import Client
from scidex.errors import ScidexError
from scidex.exchange import backlog, compute_auction, keys, leases, token_ledger, workers
from scidex.records import Lease
from scidex.store import Database, connect
from scidex.web.app import create_app
from scidex.web.serving import running_server
from tests.databases import assert_books_are_right, assert_journal_tells_all, contents_but_refusals
from tests.web.doors import headers_for, key_for, operator
from tests.web.test_doors import routes_of

AUCTION = "/api/compute-auction"
INJECTION = "x' OR 1=1; DROP TABLE journal; --"


class Served(NamedTuple):
    """A served market and a way to ask as ada, as the operator and as a worker."""

    db: Database
    ask: Callable[..., httpx2.Response]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A market with tokens, a quest and a slot sold to ada, in which nothing that is refused may be written."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path_factory.mktemp('faults')}/market.db"
        else:
            server = request.getfixturevalue("postgres_server")
            url = stack.enter_context(server.new_database(template=request.getfixturevalue("postgres_template")))
        db = stack.enter_context(connect(url))
        compute_auction.ensure_schema(db=db)
        for account in ("ada", "bob"):
            token_ledger.create_account(account, db=db)
            token_ledger.mint(account, 1_000, db=db)
        compute_auction.offer_slots(1, provider_id="bob", db=db)
        compute_auction.place_bid("ada", "t", 10, db=db)
        compute_auction.clear_round(db=db)
        client = stack.enter_context(httpx2.Client(base_url=stack.enter_context(running_server(db)), timeout=30))
        of = {"ada": headers_for(db, "ada", "bid"), "bob": headers_for(db, "bob", "work"), "operator": operator(db)}

        def ask(who: str, method: str, path: str, **what: Any) -> httpx2.Response:
            headers = {**of[who], "Idempotency-Key": str(uuid.uuid4()), "Content-Type": "application/json"}
            return client.request(method, path, headers=headers, **what)

        yield Served(db, ask)


# --- F25: amounts that are none, at each route by which tokens move

NO_AMOUNT = {
    "negative": "-1",
    "nan": "NaN",
    "infinity": "Infinity",
    "minus infinity": "-Infinity",
    "1e999": "1e999",
    "2**53": str(2**53),
    "2**53+1": str(2**53 + 1),
    "2**63-1": str(2**63 - 1),
    "2**63": str(2**63),
    "10**400": "1" + "0" * 400,
    "a tenth": "0.1",
    "one and nothing": "1.0",
    "true": "true",
    "text": '"12abc"',
    "a number as text": '"12"',
    "minus zero": "-0.0",
    "5000 digits": "9" * 5_000,
    "null": "null",
}
MOVES: dict[str, tuple[str, str, str]] = {
    "transfer": ("ada", "/api/wallets/ada/transfers", '{"credit": "bob", "amount_tokens": %s}'),
    "mint": ("operator", "/api/wallets/ada/mint", '{"amount_tokens": %s}'),
    "bid": ("ada", f"{AUCTION}/bids", '{"task_id": "u", "max_price_tokens": %s}'),
    "offer": ("bob", f"{AUCTION}/asks", '{"reserve_price_tokens": %s}'),
    "settle": ("bob", f"{AUCTION}/slots/slot-1/settle", '{"actual_cost_tokens": %s}'),
}


@pytest.mark.parametrize("amount", NO_AMOUNT)
@pytest.mark.parametrize("move", MOVES)
def test_what_is_no_amount_moves_nothing(served, move, amount):
    who, path, body = MOVES[move]
    before = contents_but_refusals(served.db)

    answer = served.ask(who, "POST", path, content=body % NO_AMOUNT[amount])

    if (move, amount) == ("offer", "null"):  # what is null is left out, and an offer need not name its reserve
        assert answer.status_code == 201, answer.text
        return
    assert answer.status_code in (400, 422), answer.text
    assert contents_but_refusals(served.db) == before


@pytest.mark.parametrize("move", MOVES)
def test_a_name_given_twice_in_a_body_moves_nothing(served, move):
    who, path, body = MOVES[move]
    before = contents_but_refusals(served.db)
    twice = (body % "1").replace("}", ', "reason": "a", "reason": "b"}')

    answer = served.ask(who, "POST", path, content=twice)

    assert (answer.status_code, answer.json()["type"]) == (400, "urn:scidex:problem:malformed-body")
    assert contents_but_refusals(served.db) == before


# --- F26: many legal amounts whose sum is none


def test_many_legal_amounts_never_sum_to_more_than_a_wallet_may_hold(served):
    token_ledger.create_account("rich", db=served.db)
    most = f'{{"amount_tokens": {2**53 - 1}}}'
    answers = [served.ask("operator", "POST", "/api/wallets/rich/mint", content=most) for _ in range(3)]

    assert answers[0].status_code in (201, 409, 422), answers[0].text
    assert {one.status_code for one in answers[1:]} <= {409, 422}, [one.text for one in answers]
    assert token_ledger.get_balance("rich", db=served.db).balance <= 2**53 - 1
    assert_books_are_right(served.db)


def test_bids_that_are_legal_one_by_one_never_hold_more_than_the_wallet(served):
    bids = [{"task_id": f"sum {n}", "max_price_tokens": 2**52} for n in range(4_000)]
    answer = served.ask("ada", "POST", f"{AUCTION}/bids", json=bids)

    assert answer.status_code in (409, 422)
    assert token_ledger.get_balance("ada", db=served.db).held <= 1_000


# --- F27: names that only look alike are names of their own, or none


@pytest.mark.parametrize(
    "name", ["a\x00b", "a\u202eb", "a\u200bb", "e\u0301", "", " a", "a ", "x" * 201, "a\nb", "x" * 1_000_000]
)
def test_a_name_that_could_be_misread_is_refused(served, name):
    before = contents_but_refusals(served.db)
    answer = served.ask("operator", "POST", "/api/wallets", json={"account_id": name})

    assert (answer.status_code, answer.json()["field"]) == (422, "account_id")
    assert contents_but_refusals(served.db) == before


def test_half_a_character_is_no_name(served):
    answer = served.ask("operator", "POST", "/api/wallets", content=b'{"account_id": "a\\ud800"}')

    assert (answer.status_code, answer.json()["field"]) == (422, "account_id")


def test_names_that_differ_by_case_are_two_names_with_two_wallets(served):
    for name in ("Twin", "twin"):
        assert served.ask("operator", "POST", "/api/wallets", json={"account_id": name}).status_code == 201
    served.ask("operator", "POST", "/api/wallets/Twin/mint", json={"amount_tokens": 5}).raise_for_status()

    assert [token_ledger.get_balance(name, db=served.db).balance for name in ("Twin", "twin")] == [5, 0]


# --- F28: nothing that is sent is read as SQL


def test_no_part_of_an_address_is_read_as_sql(served):
    """Every route there is, with the injection in the place of each id and of each parameter."""
    tables = contents_but_refusals(served.db).keys()
    asked = 0
    for name, route in sorted(routes_of(create_app(served.db)).items()):
        method, _, path = name.partition(" ")
        if path == "/api/events":
            continue  # it would not end; its one parameter is a number
        address = "/".join(INJECTION if part.startswith("{") else part for part in path.split("/"))
        parameters = {one.alias: INJECTION for one in route.dependant.query_params} if method == "GET" else {}
        for who in ("ada", "operator"):
            answer = served.ask(who, method, address.replace("%", "%25"), params=parameters)
            assert answer.status_code < 500, (name, answer.text)
            asked += 1

    assert asked > 100
    assert contents_but_refusals(served.db).keys() == tables
    assert_books_are_right(served.db)


@pytest.mark.parametrize("header", ["Authorization", "Idempotency-Key", "If-None-Match", "X-Request-Id", "Cookie"])
def test_no_header_is_read_as_sql(served, header):
    with running_server(served.db) as address:
        headers = {**operator(served.db), header: f"Bearer {INJECTION}"}
        told = httpx2.post(f"{address}/api/wallets/ada/mint", json={"amount_tokens": 1}, headers=headers)

    assert told.status_code < 500
    assert_books_are_right(served.db)


# --- F36, F22: what is leased while its quest is closed, and its task said to be done


class Fleet(NamedTuple):
    """A market with a quest, and a worker that has leased its task over HTTP."""

    db: Database
    client: Client
    address: str
    held: Lease
    slot_id: str


@pytest.fixture
def fleet(db: Database) -> Iterator[Fleet]:
    quest = backlog.add_quest("q", db=db)
    token_ledger.mint(quest.account_id, 100, db=db)
    token_ledger.create_account("worker:w", "worker", db=db)
    backlog.add_task("t1", "q", expected_value_usd=1.0, db=db)
    with running_server(db) as address, Client(address, key_for(db, "worker:w", "work")) as client:
        client.register_worker("w", "worker:w", pool="scidex-agent", seats=1, lease_seconds=60.0)
        client.keep_offers("w", 1, reserve_price_tokens=10)
        compute_auction.place_bid(quest.account_id, "t1", 50, db=db)
        [sold] = compute_auction.clear_round(db=db).clears
        held = client.lease_next("w")
        assert held is not None
        yield Fleet(db, client, address, held, sold.slot_id)
    assert_books_are_right(db)
    assert_journal_tells_all(db)


def test_a_quest_that_is_paused_while_its_task_runs_pays_for_what_ran(fleet):
    owner = headers_for(fleet.db, "quest:q", "bid")
    httpx2.patch(f"{fleet.address}/api/quests/q", json={"status": "paused"}, headers=owner).raise_for_status()

    fleet.client.finish(fleet.held, succeeded=True, actual_cost_tokens=3)

    assert token_ledger.get_balance("quest:q", db=fleet.db).balance == 90
    assert token_ledger.get_balance("quest:q", db=fleet.db).held == 0
    assert backlog.get_task("t1", db=fleet.db).status == "done"


@pytest.mark.parametrize("status", ["done", "failed", "open", "blocked"])
def test_a_task_that_is_closed_while_it_runs_ends_once_and_its_tokens_are_free_or_paid(fleet, status):
    owner = headers_for(fleet.db, "quest:q", "bid")
    closed = httpx2.post(f"{fleet.address}/api/tasks/t1/status", json={"status": status}, headers=owner)
    try:
        fleet.client.finish(fleet.held, succeeded=True, actual_cost_tokens=3)
    except ScidexError as refused:
        fleet.client.give_back(fleet.held, str(refused)[:100])

    assert closed.status_code in (200, 409, 422), closed.text
    [ended] = compute_auction.list_clears(db=fleet.db)
    assert ended.status in ("settled", "voided")
    balance = token_ledger.get_balance("quest:q", db=fleet.db)
    assert (balance.balance, balance.held) == ((90, 0) if ended.status == "settled" else (100, 0))
    assert leases.get_lease(fleet.held.fence, db=fleet.db).status != "live"


def test_a_key_that_is_revoked_while_its_worker_runs_ends_nothing(fleet):
    """The worker may not even finish; its lease runs out, and the tokens go back."""
    for key in keys.list_keys(account_id="worker:w", db=fleet.db):
        keys.revoke_key(key.key_id, db=fleet.db)

    with pytest.raises(ScidexError):
        fleet.client.finish(fleet.held, succeeded=True, actual_cost_tokens=3)

    assert leases.get_lease(fleet.held.fence, db=fleet.db).status == "live"
    assert token_ledger.get_balance("quest:q", db=fleet.db).balance == 100


# --- F37: a request that somebody recorded


def test_a_recorded_request_does_nothing_more_and_nothing_at_all_once_its_key_has_ended(db):
    for account in ("ada", "bob"):
        token_ledger.create_account(account, db=db)
        token_ledger.mint(account, 100, db=db)
    made = keys.create_key("ada", ["bid"], db=db)
    recorded = {"Authorization": f"Bearer {made.text}", "Idempotency-Key": "k"}
    order = {"credit": "bob", "amount_tokens": 5}
    with running_server(db) as address:
        path = f"{address}/api/wallets/ada/transfers"
        first = httpx2.post(path, json=order, headers=recorded)
        again = httpx2.post(path, json=order, headers=recorded)
        other = httpx2.post(path, json={**order, "amount_tokens": 6}, headers=recorded)
        elsewhere = httpx2.post(f"{address}/api/wallets/bob/transfers", json=order, headers=recorded)
        keys.revoke_key(made.key.key_id, db=db)
        late = httpx2.post(path, json=order, headers=recorded)

    assert (first.status_code, again.status_code, again.content) == (201, 201, first.content)
    assert (other.status_code, elsewhere.status_code, late.status_code) == (422, 404, 401)
    assert token_ledger.get_balance("ada", db=db).balance == 95


# --- F31, F32, F33: races at the door


def test_spending_cancelling_withdrawing_and_clearing_at_once_keep_the_books(db):
    for account in ("ada", "bob", "eve"):
        token_ledger.create_account(account, db=db)
        token_ledger.mint(account, 100, db=db)
    answers: list[int] = []
    with running_server(db) as address:

        def play(account: str) -> None:
            headers = headers_for(db, account, "bid", "work")
            with httpx2.Client(base_url=address, headers=headers, timeout=60) as client:
                for number in range(12):
                    once = {"Idempotency-Key": f"{number}"}
                    bid = {"task_id": f"{account} {number}", "max_price_tokens": 60}
                    placed = client.post(f"{AUCTION}/bids", json=bid, headers=once)
                    offered = client.post(f"{AUCTION}/asks", json={"count": 1}, headers=once)
                    gift = {"credit": "bob", "amount_tokens": 1}
                    asked = [placed, offered, client.post("/api/wallets/ada/transfers", json=gift, headers=once)]
                    if placed.status_code == 201:
                        asked.append(client.delete(f"{AUCTION}/bids/{placed.json()['id']}"))
                    if offered.status_code == 201:
                        asked.append(client.delete(f"{AUCTION}/slots/{offered.json()[0]['slot_id']}"))
                    answers.extend(one.status_code for one in asked)

        def clear() -> None:
            with httpx2.Client(base_url=address, headers=operator(db), timeout=60) as client:
                once = ({"Idempotency-Key": f"{number}"} for number in range(12))
                answers.extend(client.post(f"{AUCTION}/clear", json={}, headers=key).status_code for key in once)

        threads = [threading.Thread(target=play, args=(account,)) for account in ("ada", "bob", "eve")]
        threads.append(threading.Thread(target=clear))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert max(answers) < 500
    assert 201 in answers
    assert 409 in answers or 404 in answers
    assert_books_are_right(db)
    assert_journal_tells_all(db)


# --- F39, F40: an item of somebody else's among one's own


def test_a_worker_that_names_anothers_lease_among_its_own_renews_its_own_alone(fleet):
    token_ledger.create_account("worker:x", "worker", db=fleet.db)
    workers.register_worker("x", "worker:x", lease_seconds=60.0, db=fleet.db)
    with Client(fleet.address, key_for(fleet.db, "worker:x", "work")) as other:
        assert other.check_in("x", [fleet.held.fence]) == []
    assert leases.get_lease(fleet.held.fence, db=fleet.db).heartbeats == 0
    assert fleet.client.check_in("w", [fleet.held.fence]) == [fleet.held.fence]


# --- F41: what a page elsewhere may send by a browser


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "sent",
    [
        {"Origin": "http://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "elsewhere.example"},
    ],
    ids=str,
)
def test_no_method_is_open_to_pages_from_elsewhere(served, method, sent):
    with running_server(served.db) as address:
        before = contents_but_refusals(served.db)
        headers = {**operator(served.db), "Idempotency-Key": "k", **sent}
        after_the_key = contents_but_refusals(served.db)
        answer = httpx2.request(method, f"{address}/api/wallets/ada/mint", json={"amount_tokens": 1}, headers=headers)

        assert answer.status_code in (403, 421)
        assert contents_but_refusals(served.db) == after_the_key != before

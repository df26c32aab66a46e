"""Single bids that share a commit: each keeps its own answer, refusal, key and journal row."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from typing import Any

import httpx2
import pytest

from scidex.exchange import compute_auction, keys, token_ledger
from scidex.store import Database, connect
from scidex.store.db_writes import read_journal
from scidex.web.serving import running_server
from tests.web.doors import headers_for

BIDS = "/api/compute-auction/bids"


@pytest.fixture
def served(db: Database) -> Iterator[tuple[Database, str]]:
    """A market with ada, who has 1,000 tokens, and bob, who has none, served on each database in turn."""
    token_ledger.create_account("ada", db=db)
    token_ledger.create_account("bob", db=db)
    token_ledger.mint("ada", 1_000, db=db)
    with running_server(db) as address:
        yield db, address


def client_of(db: Database, address: str, account: str) -> httpx2.Client:
    """Return a client of an account whose key was let in before, so that its bids go over the desk."""
    headers = headers_for(db, account, "bid")
    with httpx2.Client(base_url=address, headers=headers) as first:
        assert first.get("/api/whoami").status_code == 200
    return httpx2.Client(base_url=address, headers=headers, timeout=30)


def bid(
    client: httpx2.Client, task: str, price: int = 10, *, key: str | None = None, **headers: str
) -> httpx2.Response:
    body = {"task_id": task, "max_price_tokens": price}
    return client.post(BIDS, json=body, headers={"Idempotency-Key": key or str(uuid.uuid4()), **headers})


def by_the_route(client: httpx2.Client, task: str, price: int, key: str) -> httpx2.Response:
    """Send the same bid so that the desk leaves it to the route: a cookie is not as plain."""
    return bid(client, task, price, key=key, Cookie="nothing=1")


def test_the_desk_and_the_route_give_one_answer(served):
    db, address = served
    with client_of(db, address, "ada") as ada:
        at_the_desk, by_route = bid(ada, "t1", 10, key="k"), by_the_route(ada, "t1", 10, "k")
    assert at_the_desk.status_code == by_route.status_code == 201
    assert at_the_desk.content == by_route.content
    assert at_the_desk.headers["content-type"] == by_route.headers["content-type"]
    assert len(compute_auction.list_open_bids("ada", db=db)) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"task_id": "t", "max_price_tokens": 5_000},
        {"task_id": "t", "max_price_tokens": 0},
        {"task_id": "t", "max_price_tokens": 5, "bidder_id": "bob"},
        {"task_id": "t", "max_price_tokens": 5, "pool": "nowhere"},
        {"task_id": "t", "max_price_tokens": 5, "ttl_at": "2020-01-01T00:00:00Z"},
        {"task_id": "t", "max_price_tokens": 5, "surprise": 1},
        {"task_id": " t", "max_price_tokens": 5},
        {},
    ],
)
def test_the_desk_refuses_as_the_route_does(served, body: dict[str, Any]):
    db, address = served
    with client_of(db, address, "ada") as ada:
        before = len(list(read_journal(db)))
        told = [
            ada.post(BIDS, json=body, headers={"Idempotency-Key": str(uuid.uuid4()), **more})
            for more in ({}, {"Cookie": "nothing=1"})
        ]
    assert told[0].status_code == told[1].status_code >= 400
    assert told[0].json() == told[1].json()
    assert len(list(read_journal(db))) == before


def test_one_bad_bid_does_not_harm_its_neighbours(served):
    db, address = served
    with client_of(db, address, "ada") as ada, client_of(db, address, "bob") as bob, ThreadPoolExecutor(16) as crowd:
        told = list(crowd.map(lambda n: bid(bob if n % 4 == 3 else ada, f"t{n}", 10).status_code, range(40)))
    assert told == [409 if n % 4 == 3 else 201 for n in range(40)]
    assert len(compute_auction.list_open_bids("ada", db=db)) == 30
    assert compute_auction.list_open_bids("bob", db=db) == []
    assert token_ledger.verify(db).ok


def test_each_bid_is_journaled_as_its_own_request(served):
    db, address = served
    with client_of(db, address, "ada") as ada, ThreadPoolExecutor(8) as crowd:
        told = list(crowd.map(lambda n: bid(ada, f"t{n}").headers["x-request-id"], range(16)))
    actors = [entry.actor for entry in read_journal(db) if entry.verb == "place_bids"]
    assert sorted(actor.rpartition("request:")[2] for actor in actors) == sorted(told)
    assert all(actor.startswith("ada key:") for actor in actors)


def test_the_same_bid_by_many_at_once_is_placed_once(served):
    db, address = served
    started = threading.Barrier(8)

    def place(client: httpx2.Client) -> httpx2.Response:
        started.wait()
        return bid(client, "t1", 10, key="once")

    with client_of(db, address, "ada") as ada, ThreadPoolExecutor(8) as crowd:
        told = list(crowd.map(place, [ada] * 8))
    assert {one.status_code for one in told} <= {201, 409}
    assert len({one.json()["id"] for one in told if one.status_code == 201}) == 1
    assert sum(entry.verb == "place_bids" for entry in read_journal(db)) == 1


def test_a_key_that_was_revoked_places_nothing_and_is_told_nothing(served):
    db, address = served
    with client_of(db, address, "ada") as ada:
        assert bid(ada, "t1").status_code == 201
        keys.revoke_key(keys.list_keys(account_id="ada", db=db)[0].key_id, db=db)
        told = [
            bid(ada, "t2"),
            ada.post(
                BIDS, json={"task_id": "t", "max_price_tokens": 5, "bidder_id": "bob"}, headers={"Idempotency-Key": "x"}
            ),
        ]
    assert [one.status_code for one in told] == [401, 401]
    assert [one.task_id for one in compute_auction.list_open_bids("ada", db=db)] == ["t1"]


def test_every_bid_that_was_answered_is_there_after_the_server_was_killed(tmp_path):
    url = f"sqlite:///{tmp_path}/market.db"
    with connect(url) as db:
        compute_auction.ensure_schema(db=db)
        token_ledger.create_account("ada", db=db)
        token_ledger.mint("ada", 10**9, db=db)
        headers = headers_for(db, "ada", "bid")
    command = [sys.executable, "-m", "scidex", "serve", "--db", url, "--port", "0"]
    server = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "SCIDEX_KEY_DIRECTORY": str(tmp_path)}
    )
    assert server.stdout is not None
    lines = dict(line.split(maxsplit=1) for line in iter(server.stdout.readline, "to stop     Ctrl-C\n"))
    answered: list[int] = []

    def bid_until_it_dies(number: int) -> None:
        with suppress(httpx2.HTTPError), httpx2.Client(base_url=lines["api"].strip(), headers=headers) as ada:
            for task in count():
                told = bid(ada, f"{number} {task}")
                assert told.status_code == 201
                answered.append(told.json()["id"])
                if len(answered) > 200:
                    server.kill()

    with ThreadPoolExecutor(16) as crowd:
        list(crowd.map(bid_until_it_dies, range(16)))
    server.wait()
    server.stdout.close()
    with connect(url) as db:
        kept = {entry.arguments["bids"][0]["task_id"] for entry in read_journal(db) if entry.verb == "place_bids"}
        assert {compute_auction.get_bid(one, db=db).task_id for one in answered} <= kept
        assert token_ledger.verify(db).ok

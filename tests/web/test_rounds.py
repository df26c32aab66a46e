"""Waiting for rounds over HTTP: many wait by one loop a pool, and nothing of it stays when they have gone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from scidex.exchange import compute_auction
from scidex.store import Database
from scidex.web.serving import running_server
from tests.web.doors import operator


def address_of(pool: str) -> str:
    return f"/api/compute-auction/pools/{pool}/next-round"


def watching() -> list[str]:
    """Return the names of the threads that watch for rounds."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("rounds of ")]


@pytest.fixture
def client(db: Database) -> Iterator[httpx2.Client]:
    with (
        running_server(db) as address,
        httpx2.Client(base_url=address, headers=operator(db), timeout=30) as client,
    ):
        yield client


def test_many_who_wait_one_after_the_other_are_served_by_one_loop(client):
    for _ in range(4):
        assert client.get(address_of("scidex-agent"), params={"after": 1, "seconds": 1}).status_code == 200

    assert watching() == ["rounds of scidex-agent"]


def test_all_who_wait_hear_of_a_round_at_once(client, db):
    with ThreadPoolExecutor(10) as crowd:
        asked = {"after": 1, "seconds": 20}
        waiting = [crowd.submit(client.get, address_of("scidex-agent"), params=asked) for _ in range(10)]
        compute_auction.offer_slots(1, db=db)
        compute_auction.clear_round(db=db)
        told = [one.result(timeout=30).json() for one in waiting]

    assert told == [told[0]] * 10
    assert told[0]["open_round_id"] > 1


def test_a_pool_that_there_is_not_is_refused_and_not_watched(client):
    for number in range(5):
        answer = client.get(address_of(f"no-{number}"), params={"after": 1, "seconds": 5})
        assert answer.status_code == 404

    assert watching() == []


def test_a_server_that_stops_leaves_no_loop_behind(db):
    with running_server(db) as address, httpx2.Client(base_url=address, headers=operator(db)) as one:
        one.get(address_of("scidex-agent"), params={"after": 1, "seconds": 1})
        assert watching() == ["rounds of scidex-agent"]

    left = {"refusals", "uses of keys", "events", "rounds of scidex-agent"} & {t.name for t in threading.enumerate()}
    assert left == set()

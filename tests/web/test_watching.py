"""What programs poll and watch by: pages of lists, tags of content, the stream of events, metrics, and the limits."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from scidex.exchange import backlog, compute_auction, keys, token_ledger
from scidex.exchange.journal import watcher as journal_watcher
from scidex.exchange.journal.watcher import Watcher
from scidex.records import Principal
from scidex.store import Database, connect
from scidex.store.db_writes import read_journal
from scidex.web.gate import MOST_BODY_BYTES
from scidex.web.limits import Rate
from scidex.web.refusals import TooManyRequests
from scidex.web.serving import running_server
from tests.raw_sql import change
from tests.web.doors import headers_for, operator

BIDS = "/api/compute-auction/bids"
EVENTS = "/api/events"


@pytest.fixture
def market(db: Database) -> Database:
    """A market in which ada and bob have 1,000 tokens each."""
    for account in ("ada", "bob"):
        token_ledger.create_account(account, db=db)
        token_ledger.mint(account, 1_000, db=db)
    return db


@contextmanager
def served(db: Database, headers: dict[str, str]) -> Iterator[httpx2.Client]:
    with running_server(db) as address, httpx2.Client(base_url=address, headers=headers, timeout=30) as client:
        yield client


# --- pages and tags


def test_a_list_is_read_page_by_page_by_its_links(market):
    for number in range(7):
        compute_auction.place_bid("ada", f"t{number}", 10 + number % 3, db=market)
        backlog.add_quest(f"q{number}", db=market)
    compute_auction.offer_slots(3, db=market)
    compute_auction.clear_round(db=market)
    for number in range(5):
        compute_auction.place_bid("ada", f"u{number}", 20 + number % 2, db=market)
    lists = [
        (BIDS + "?bidder_id=ada", "id", 5),
        ("/api/compute-auction/rounds/1/bids", "id", 7),
        ("/api/compute-auction/slots?bidder_id=ada", "slot_id", 3),
        ("/api/compute-auction/clears", "slot_id", 3),
        ("/api/wallets", "account_id", None),
        ("/api/wallets/ada/transfers", "transfer_id", None),
        ("/api/quests", "quest_id", 7),
        ("/api/keys", "key_id", None),
    ]
    with served(market, operator(market)) as client:
        for address, name, count in lists:
            whole = [one[name] for one in client.get(address).json()]
            joint = "&" if "?" in address else "?"
            found, page = [], f"{address}{joint}limit=2"
            for _ in range(20):
                answer = client.get(page)
                found += [one[name] for one in answer.json()]
                if "next" not in answer.links:
                    break
                page = answer.links["next"]["url"]
            assert found == whole, address
            assert count is None or len(found) == count, address


def test_what_has_not_changed_is_not_sent_again(market):
    with served(market, headers_for(market, "ada", "bid")) as client:
        first = client.get("/api/compute-auction/order-book")
        tag = {"If-None-Match": first.headers["etag"]}
        again = client.get("/api/compute-auction/order-book", headers=tag)
        compute_auction.place_bid("ada", "t", 5, db=market)
        changed = client.get("/api/compute-auction/order-book", headers=tag)

    assert (again.status_code, again.content) == (304, b"")
    assert (changed.status_code, len(changed.json()["bids"])) == (200, 1)
    assert first.headers["cache-control"] == "private, no-cache"


# --- events


def heard(client: httpx2.Client, count: int, **how: Any) -> list[dict[str, Any]]:
    """Listen until so many events were heard."""
    events: list[dict[str, Any]] = []
    with client.stream("GET", EVENTS, **how) as stream:
        assert stream.status_code == 200, stream.read()
        assert stream.headers["content-type"].startswith("text/event-stream")
        told: dict[str, str] = {}
        for line in stream.iter_lines():
            name, _, value = line.partition(": ")
            if line == "" and "data" in told:
                assert told["id"] == str(json.loads(told["data"])["entry_id"])
                events.append({**json.loads(told["data"]), "event": told["event"]})
                told = {}
            elif name in ("id", "event", "data"):
                told[name] = value
            if len(events) == count:
                return events
    return events


def test_a_stream_goes_on_behind_the_last_event_that_was_heard(market):
    entries = [entry.entry_id for entry in read_journal(market)]
    with served(market, operator(market)) as client:
        first = heard(client, 3, params={"after": 0})
        rest = heard(client, 3, headers={"Last-Event-ID": str(first[-1]["entry_id"])})

    assert [event["entry_id"] for event in first + rest] == entries[:6] or len(entries) == 5
    assert [event["event"] for event in first] == [event["verb"] for event in first]


def test_what_happens_is_heard_by_the_streams_of_all_servers_in_one_order(market):
    before = list(read_journal(market))[-1].entry_id
    with ExitStack() as stack:
        headers = operator(market)
        clients = [stack.enter_context(served(market, headers)) for _ in range(2)]
        told: list[list[dict[str, Any]]] = [[], []]

        def listen(number: int) -> None:
            told[number] = heard(clients[number], 6, params={"after": before})

        threads = [threading.Thread(target=listen, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for number in range(3):
            compute_auction.offer_slots(1, db=market)
            compute_auction.place_bid("ada", f"t{number}", 5, db=market)
        for thread in threads:
            thread.join()

    assert told[0] == told[1]
    # The first was the making of the operator's key.
    assert [event["verb"] for event in told[0]][1:] == ["offer_slots", "place_bids"] * 2 + ["offer_slots"]
    assert told[0][1]["facts"] == {"count": 1, "pool": "scidex-agent", "reserve_price_tokens": 0}


def test_an_account_hears_what_moves_the_book_and_nothing_of_others_tokens(market):
    start = list(read_journal(market))[-1].entry_id
    token_ledger.mint("bob", 77, db=market)
    compute_auction.offer_slots(1, db=market)
    with served(market, headers_for(market, "ada", "read")) as client:
        [event] = heard(client, 1, params={"after": start})

    assert event["verb"] == "offer_slots"
    assert "actor" not in event


def test_a_stream_ends_with_its_key(market):
    made = keys.create_key("ada", ["read"], db=market)
    compute_auction.offer_slots(1, db=market)
    headers = {"Authorization": f"Bearer {made.text}"}
    with served(market, headers) as client, client.stream("GET", EVENTS, params={"after": 0}) as stream:
        lines = stream.iter_lines()
        assert "event: offer_slots" in lines
        keys.revoke_key(made.key.key_id, db=market)
        told = list(lines)  # to its end, which comes

    assert not any("revoke_key" in line for line in told)


@pytest.mark.parametrize("given", ["x", "-1", "1e3", "9" * 16, ""])
def test_what_is_no_events_id_is_refused(market, given):
    with served(market, operator(market)) as client:
        answer = client.get(EVENTS, headers={"Last-Event-ID": given})

    assert (answer.status_code, answer.json()["field"].lower()) == (422, "last-event-id")


def test_so_many_streams_and_no_more(market, monkeypatch):
    monkeypatch.setenv("SCIDEX_MOST_EVENT_STREAMS", "3")
    monkeypatch.setenv("SCIDEX_MOST_EVENT_STREAMS_PER_KEY", "2")
    mine, others = headers_for(market, "ada", "read"), headers_for(market, "bob", "read")
    with served(market, {}) as client, ExitStack() as stack:
        for headers in (mine, mine):
            assert stack.enter_context(client.stream("GET", EVENTS, headers=headers)).status_code == 200
        of_key = client.get(EVENTS, headers=mine)
        assert stack.enter_context(client.stream("GET", EVENTS, headers=others)).status_code == 200
        of_all = client.get(EVENTS, headers=headers_for(market, "bob", "read"))

    assert [(one.status_code, one.json()["facts"]["limit"]) for one in (of_key, of_all)] == [(429, 2), (429, 3)]


def test_a_number_that_is_missing_is_waited_for_while_it_can_come(new_database, postgres_template):
    import psycopg

    with connect(new_database(template=postgres_template)) as db:
        watcher = Watcher(db)
        start = watcher.reached
        draw = "SELECT nextval('journal_numbers')"
        add = "INSERT INTO journal VALUES (%s, 'mint', 'x', '{}', '{}', now())"
        add_next = add.replace("%s", "nextval('journal_numbers')")
        with psycopg.connect(db.url) as slow, psycopg.connect(db.url, autocommit=True) as fast:
            slow.execute(draw)  # drawn first, before its transaction has an id, and committed last
            fast.execute(add_next)
            for _ in range(3):
                assert not watcher.look()
            slow.execute(add, (start + 1,))
            for _ in range(3):
                assert not watcher.look()
            assert (watcher.reached, watcher.misses_one) == (start, True)
            slow.commit()
            assert watcher.look()
            assert watcher.reached == start + 2
            slow.execute(add_next)
            fast.execute(add_next)
            assert not watcher.look()
            slow.rollback()  # and this one never comes
            fast.execute(draw)
            slow.execute(draw)  # who draws later does not keep it waiting
            assert watcher.look()
            assert (watcher.reached, watcher.misses_one) == (start + 4, False)
        told, last = journal_watcher.happened(
            Principal("k", "system:treasury", "system", frozenset()), start, start + 4, db=db
        )

    assert [one.entry_id for one in told] == [start + 1, start + 2, start + 4]
    assert last == start + 4


# --- metrics


def test_the_metrics_are_the_markets_own_numbers(market):
    compute_auction.offer_slots(2, db=market)
    for task, price in (("a", 30), ("b", 20), ("c", 10)):
        compute_auction.place_bid("ada", task, price, db=market)
    compute_auction.clear_round(db=market)
    compute_auction.place_bid("bob", "d", 7, db=market)
    compute_auction.offer_slots(4, db=market)
    backlog.add_quest("q", db=market)
    backlog.add_task("x", "q", db=market)
    with served(market, operator(market)) as client:
        client.get("/api/whoami")
        client.get("/nothing/" + "x" * 50)
        told = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(client.get("/metrics").text)
            for sample in family.samples
        }

    pool = (("pool", "scidex-agent"),)
    assert told["scidex_last_price_tokens", pool] == 10
    assert told["scidex_fill_rate", pool] == 1.0
    assert told["scidex_rounds", pool] == 1
    assert (told["scidex_open_bids", pool], told["scidex_open_slots", pool]) == (1, 4)
    assert told["scidex_held_tokens", ()] == 27
    assert told["scidex_minted_tokens", ()] == 2_000
    assert told["scidex_missed_rounds", pool] >= 0
    assert told["scidex_live_slots", (*pool, ("status", "won"))] == 2
    assert told["scidex_oldest_live_slot_seconds", (*pool, ("status", "won"))] >= 0
    assert told["scidex_tasks", (*pool, ("status", "open"))] == 1
    counted = {labels for name, labels in told if name == "scidex_http_request_seconds_count"}
    assert (("method", "GET"), ("route", "/api/whoami"), ("status", "200")) in counted
    assert (("method", "GET"), ("route", "none"), ("status", "404")) in counted


# --- limits, each with its number


def test_a_bucket_fills_with_time():
    now = 0.0
    rate = Rate("things", 10, clock=lambda: now)
    rate.take("ada", 10)
    with pytest.raises(TooManyRequests) as refused:
        rate.take("ada", 5)
    assert (refused.value.limit, refused.value.retry_after_seconds) == (10, 1)
    rate.take("bob", 10)
    now = 0.5
    rate.take("ada", 5)
    assert rate.is_empty("ada")
    now = 100.0
    with pytest.raises(TooManyRequests):
        rate.take("ada", 11)
    rate.take("ada", 10)


def test_a_bucket_forgets_names_that_went_away():
    now = 0.0
    rate = Rate("things", 10, clock=lambda: now)
    for number in range(25_000):
        now += 0.001
        rate.take(str(number))

    assert len(rate._levels) <= 10_000


def test_bids_a_second_are_limited_for_each_account_and_a_batch_counts_each(market, monkeypatch):
    monkeypatch.setenv("SCIDEX_MOST_BIDS_PER_SECOND", "5")
    batch = [{"task_id": f"t{number}", "max_price_tokens": 1} for number in range(6)]
    with served(market, {"Idempotency-Key": "k"}) as client:
        ada, bob = headers_for(market, "ada", "bid"), headers_for(market, "bob", "bid")
        refused = client.post(BIDS, json=batch, headers=ada)
        placed = client.post(BIDS, json=batch[:5], headers=ada)
        others = client.post(BIDS, json=batch[:5], headers=bob)

    assert (refused.status_code, refused.json()["facts"]["limit"], refused.headers["retry-after"]) == (429, 5, "1")
    assert (placed.status_code, others.status_code) == (201, 201)


def test_open_bids_are_limited_for_each_account(market, monkeypatch):
    monkeypatch.setenv("SCIDEX_MOST_OPEN_BIDS", "2")
    batch = [{"task_id": f"t{number}", "max_price_tokens": 1} for number in range(3)]
    with served(market, headers_for(market, "ada", "bid")) as client:
        answer = client.post(BIDS, json=batch, headers={"Idempotency-Key": "k"})

    assert answer.status_code == 422
    assert "2" in json.dumps(answer.json()["errors"])
    assert compute_auction.list_open_bids("ada", db=market) == []


def test_requests_a_second_are_limited_for_each_key_and_for_whoever_has_none(market, monkeypatch):
    monkeypatch.setenv("SCIDEX_MOST_REQUESTS_PER_SECOND", "3")
    monkeypatch.setenv("SCIDEX_MOST_REFUSALS_PER_SECOND", "2")
    mine = headers_for(market, "ada", "read")
    with served(market, {}) as client:
        known = [client.get("/api/whoami", headers=mine) for _ in range(40)]
        unknown = [client.get("/api/whoami") for _ in range(40)]
        still = client.get("/api/whoami", headers=headers_for(market, "bob", "read"))

    assert {one.status_code for one in known} == {200, 429}
    assert {one.status_code for one in unknown} == {401, 429}
    assert {one.json()["facts"]["limit"] for one in known if one.status_code == 429} == {3}
    assert {one.json()["facts"]["limit"] for one in unknown if one.status_code == 429} == {2}
    assert still.status_code in (200, 429)


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (b" " * (MOST_BODY_BYTES + 1), 413, str(MOST_BODY_BYTES)),
        (b"[" * 33 + b"]" * 33, 400, "32"),
        (json.dumps([{"task_id": "t", "max_price_tokens": 1}] * 10_001).encode(), 422, "10000"),
        (json.dumps({"task_id": "t" * 201, "max_price_tokens": 1}).encode(), 422, "200"),
    ],
    ids=["body", "depth", "batch", "text"],
)
def test_what_is_too_much_is_told_with_the_limit(market, body, status, told):
    headers = {**headers_for(market, "ada", "bid"), "Idempotency-Key": "k", "Content-Type": "application/json"}
    with served(market, headers) as client:
        answer = client.post(BIDS, content=body)

    assert answer.status_code == status
    assert told in answer.text


def test_pages_are_limited(market):
    with served(market, operator(market)) as client:
        answer = client.get("/api/wallets?limit=1001")

    assert (answer.status_code, "1000" in answer.text) == (422, True)


def test_a_row_written_by_hand_does_not_break_the_stream(market):
    start = list(read_journal(market))[-1].entry_id
    change(market, "DELETE FROM journal WHERE entry_id = (SELECT MAX(entry_id) - 1 FROM journal)")
    compute_auction.offer_slots(1, db=market)
    with served(market, operator(market)) as client:
        assert heard(client, 1, params={"after": start})[0]["entry_id"] == start + 1

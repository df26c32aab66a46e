"""Workers over HTTP, through the client that the agent uses: what they are told is what the verbs say."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import httpx2
import pytest

from scidex.agent.agent import Agent, AgentWork, Report
from scidex.agent.commands import command_of_task
from scidex.agent.offers import Offers
from scidex.client import Client
from scidex.errors import (
    InvalidArgument,
    LeaseLost,
    MarketRefused,
    MarketUnreachable,
    NotAllowed,
    NotYourAccount,
    ScidexError,
    UnknownLease,
    UnknownWorker,
    WorkerLost,
)
from scidex.exchange import backlog, compute_auction, leases, sweeper, token_ledger, workers
from scidex.market import Market
from scidex.market.embedded import EmbeddedMarket
from scidex.records import Usage
from scidex.store import Database
from scidex.web.serving import running_server
from tests.databases import assert_books_are_right, assert_journal_tells_all
from tests.web.doors import headers_for, key_for, operator

USAGE = Usage("test", "reported", 7)
MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture
def address(db) -> Iterator[str]:
    """A served market with a quest of 1,000 tokens and the tasks t1 and t2."""
    quest = backlog.add_quest("q", db=db)
    token_ledger.mint(quest.account_id, 1_000, db=db)
    for worker in ("worker:ada", "worker:bob"):
        token_ledger.create_account(worker, kind="worker", db=db)
    for name in ("t1", "t2"):
        payload = {"command": ["true"], "due_at": "whenever"}
        backlog.add_task(name, "q", MARKUP, expected_value_usd=1.0, payload=payload, db=db)
    with running_server(db) as address:
        yield address
    assert_books_are_right(db)
    assert_journal_tells_all(db)


@pytest.fixture
def client(address, db) -> Iterator[Client]:
    with Client(address, key_for(db, "worker:ada", "work")) as one:
        one.open_account("worker:ada")
        one.register_worker("w1", "worker:ada", pool="scidex-agent", seats=2, lease_seconds=30.0)
        yield one


def sell(db: Database, *task_ids: str) -> list[str]:
    for task_id in task_ids:
        compute_auction.place_bid("quest:q", task_id, 50, db=db)
    return [sold.slot_id for sold in compute_auction.clear_round(db=db).clears]


def test_a_run_from_its_offer_to_its_settlement(client, db):
    assert len(client.keep_offers("w1", 1, reserve_price_tokens=10)) == 1
    [slot_id] = sell(db, "t1")

    held = client.lease_next("w1")
    client.note_step(held.fence, "started")
    still_held = client.check_in("w1", [held.fence, held.fence + 1])
    finished = client.finish(held, succeeded=True, usage=USAGE)

    assert (held.assignment.assignment_id, held.assignment.payload["due_at"]) == (slot_id, "whenever")
    assert held.ends_at - held.leased_at == timedelta(seconds=30)
    assert still_held == [held.fence]
    assert (finished.task_status, finished.clear.clearing_price_tokens) == ("done", 10)
    assert finished.clear.slot_finished_at > held.leased_at
    assert client.finish(held, succeeded=True, usage=USAGE) == finished
    assert client.lease_next("w1") is None


def test_what_is_given_back_is_open_again(client, db):
    client.keep_offers("w1", 1)
    sell(db, "t1")
    held = client.lease_next("w1")
    assert [one.fence for one in client.held_by("w1")] == [held.fence]

    client.give_back(held, "because")

    assert backlog.get_task("t1", db=db).status == "open"
    assert client.held_by("w1") == []


def test_an_unsold_slots_task_is_leased_too(client, db):
    client.keep_offers("w1", 1)
    compute_auction.clear_round(db=db)

    held = client.lease_task("w1")

    assert held.assignment.source == "unsold"
    assert client.held_by("w1")[0].assignment == held.assignment


def test_a_stopped_worker_has_nothing_on_offer(client, db):
    client.keep_offers("w1", 2)
    client.stop_worker("w1")

    assert compute_auction.get_order_book(db=db)["asks"] == []


@pytest.mark.parametrize(
    ("ask", "refusal"),
    [
        (lambda c: c.lease_next("nobody"), UnknownWorker),
        (lambda c: c.note_step(99, "started"), UnknownLease),
        (lambda c: c.register_worker("w2", "n", pool="scidex-agent", seats=1, lease_seconds=1.0), NotYourAccount),
        (lambda c: c.register_worker("w2", "worker:ada", pool="p", seats=0, lease_seconds=1.0), InvalidArgument),
        (lambda c: c.keep_offers("w1", -1), InvalidArgument),
        (lambda c: c.note_step(1, "danced"), InvalidArgument),
    ],
)  # fmt: skip
def test_a_refusal_of_the_server_is_the_verbs_own(client, ask, refusal):
    with pytest.raises(ScidexError) as refused:
        ask(client)

    assert type(refused.value) is refusal


@pytest.mark.parametrize(("provider_id", "refusal"), [("system:treasury", NotAllowed), ("worker:bob", NotYourAccount)])
def test_who_is_not_of_the_fleet_sells_for_its_own_account_alone(address, db, provider_id, refusal):
    token_ledger.create_account("agent:eve", db=db)
    terms = {"pool": "scidex-agent", "seats": 1, "lease_seconds": 30.0}
    with Client(address, key_for(db, "agent:eve", "work")) as eve:
        with pytest.raises(refusal) as refused:
            eve.register_worker("w2", "agent:eve", **terms, provider_id=provider_id)
        registered = eve.register_worker("w2", "agent:eve", **terms, provider_id="agent:eve")

    assert refused.value.facts["field"] == "provider_id"
    assert registered.provider_id == "agent:eve"


def test_the_fleets_workers_sell_for_the_treasury_unless_they_say_otherwise(client, db):
    client.keep_offers("w1", 1)

    [ask] = compute_auction.get_order_book(db=db)["asks"]
    assert ask["provider_id"] == "system:treasury"


def test_a_late_result_is_refused_by_name(client, db):
    client.keep_offers("w1", 1)
    sell(db, "t1")
    held = client.lease_next("w1")
    late = db.now() + timedelta(seconds=60)
    sweeper.sweep(late, db=db)

    with pytest.raises(LeaseLost) as refused:
        client.finish(held, succeeded=True, usage=USAGE)
    with pytest.raises(WorkerLost):
        client.check_in("w1", [held.fence])

    assert (refused.value.status, refused.value.fence) == ("expired", held.fence)
    assert datetime.fromisoformat(refused.value.ended_at) == late


def test_a_slot_is_leased_and_renewed_under_its_own_address(client, db, address):
    client.keep_offers("w1", 1)
    [slot_id] = sell(db, "t1")
    slots = f"{address}/api/compute-auction/slots"
    workers.register_worker("bobs", "worker:bob", provider_id="worker:bob", db=db)
    with httpx2.Client(headers=operator(db)) as market:
        assert market.post(f"{slots}/{slot_id}/lease", json={"worker_id": "bobs"}).status_code == 403
        held = market.post(f"{slots}/{slot_id}/lease", json={"worker_id": "w1"}).json()
        beat = market.post(f"{slots}/{slot_id}/heartbeat", json={"fence": held["fence"]})
        other = market.post(f"{slots}/slot-other/heartbeat", json={"fence": held["fence"]})
        told = market.get(f"{slots}/{slot_id}/timeline").json()
        live = market.get(f"{address}/api/leases").json()
        known = market.get(f"{address}/api/workers").json()
        state = market.get(f"{address}/api/leases/{held['fence']}").json()

    assert beat.json()["heartbeats"] == 1
    assert (other.status_code, other.json()["type"]) == (409, "urn:scidex:problem:fence-mismatch")
    assert [step["event"] for step in told] == ["offered", "won", "leased", "last heartbeat"]
    assert [one["fence"] for one in live] == [held["fence"]]
    assert {one["worker_id"] for one in known} == {"w1", "bobs"}
    assert state["run_id"] == slot_id


# --- waiting for a round


def test_all_who_wait_hear_of_a_round_that_clears(client, db, address):
    open_round = compute_auction.get_pool("scidex-agent", db=db).open_round_id
    assert client.wait_for_round("scidex-agent", open_round, 0.0) == open_round
    heard: list[int] = []
    # More than the server has threads for requests.
    crowd = [
        threading.Thread(target=lambda: heard.append(client.wait_for_round("scidex-agent", open_round, 15.0)))
        for _ in range(60)
    ]
    for one in crowd:
        one.start()
    time.sleep(0.2)
    assert (
        httpx2.get(f"{address}/api/workers", headers=operator(db)).status_code == 200
    )  # nobody is kept waiting by them
    client.keep_offers("w1", 1)
    sell(db, "t1")
    for one in crowd:
        one.join(30)

    assert set(heard) == {compute_auction.get_pool("scidex-agent", db=db).open_round_id}
    assert len(heard) == 60


def test_waiting_for_a_pool_that_is_not_there_is_refused(client):
    with pytest.raises(ScidexError, match="No pool"):
        client.wait_for_round("nowhere", 0, 1.0)


# --- when there is no market behind the address


def test_a_server_that_is_gone_is_unreachable():
    with Client("http://127.0.0.1:9", deadline_seconds=2.0) as nobody, pytest.raises(MarketUnreachable):
        nobody.lease_next("w1")


def test_an_answer_that_is_no_markets_is_unreachable(address, db):
    with (
        Client(f"{address}/docs", key_for(db, "worker:ada", "work"), deadline_seconds=2.0) as lost,
        pytest.raises((MarketUnreachable, MarketRefused)),
    ):
        lost.lease_next("w1")


# --- an agent at work against a server


@pytest.mark.parametrize("far", [False, True], ids=["embedded", "over HTTP"])
def test_an_agent_works_alike_on_a_database_and_against_a_server(db, address, tmp_path, far):
    reports: list[Report] = []
    with Client(address, key_for(db, "worker:ada", "work")) as client:
        market: Market = client if far else EmbeddedMarket(db)
        agent = Agent(
            "worker:ada",
            AgentWork(command_of_task, tmp_path / "runs"),
            market=market,
            seats=2,
            offers=Offers(reserve_price_tokens=10),
            poll_seconds=0.05,
            on_report=reports.append,
        )
        stop = threading.Event()
        thread = threading.Thread(target=agent.run, args=(stop,))
        thread.start()
        ends = time.monotonic() + 30
        while len(reports) < 2 and time.monotonic() < ends:
            if len(compute_auction.get_order_book(db=db)["asks"]) == 2:
                sell(db, "t1", "t2")
            stop.wait(0.05)
        stop.set()
        thread.join(30)

    assert sorted(report.assignment.task_id for report in reports) == ["t1", "t2"]
    assert {task.status for task in backlog.list_tasks(db=db)} == {"done"}
    assert compute_auction.get_order_book(db=db)["asks"] == []
    assert [one.status for one in workers.list_workers(ended_too=True, db=db)] == ["stopped"]
    assert {one.status for one in leases.list_leases(ended_too=True, db=db)} == {"finished"}


# --- fence numbers


def test_a_fence_number_is_told_to_its_holder_and_to_nobody_else(client, db, address, caplog):
    """The quest's owner bought the slot and sees its run; the number by which the run is ended it does not see."""
    client.keep_offers("w1", 1)
    [slot_id] = sell(db, "t1")
    fence = client.lease_next("w1").fence
    client.note_step(fence, "started")
    settle = f"{address}/api/compute-auction/slots/{slot_id}/settle"
    guess = {"actual_cost_tokens": 1, "fence": fence ^ 1}
    told = []
    for account, scope in (("quest:q", "read"), ("worker:bob", "work"), ("worker:ada", "work")):
        with httpx2.Client(base_url=address, headers=headers_for(db, account, scope)) as asker:
            paths = (
                f"/api/compute-auction/slots/{slot_id}/timeline",
                f"/api/runs/{slot_id}/usage",
                f"/api/runs/{slot_id}/output",
                "/api/workers/w1/leases" if account != "worker:ada" else "/api/whoami",
                "/api/leases",
                "/api/workers",
                "/resources?tab=fleet",
                "/metrics",
            )
            told += [asker.get(path).text for path in paths]
            told.append(asker.post(settle, json=guess, headers={"Idempotency-Key": "k"}).text)
            if account != "worker:ada":
                refused = [
                    asker.post(f"/api/leases/{fence}/give-back", json={"reason": "mine"}),
                    asker.post(f"/api/leases/{fence}/finish", json={"succeeded": True, "actual_cost_tokens": 1}),
                    asker.post(f"/api/leases/{fence}/step", json={"step": "exited"}),
                    asker.get(f"/api/leases/{fence}"),
                ]
                assert {one.status_code for one in refused} <= {403, 404}
    with httpx2.stream("GET", f"{address}/api/events?after=0", headers=operator(db), timeout=5) as events:
        for line in events.iter_lines():
            told.append(line)
            if "lease_next" in line:
                break

    assert str(fence) not in "\n".join(told)
    assert "fence-mismatch" in "\n".join(told)
    assert str(fence) not in caplog.text


# --- the page


def test_the_fleet_tab_shows_workers_and_the_story_of_each_run_as_text(client, db, address):
    client.keep_offers("w1", 1, reserve_price_tokens=10)
    sell(db, "t1")
    held = client.lease_next("w1")
    client.note_step(held.fence, "exited", MARKUP)
    client.finish(held, succeeded=True, usage=USAGE)

    page = httpx2.get(f"{address}/resources", params={"tab": "fleet"}, headers=operator(db)).text

    assert MARKUP not in page
    assert "&lt;img src=x" in page
    for word in ("w1", "leased", "exited", "settled"):
        assert word in page
    assert str(held.fence) not in page

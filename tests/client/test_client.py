"""The client over a real connection: the exchange's verbs and answers, its refusals, and retries that act once."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime

import httpx2
import pytest

import scidex
from scidex import errors, keyring
from scidex.client import Client
from scidex.clock import utc_now
from scidex.exchange import backlog, compute_auction, cycle, ev_scorer, keys, token_ledger
from scidex.store import Database
from scidex.store.db_writes import read_journal
from scidex.web import operator_key
from scidex.web.serving import running_server
from tests.databases import assert_books_are_right, assert_journal_tells_all
from tests.web.doors import key_for


@pytest.fixture
def address(db: Database) -> Iterator[str]:
    """Where a market is served in which ada has 1,000 tokens."""
    token_ledger.create_account("ada", db=db)
    token_ledger.mint("ada", 1_000, db=db)
    with running_server(db) as served:
        yield served


@pytest.fixture
def ada(address, db) -> Iterator[Client]:
    """Ada's client."""
    with Client(address, key_for(db, "ada", "bid", "work")) as client:
        yield client


@pytest.fixture
def operator(address, db) -> Iterator[Client]:
    """The operator's client."""
    with Client(address, key_for(db, "system:treasury", "admin")) as client:
        yield client


def test_a_round_from_bid_to_attestation(ada, operator, address, db):
    operator.create_account("judge", kind="evaluator")
    operator.offer_slots(1)
    won = ada.place_bid(None, "a", max_price_tokens=90)
    lost = ada.place_bid("ada", "b", 10)

    cleared = operator.clear_round()

    assert ada.wait_for(won.id, seconds=30).status == "won"
    assert ada.wait_for(lost.id, seconds=30).status == "lost"
    assert ada.explain(lost.id) == compute_auction.explain(lost.id, db=db)
    [slot] = ada.list_won_slots()
    assert operator.settle(slot.slot_id, 2_000).status == "settled"
    with Client(address, key_for(db, "judge", "attest")) as judge:
        assert judge.attest(slot.slot_id, 3.0).roi == 1.5
    assert operator.get_round(cleared.round_id) == compute_auction.get_round(cleared.round_id, db=db)
    assert operator.list_clears() == compute_auction.list_clears(db=db)
    assert ada.get_balance("ada") == token_ledger.get_balance("ada", db=db)
    assert_books_are_right(db)
    assert_journal_tells_all(db)


def test_a_bidder_checks_a_round_and_its_lottery_declares_and_sees_its_income(ada, operator, address, db):
    compute_auction.configure_pool("scidex-agent", "recommended", declared_allowance=True, db=db)
    operator.offer_slots(1, token_allowance=1_000)
    commitment = ada.get_pool().seed_commitment
    ada.place_bid(None, "a", max_price_tokens=90)
    round_id = operator.clear_round().round_id

    assert ada.recompute(round_id) == compute_auction.recompute(round_id, db=db)
    lottery = ada.check_lottery(round_id, commitment)
    assert (lottery, lottery.kept) == (compute_auction.check_lottery(round_id, commitment, db=db), True)
    [slot] = ada.list_won_slots()
    assert ada.declare_allowance(slot.slot_id, 700).declared_tokens == 700
    token_ledger.create_account("bob", db=db)
    with Client(address, key_for(db, "bob", "bid")) as bob, pytest.raises(errors.UnknownSlot):
        bob.declare_allowance(slot.slot_id, 1)
    backlog.add_quest("docs", account_id="ada", db=db)
    backlog.put_tasks([{"task_id": "t", "quest_id": "docs", "expected_value_usd": 3.0}], db=db)
    operator.run_cycle()
    assert ada.list_income("ada") == token_ledger.list_income("ada", db=db) != []


def test_answers_are_the_exchanges_own_records(ada, operator, db):
    operator.add_quest("docs", "Docs", priority=2)
    operator.put_tasks([{"task_id": "a", "quest_id": "docs", "expected_value_usd": 3.0}])
    operator.add_task("b", "docs", depends_on=["a"], payload={"command": ["true"]})

    assert operator.list_tasks() == backlog.list_tasks(db=db)
    assert operator.score_all() == ev_scorer.score_all(db=db)
    assert operator.list_pools() == compute_auction.list_pools(db=db)
    assert operator.list_quests() == backlog.list_quests(db=db)
    assert operator.cycle_status().pool == cycle.cycle_status(db=db).pool
    assert operator.list_wallets() == token_ledger.list_wallets(db=db)
    assert ada.get_transfers("ada") == token_ledger.get_transfers("ada", db=db)
    assert ada.quote(0.5) == compute_auction.quote(0.5, db=db)
    assert ada.whoami().account_id == "ada"
    assert [key.key_id for key in operator.list_keys()] == [key.key_id for key in keys.list_keys(db=db)]


def test_waiting_for_a_bid_ends_with_the_round_that_decides_it(ada, operator):
    operator.offer_slots(1)
    bid = ada.place_bid(None, "a", 90)
    decided = []
    waiting = threading.Thread(target=lambda: decided.append(ada.wait_for(bid.id, seconds=60)))
    waiting.start()

    assert ada.wait_for(bid.id, seconds=0).status == "open"
    operator.clear_round()
    waiting.join()

    assert [one.status for one in decided] == ["won"]


def test_what_the_server_refuses_is_raised_as_what_it_is(ada, operator):
    with pytest.raises(errors.InsufficientTokens) as refused:
        ada.place_bid(None, "a", 5_000)
    assert (refused.value.available, refused.value.field) == (1_000, "max_price_tokens")
    with pytest.raises(errors.NotYourAccount):
        ada.place_bid("bob", "a", 5)
    with pytest.raises(errors.NotAllowed):
        ada.mint("ada", 5)
    with pytest.raises(errors.UnknownBid):
        ada.get_bid(77)
    with pytest.raises(errors.BidsRefused) as batch:
        ada.place_bids([{"task_id": "a", "max_price_tokens": 5}, {"task_id": "b", "max_price_tokens": 5, "pool": "x"}])
    assert type(batch.value.errors[1]) is errors.UnknownPool
    with pytest.raises(errors.InvalidArgument) as invalid:
        ada.quote(7)
    assert invalid.value.field == "probability"


def test_without_a_key_that_works_nothing_is_answered(address):
    for key in (None, "scidex_0_0", f"scidex_{'0' * 16}_{'0' * 64}"):
        with Client(address, key) as nobody, pytest.raises(errors.NotAuthenticated):
            nobody.list_pools()


# --- once, whatever happens on the way


class LosesAnswers(httpx2.BaseTransport):
    """Sends requests on, and loses the first answers."""

    def __init__(self, real: httpx2.BaseTransport, losses: int, *, before_sending: bool) -> None:
        self.real, self.losses, self.before_sending = real, losses, before_sending
        self.lost = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        if self.lost >= self.losses:
            return self.real.handle_request(request)
        self.lost += 1
        if not self.before_sending:
            answer = self.real.handle_request(request)
            answer.read()
            answer.close()
        raise httpx2.ReadError("the answer was lost")

    def close(self) -> None:
        self.real.close()


def lossy(client: Client, losses: int, *, before_sending: bool = False) -> LosesAnswers:
    transport = LosesAnswers(client._market._http._transport, losses, before_sending=before_sending)
    client._market._http._transport = transport
    return transport


@pytest.mark.parametrize("before_sending", [True, False])
def test_a_write_whose_answer_was_lost_is_done_once(ada, db, before_sending):
    transport = lossy(ada, 2, before_sending=before_sending)

    moved = ada.transfer("ada", "system:treasury", 5)

    assert transport.lost == 2
    assert moved == token_ledger.get_transfers("ada", db=db)[0]
    assert token_ledger.get_balance("ada", db=db).balance == 995


def test_bids_whose_answer_was_lost_are_placed_once(ada, db):
    lossy(ada, 1)

    bids = ada.place_bids([{"task_id": f"t{n}", "max_price_tokens": 5} for n in range(3)])

    assert [bid.id for bid in bids] == [bid.id for bid in compute_auction.list_open_bids("ada", db=db)]
    assert sum(entry.verb == "place_bids" for entry in read_journal(db)) == 1


def test_a_key_that_was_made_is_not_told_twice(operator, db):
    lossy(operator, 1)

    made = operator.create_key("ada", ["read"])

    assert made.text is None
    assert keys.get_key(made.key.key_id, db=db).account_id == "ada"
    assert len([entry for entry in read_journal(db) if entry.verb == "create_key"]) == 2  # and the operator's own


def test_no_answer_before_the_deadline_is_told(db):
    with Client("http://127.0.0.1:9", "k", deadline_seconds=0.3) as client:
        began = time.monotonic()
        with pytest.raises(errors.MarketUnreachable):
            client.transfer("ada", "bob", 5)
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("url", ["", "ftp://127.0.0.1", "http://["])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(errors.ScidexError), Client(url, "k", deadline_seconds=0.1) as client:
        client.list_pools()


class Answers:
    """A server that answers as it is told, one answer after the other, and the pauses that a client makes meanwhile."""

    def __init__(self, monkeypatch, *answers: tuple[int, dict[str, str]]) -> None:
        self.pauses: list[float] = []
        self._answers = iter(answers)
        monkeypatch.setattr("scidex.client.connection.time.sleep", self.pauses.append)

    def asked(self, deadline_seconds: float = 30.0) -> object:
        """Return what a client gets that asks for the pools."""
        with Client("http://127.0.0.1:9", "k", deadline_seconds=deadline_seconds) as client:
            client._market._http._transport = httpx2.MockTransport(self._answer)
            return client.list_pools()

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        status, headers = next(self._answers)
        return httpx2.Response(status, headers=headers, json=[] if status == 200 else {"detail": "busy"})


@pytest.mark.parametrize("status", [429, 503])
def test_a_client_waits_as_long_as_the_server_asks(status, monkeypatch):
    server = Answers(monkeypatch, (status, {"Retry-After": "7"}), (status, {}), (200, {}))

    assert server.asked() == []

    assert server.pauses[0] == 7
    assert server.pauses[1] < 1


def test_a_client_waits_until_the_instant_that_the_server_names(monkeypatch):
    later = format_datetime(utc_now() + timedelta(seconds=9), usegmt=True)
    server = Answers(monkeypatch, (503, {"Retry-After": later}), (200, {}))

    assert server.asked() == []
    assert 5 < server.pauses[0] <= 9


def test_a_client_that_may_not_wait_so_long_says_so_at_once(monkeypatch):
    server = Answers(monkeypatch, (503, {"Retry-After": "31"}))

    with pytest.raises(errors.MarketRefused):
        server.asked(deadline_seconds=30)
    assert server.pauses == []


@pytest.mark.parametrize("asked", ["", "soon", "-5", "Wed, 32 Foo", "1.5", "Wed, 21 Oct 2037 07:28:00 -0000"])
def test_a_wait_that_cannot_be_read_is_the_clients_own(asked, monkeypatch):
    server = Answers(monkeypatch, (503, {"Retry-After": asked}), (200, {}))

    assert server.asked() == []
    assert 0 < server.pauses[0] <= 0.1


def test_clients_that_were_turned_away_together_come_back_apart(monkeypatch):
    firsts = set()
    for _ in range(20):
        server = Answers(monkeypatch, *[(503, {})] * 3, (200, {}))
        server.asked()
        firsts.add(server.pauses[0])
        assert all(0.5 * most <= pause <= most for most, pause in zip((0.1, 0.2, 0.4), server.pauses, strict=True))
    assert len(firsts) > 10


# --- the operator's key, and events


def test_a_market_that_this_user_serves_needs_no_key_by_hand(address, db):
    keyring.announce(address, operator_key.operator_key(db))

    with scidex.Client(address) as client:
        assert client.whoami().is_operator


def test_events_are_heard_in_order_and_go_on_behind_the_last(ada, operator):
    operator.offer_slots(1)
    heard = operator.events(after=0)
    first = [next(heard) for _ in range(3)]
    heard.close()

    ada.place_bid(None, "a", 5)
    again = operator.events(after=first[-1]["entry_id"])
    verbs = []
    for event in again:
        verbs.append(event["verb"])
        if event["verb"] == "place_bids":
            break

    assert [event["entry_id"] for event in first] == [1, 2, 3]
    assert "offer_slots" in verbs
    assert verbs[-1] == "place_bids"


# --- the same verbs


def test_the_clients_verbs_take_what_the_exchanges_own_take():
    own = {"now", "db", "strategy"}
    different = {}
    for module in (compute_auction, token_ledger, backlog, cycle, keys, ev_scorer):
        for name, verb in inspect.getmembers(module, inspect.isfunction):
            theirs = getattr(Client, name, None)
            if theirs is None or verb.__module__ != module.__name__:
                continue
            mine = set(inspect.signature(verb).parameters) - own
            given = set(inspect.signature(theirs).parameters) - {"self", "idempotency_key"}
            if "terms" not in given and mine - {"idempotency_key", "reason"} - given:
                different[name] = mine - given
    assert different == {}


def test_the_client_offers_what_its_users_need():
    wanted = "place_bid place_bids cancel_bid get_bid explain quote wait_for get_order_book offer_slots settle attest"
    assert set(wanted.split()) <= set(dir(Client))

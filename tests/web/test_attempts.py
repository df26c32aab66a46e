"""What is refused is kept: who asked for what when, by which key, and why not; and never a secret or a body."""

from __future__ import annotations

import json
import threading

import httpx2
import pytest

from scidex.clock import utc_now
from scidex.errors import DatabaseBusy
from scidex.exchange import attempts, auditing, keys, sealing, token_ledger
from scidex.records import RefusedAttempt
from scidex.store import Database
from scidex.store.db_writes import read_journal
from scidex.web import attempts as web_attempts
from scidex.web.attempts import BURST, PER_SECOND, Attempts, is_noted
from scidex.web.serving import running_server
from tests.databases import assert_journal_tells_all, contents, query
from tests.web.doors import headers_for, key_for, operator

BIDS = "/api/compute-auction/bids"
SECRET = "b" * 64
NOBODYS = f"scidex_{'a' * 16}_{SECRET}"


@pytest.fixture
def market(db: Database) -> Database:
    for name in ("ada", "bob"):
        token_ledger.create_account(name, db=db)
        token_ledger.mint(name, 10, db=db)
    return db


def told(db: Database) -> list[RefusedAttempt]:
    """Everything that was noted, in the order in which it was."""
    return list(reversed(attempts.list_refusals(limit=1_000, db=db)))


def facts(one: RefusedAttempt) -> tuple[object, ...]:
    return one.account_id, one.method, one.route, one.status, one.error


def test_each_kind_of_refusal_is_kept_with_who_asked_for_what(market, monkeypatch):
    bidder = keys.create_key("ada", ["bid"], db=market)
    ended = keys.create_key("ada", ["bid"], db=market)
    keys.revoke_key(ended.key.key_id, db=market)
    mine = {"Authorization": f"Bearer {bidder.text}", "Idempotency-Key": "k"}
    bid = {"task_id": "t", "max_price_tokens": 5}
    with running_server(market) as address, httpx2.Client(base_url=address) as client:
        asked = [
            client.get("/api/whoami"),
            client.get("/api/whoami", headers={"Authorization": f"Bearer {NOBODYS}"}),
            client.get("/api/wallets/ada", headers={"Authorization": f"Bearer {ended.text}"}),
            client.get("/api/keys", headers=mine | {"Host": "elsewhere.example"}),
            client.get("/api/keys", headers=mine | {"Origin": "http://elsewhere.example"}),
            client.post("/api/wallets/ada/mint", json={"amount_tokens": 5}, headers=mine),
            client.post(BIDS, json=bid | {"bidder_id": "bob"}, headers=mine),
            client.post(BIDS, json=bid | {"max_price_tokens": 11}, headers=mine),
            client.post(BIDS, json=bid | {"max_price_tokens": -1}, headers=mine),
            client.post(BIDS, content=b'{"task_id": "the body"', headers=mine | {"Content-Type": "application/json"}),
            client.delete(f"{BIDS}/99", headers=mine),
            client.get(f"{BIDS}/99", headers=mine),  # nothing was asked for but to read what there is not
            client.get("/nothing", headers=mine),
            client.get("/api/whoami", headers=mine),
        ]

    assert [facts(one) for one in told(market)] == [
        (None, "GET", "/api/whoami", 401, "NotAuthenticated"),
        (None, "GET", "/api/whoami", 401, "NotAuthenticated"),
        (None, "GET", "/api/wallets/{account_id}", 401, "NotAuthenticated"),
        (None, "GET", "none", 421, "UnknownHost"),
        (None, "GET", "none", 403, "ForeignPage"),
        ("ada", "POST", "/api/wallets/{account_id}/mint", 403, "NotAllowed"),
        ("ada", "POST", BIDS, 403, "NotYourAccount"),
        ("ada", "POST", BIDS, 409, "InsufficientTokens"),
        ("ada", "POST", BIDS, 422, "InvalidArgument"),
        ("ada", "POST", BIDS, 400, "MalformedBody"),
        ("ada", "DELETE", f"{BIDS}/{{bid_id}}", 404, "UnknownBid"),
    ]
    noted = told(market)
    assert [one.key_id for one in noted[:3]] == [None, "a" * 16, ended.key.key_id]
    assert {one.key_id for one in noted[5:]} == {bidder.key.key_id}
    answered = [one.headers["x-request-id"] for one in asked if one.status_code >= 400]
    assert [one.request_id for one in noted] == answered[: len(noted)]
    assert {one.place for one in noted} == {"127.0.0.1"}
    assert all(one.attempts == 1 for one in noted)


def test_neither_secrets_nor_bodies_nor_ids_are_kept(market):
    good = key_for(market, "ada", "read")
    with running_server(market) as address, httpx2.Client(base_url=address) as client:
        for key in (good, NOBODYS, f"x{NOBODYS}", "Basic eve"):
            headers = {"Authorization": f"Bearer {key}"}
            client.get("/api/wallets/bob-the-secret", headers=headers)
            client.post(BIDS, json={"task_id": "the-body"}, headers=headers)
            client.get("/api/keys?after=the-query", headers=headers)

    written = repr(told(market)) + repr([one for one in read_journal(market) if one.verb == "note_refusals"])
    assert "POST" in written
    for secret in (SECRET, good.rpartition("_")[2], "bob-the-secret", "the-body", "the-query", "eve"):
        assert secret not in written


def test_what_is_refused_is_journaled_sealed_and_replayed(market):
    with running_server(market) as address:
        for _ in range(3):
            httpx2.get(f"{address}/api/whoami")
    sealing.seal_journal(db=market)

    assert len(told(market)) == 3
    assert_journal_tells_all(market)
    assert auditing.audit(db=market).ok


def test_a_refusal_is_written_down_within_moments_while_the_server_runs(market):
    with running_server(market) as address:
        httpx2.get(f"{address}/api/whoami")
        for _ in range(600):
            if told(market):
                break
            threading.Event().wait(0.05)
        assert len(told(market)) == 1


def test_what_waits_when_a_server_stops_is_written_down(market, monkeypatch):
    monkeypatch.setattr(web_attempts, "_FLUSH_SECONDS", 3_600.0)
    with running_server(market) as address:
        httpx2.get(f"{address}/api/whoami")
        assert told(market) == []

    assert len(told(market)) == 1


def test_much_at_once_is_written_down_before_its_time(market, monkeypatch):
    monkeypatch.setattr(web_attempts, "_FLUSH_SECONDS", 3_600.0)
    monkeypatch.setattr(web_attempts, "MOST_AT_ONCE", 6)
    with running_server(market) as address:
        for _ in range(3):
            httpx2.get(f"{address}/api/whoami")
        for _ in range(600):
            if told(market):
                break
            threading.Event().wait(0.05)
        assert len(told(market)) == 3


def test_what_succeeds_leaves_no_note(market):
    with running_server(market) as address, httpx2.Client(base_url=address, headers=operator(market)) as client:
        before = contents(market)["refused_attempts"]
        for path in ("/api/whoami", "/api/wallets", "/healthz"):
            assert client.get(path).status_code == 200

    assert contents(market)["refused_attempts"] == before == []
    assert "note_refusals" not in {entry.verb for entry in read_journal(market)}


def test_so_many_are_kept_one_by_one_and_the_rest_is_counted(market):
    """Whoever has no key fills one bucket together, and nobody else's."""
    asked = BURST + 50
    with running_server(market) as address, httpx2.Client(base_url=address) as client:
        mine = headers_for(market, "ada", "read")
        assert client.get("/api/whoami", headers=mine).status_code == 200  # known, so that strangers do not keep it out
        for _ in range(asked):
            assert client.get("/api/whoami").status_code in (401, 429)
        assert client.get("/api/workers", headers=mine).status_code == 403

    noted = told(market)
    kept = [one for one in noted if one.error != "NotKept"]
    assert sum(one.attempts for one in noted) == asked + 1
    assert BURST <= len(kept) - 1 < asked
    assert [one for one in kept if one.account_id == "ada"]
    assert {one.error for one in noted} >= {"NotAuthenticated", "NotKept"}


def scope_of(place: str = "203.0.113.7") -> dict[str, object]:
    return {"method": "GET", "client": (place, 1), "state": {}}


def test_what_could_not_be_written_is_written_later(market, monkeypatch):
    gathered = Attempts(market)
    gathered.note(scope_of(), 401, "NotAuthenticated")
    with monkeypatch.context() as broken:
        broken.setattr(type(market), "write", lambda *_: (_ for _ in ()).throw(DatabaseBusy(fact="busy")))
        gathered.flush()
    assert told(market) == []
    gathered.flush()
    gathered.flush()

    assert [one.error for one in told(market)] == ["NotAuthenticated"]


def test_what_waits_to_be_written_is_bounded(market, monkeypatch):
    gathered = Attempts(market)
    for number in range(3_000):
        who = type("Who", (), {"account_id": f"a{number}", "key_id": f"{number:016x}"})
        gathered.note({**scope_of(), "state": {"who": who}}, 403, "NotAllowed")
    for _ in range(2):
        gathered.flush()

    assert sum(one.error == "NotAllowed" for one in told(market)) == 999
    assert sum(one.attempts for one in told(market)) == 2_999
    assert len(query(market, "SELECT 1 FROM refused_attempts")) == 1_001


def test_a_method_that_there_is_not_is_not_kept_as_it_was_sent(market):
    gathered = Attempts(market)
    gathered.note({**scope_of(), "method": "X" * 9_000}, 401, "NotAuthenticated")
    gathered.flush()

    assert [one.method for one in told(market)] == ["other"]


@pytest.mark.parametrize(
    ("status", "where", "kept"),
    [
        (200, "money", False),
        *((status, "read", True) for status in (401, 403, 421, 429)),
        (404, "read", False),
        *((status, "write", status == 404) for status in (404, 409, 422)),
        *((status, "money", True) for status in (400, 404, 409, 422)),
        (500, "money", False),
    ],
)
def test_who_is_turned_away_is_kept_and_all_that_is_refused_where_tokens_move(status, where, kept):
    assert is_noted(status, moves_tokens=where == "money", writes=where != "read") is kept


def test_the_bound_is_told_where_it_is_documented():
    assert (BURST, PER_SECOND) == (200, 2)


def test_operators_list_what_was_refused(market, cli_of):
    attempts.note_refusals(
        [attempt(error="NotAuthenticated"), attempt(error="NotAllowed", account_id="ada")], db=market
    )
    code, out = cli_of(market, "audit", "--refusals", "--json", "--limit", "1")

    assert code == 0
    assert [(one["error"], one["account_id"]) for one in json.loads(out)] == [("NotAllowed", "ada")]
    assert "NotAllowed" in cli_of(market, "audit", "--refusals")[1]
    # What does not fit goes on in the next line.
    assert "…" not in cli_of(market, "audit", "--refusals", COLUMNS="60")[1]


def attempt(**facts: object) -> dict[str, object]:
    texts = {"method": "GET", "route": "/", "error": "", "request_id": "", "place": ""}
    names = {"account_id": None, "key_id": None}
    return {"refused_at": utc_now(), "status": 401, "attempts": 1, **texts, **names, **facts}


@pytest.fixture
def cli_of():
    """Run a command on a market, and return its exit code and what it printed."""
    from tests.cli.running import scidex

    def run(db: Database, *words: str, **environment: str) -> tuple[int, str]:
        code, out, _ = scidex(*words, "--db", db.url, **environment)
        return code, out

    return run

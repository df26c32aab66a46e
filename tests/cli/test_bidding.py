"""Bidding, offering and clearing from the command line, on a database and against a server."""

from __future__ import annotations

import json

import pytest

from scidex.exchange import backlog, compute_auction, token_ledger
from scidex.store import connect
from scidex.web.serving import running_server
from tests.databases import assert_books_are_right
from tests.web.doors import key_for


@pytest.fixture(params=["database", "server"])
def at(request, market_url, monkeypatch):
    """The options that lead to the market of `cli`, each way in turn."""
    if request.param == "database":
        yield ["--db", market_url]
        return
    with connect(market_url) as db, running_server(db) as address:
        monkeypatch.setenv("SCIDEX_KEY", key_for(db, "system:treasury", "admin"))
        yield ["--url", address]


@pytest.fixture
def adas(at, market_url, monkeypatch):
    """The same for ada, who bids for herself: an operator's key may not."""
    with connect(market_url) as db:
        monkeypatch.setenv("SCIDEX_KEY", key_for(db, "agent:ada", "bid"))
    return at


def test_a_bid_is_placed_amended_and_cancelled(cli, adas):
    code, out, _ = cli(
        "bid", "task-2", "400", "--as", "agent:ada", "--value-usd", "2.5", "--ttl", "2h", "--rest", *adas
    )
    placed = json.loads(cli("bid", "task-2", "500", "--as", "agent:ada", "--rest", *adas, "--json")[1])

    assert (code, out) == (0, "bid 2: 400 tokens for task-2, by agent:ada\n")
    assert (placed["id"], placed["max_price_tokens"], placed["time_in_force"]) == (2, 500, "gtt")
    assert json.loads(cli("wallet", "agent:ada", *adas, "--json")[1])["held"] == 600  # two slots at 300
    assert cli("cancel", "2", *adas)[:2] == (0, "bid 2 is cancelled\n")
    assert json.loads(cli("wallet", "agent:ada", *adas, "--json")[1])["held"] == 300
    assert cli("cancel", "2", *adas)[0] == 1


def test_a_bid_with_one_idempotency_key_is_placed_once(cli, adas):
    words = ("bid", "task-2", "40", "--as", "agent:ada", "--ttl", "2100-01-01T00:00:00Z", "--idempotency-key", "once")

    first, again = cli(*words, *adas), cli(*words, *adas)

    assert first == again
    assert first[0] == 0


def test_a_dry_run_says_what_a_round_would_do_and_does_nothing(cli, at):
    dry = cli("clear", "--dry-run", *at)
    book = json.loads(cli("book", *at, "--json")[1])
    done = cli("clear", *at)

    assert dry[1].startswith("a round now would sell 1 of 1 slots to 1 bids, at 0 tokens each\n")
    assert [bid["status"] for bid in book["bids"]] == ["open"]
    assert done[1].startswith("round 1 sold 1 of 1 slots to 1 bids, at 0 tokens each\n")
    assert cli("clear", *at)[1].startswith("No slot of pool scidex-agent is on offer now")


def test_a_cleared_round_is_told_whole_to_programs(cli, at, market_url):
    cleared = json.loads(cli("clear", *at, "--json")[1])

    assert [(sale["slot_id"], sale["winning_task_id"]) for sale in cleared["clears"]] == [("slot-1", "task-1")]
    with connect(market_url) as db:
        assert cleared["digest"] == compute_auction.get_round(1, db=db).digest
        assert_books_are_right(db)


def test_slots_are_offered_for_an_account_and_a_time(cli, at):
    words = ("--reserve", "50", "--as", "agent:ada", "--available", "1h", "--expires", "2h", "--allowance", "9", *at)
    offered = json.loads(cli("slots", "offer", "2", *words, "--json")[1])

    assert [(ask["provider_id"], ask["reserve_price_tokens"]) for ask in offered] == [("agent:ada", 50)] * 2
    assert offered[0]["token_allowance"] == 9
    assert "system:treasury" in cli("slots", "offer", *at)[1]


def test_a_quest_and_its_tasks_are_added(cli, at, market_url):
    assert cli("quest", "add", "tests", "--title", "Tests", "--priority", "3", *at)[0] == 0
    task = ("--value-usd", "2", "--cost", "70", "--payload", '{"command": ["true"]}', "--deadline", "3d")
    assert cli("task", "add", "cover", "tests", "--depends-on", "write", *task, *at)[0] == 0

    with connect(market_url) as db:
        assert backlog.get_quest("tests", db=db).priority == 3
        added = backlog.get_task("cover", db=db)
    assert (added.status, added.expected_value_usd, added.payload) == ("blocked", 2.0, {"command": ["true"]})
    assert "cover" in cli("task", "list", *at)[1]
    assert "tests" in cli("quest", "list", *at)[1]
    assert cli("task", "add", "cover", "tests", *at)[0] == 1


def test_what_is_read_is_the_same_from_a_server(cli, market_url):
    with connect(market_url) as db, running_server(db) as address:
        key = key_for(db, "system:treasury", "admin")
        for words in (["book"], ["wallet", "agent:ada"], ["task", "list"], ["quest", "list"]):
            embedded, served = (cli(*words, "--json", *at) for at in ([], ["--url", address, "--key", key]))
            assert json.loads(embedded[1]) == json.loads(served[1])


def test_a_key_bids_for_its_own_account_unless_told(cli, market_url):
    with connect(market_url) as db, running_server(db) as address:
        own = key_for(db, "agent:ada", "bid")
        placed = json.loads(cli("bid", "task-2", "10", "--url", address, "--key", own, "--json")[1])

    assert placed["bidder_id"] == "agent:ada"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("bid", "t", "5"), "--as"),
        (("bid", "t", "5", "--as", "agent:ada", "--ttl", "soon"), "--ttl"),
        (("bid", "t", "five", "--as", "agent:ada"), "TOKENS"),
        (("slots", "offer", "--expires", "²h"), "--expires"),
        (("task", "add", "t", "docs", "--payload", "{"), "--payload"),
        (("book", "--db", "sqlite:///:memory:", "--url", "http://127.0.0.1:1"), "--url"),
    ],
)
def test_a_wrong_word_is_told_with_its_option(cli, words, complaint):
    code, out, error = cli(*words)

    assert (code, out) == (2, "")
    assert complaint in error


def test_what_the_market_refuses_is_refused_and_changes_nothing(cli, market_url):
    assert cli("bid", "t", "5000", "--as", "agent:ada")[0] == 1
    assert cli("bid", "t", "-5", "--as", "agent:ada")[0] == 2
    assert cli("slots", "offer", "0")[0] == 2
    assert cli("task", "add", "t", "nowhere")[0] == 1
    with connect(market_url) as db:
        assert token_ledger.get_balance("agent:ada", db=db).held == 300
        assert len(compute_auction.get_order_book(db=db)["asks"]) == 1


def test_keys_are_made_listed_rotated_and_revoked_by_an_operator(cli, at):
    made = json.loads(cli("key", "create", "--account", "agent:ada", "--scope", "bid", *at, "--json")[1])
    rotated = json.loads(cli("key", "rotate", made["key_id"], *at, "--json")[1])
    revoked = cli("key", "revoke", rotated["key_id"], *at)
    listed = json.loads(cli("key", "list", "--account", "agent:ada", *at, "--json")[1])

    assert rotated["key"] != made["key"]
    assert revoked[0] == 0
    assert {one["key_id"]: one["revoked_at"] is not None for one in listed} == {
        made["key_id"]: False,
        rotated["key_id"]: True,
    }


def test_a_quest_is_told_how_to_bid(cli, at):
    assert json.loads(cli("quest", "set", "docs", "--strategy", "fixed", *at, "--json")[1])[0]["strategy"] == "fixed"
    assert json.loads(cli("quest", "add", "q", "--strategy", "paced", *at, "--json")[1])[0]["strategy"] == "paced"
    assert cli("quest", "set", "docs", "--strategy", "snipe", *at)[0] == 2

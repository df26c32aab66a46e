"""What an operator does from the command line, on a database and against a server alike."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from scidex.exchange import backlog, compute_auction, token_ledger
from scidex.store import connect
from scidex.web.serving import running_server
from tests.cli.running import ROOT
from tests.databases import assert_books_are_right, assert_journal_tells_all
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
def asked(cli, at):
    """Ask the market for JSON, and return the answer."""

    def ask(*words: str):
        code, out, error = cli(*words, *at, "--json")
        assert (code, error) == (0, "")
        return json.loads(out)

    return ask


# --- accounts and tokens


def test_an_account_is_opened_funded_and_shown(asked, cli, at, market_url):
    asked("account", "create", "agent:bob", "--owner", "bob")
    asked("grant", "agent:bob", "500", "--reason", "start")
    asked("burn", "agent:bob", "20")

    shown = asked("account", "show", "agent:bob")[0]
    assert (shown["kind"], shown["owner_id"], shown["balance"], shown["available"]) == ("agent", "bob", 480, 480)
    assert [one["reason"] for one in asked("wallet", "agent:bob")["transfers"]] == ["burn", "start"]
    assert {"agent:ada", "agent:bob"} <= {one["account_id"] for one in asked("account", "list")}
    assert cli("burn", "agent:bob", "481", *at)[0] == 1
    with connect(market_url) as db:
        assert_books_are_right(db)
        assert_journal_tells_all(db)


def test_tokens_move_from_one_account_to_another(cli, market_url):
    code, out, _ = cli("transfer", "agent:ada", "quest:docs", "50", "--reason", "gift")

    assert (code, out.partition(": ")[2]) == (0, "50 tokens from agent:ada to quest:docs\n")
    with connect(market_url) as db:
        assert token_ledger.get_balance("quest:docs", db=db).balance == 50


def test_a_grant_that_is_repeated_with_its_key_is_made_once(asked, market_url):
    for _ in range(2):
        asked("grant", "agent:ada", "5", "--idempotency-key", "monday")

    with connect(market_url) as db:
        assert token_ledger.get_balance("agent:ada", db=db).balance == 1_005


def test_an_evaluator_is_added_and_attests(asked, market_url, cli):
    assert asked("evaluator", "add", "evaluator:ci")[0]["kind"] == "evaluator"
    with connect(market_url) as db:
        slot_id = compute_auction.clear_round(db=db).clears[0].slot_id
        compute_auction.settle(slot_id, 3, db=db)

    code, out, _ = cli("attest", slot_id, "--impact-usd", "2.5", "--as", "evaluator:ci")
    assert (code, "2.50 USD" in out) == (0, True)


# --- rounds, bids, sales


def test_rounds_clears_and_bids_are_read(asked, cli, at, market_url):
    with connect(market_url) as db:
        number = compute_auction.clear_round(db=db).round_id

    assert [one["round_id"] for one in asked("rounds")] == [number]
    assert asked("rounds", str(number))["clears"][0]["winning_task_id"] == "task-1"
    assert f"round {number} sold 1 of 1 slots" in cli("rounds", str(number), *at)[1]
    assert asked("clears")[0]["bidder_id"] == "agent:ada"
    assert [one["status"] for one in asked("bids", "--task", "task-1")] == ["won"]
    assert [one["id"] for one in asked("bids", "--round", str(number))] == [1]
    assert asked("bids", "--as", "agent:ada") == asked("bids", "--quest", "docs") == []


def test_bids_for_a_task_come_newest_first_and_in_pages(market_url):
    with connect(market_url) as db:
        compute_auction.create_pool("gpu", db=db)
        later = compute_auction.place_bid("agent:ada", "task-1", 5, pool="gpu", db=db).id

        assert [bid.id for bid in compute_auction.list_task_bids("task-1", db=db)] == [later, 1]
        assert [bid.id for bid in compute_auction.list_task_bids("task-1", limit=1, db=db)] == [later]
        assert [bid.id for bid in compute_auction.list_task_bids("task-1", before=later, db=db)] == [1]
        assert compute_auction.list_task_bids("nobody's", db=db) == []


def test_a_task_is_explained_by_its_latest_bid(asked, cli, at):
    assert asked("explain", "--task", "task-1") == asked("explain", "1")
    assert "No bid was placed for task write" in cli("explain", "--task", "write", *at)[1]
    assert cli("explain", *at)[0] == 2
    assert cli("explain", "1", "--task", "task-1", *at)[0] == 2


@pytest.mark.parametrize("printed", ["1", "bid 1", "#1", "0,001"])
def test_a_number_is_taken_as_it_was_printed(cli, printed):
    assert cli("explain", printed)[0] == 0


@pytest.mark.parametrize("wrong", ["one", "", "1.5", "-1", "9" * 19, "١"])
def test_what_is_not_a_number_is_refused(cli, wrong):
    assert cli("explain", "--", wrong)[0] == 2


def test_a_pool_is_paused_and_resumed(asked):
    assert asked("pause")["paused"] is True
    assert asked("resume")["paused"] is False


def test_a_sale_is_voided_and_its_tokens_are_back(asked, market_url):
    with connect(market_url) as db:
        slot_id = compute_auction.clear_round(db=db).clears[0].slot_id

    assert asked("void", slot_id, "--reason", "machine lost")["status"] == "voided"
    with connect(market_url) as db:
        assert token_ledger.get_balance("agent:ada", db=db).available == 1_000
        assert_books_are_right(db)


def test_a_slot_is_withdrawn(asked):
    assert asked("slots", "withdraw", "slot-1")["status"] == "withdrawn"


# --- tasks


def test_a_task_is_held_opened_given_up_and_valued(asked, market_url):
    held = asked("task", "hold", "write", "--reason", "waits for legal")[0]
    assert (held["status"], held["status_reason"]) == ("held", "waits for legal")
    assert asked("task", "retry", "write")[0]["status"] == "open"
    assert asked("task", "value", "write", "25")[0]["expected_value_usd"] == 25
    assert asked("task", "show", "write")["expected_value_usd"] == 25
    assert asked("task", "cancel", "write")[0]["status"] == "failed"
    with connect(market_url) as db:
        task = backlog.get_task("write", db=db)
        assert (task.status, task.title) == ("failed", "[Write] it")


def test_a_task_is_shown_field_by_field(cli):
    code, out, _ = cli("task", "show", "write")

    assert code == 0
    assert "title\t[Write] it" in out
    assert "deadline_at" not in out


# --- reads make nothing


@pytest.mark.parametrize(
    "words",
    [
        ("wallet", "x"),
        ("book",),
        ("task", "add", "t", "q"),
        ("bid", "t", "5", "--as", "a"),
        ("agent", "run", "--", "true"),
        ("audit",),
        ("agent", "revisit", "--attester", "e", "--merged-usd", "1"),
    ],
    ids=" ".join,
)
def test_a_command_makes_no_database(cli, tmp_path, words):
    place = tmp_path / "typo.db"
    words = (
        (*words[: words.index("--")], "--db", f"sqlite:///{place}", *words[words.index("--") :])
        if ("--" in words)
        else (*words, "--db", f"sqlite:///{place}")
    )

    code, out, error = cli(*words)

    assert (code, out) == (3, "")
    assert "There is no market here." in error
    assert "scidex init" in error
    assert list(Path(tmp_path).glob("typo*")) == []


def test_an_empty_file_is_no_market(cli, tmp_path):
    place = tmp_path / "empty.db"
    place.touch()

    assert cli("book", "--db", f"sqlite:///{place}")[0] == 3
    assert place.stat().st_size == 0


def test_an_older_database_is_left_as_it_is(cli, market_url):
    with closing(sqlite3.connect(market_url.removeprefix("sqlite:///"))) as file, file:
        file.execute("DELETE FROM schema_migrations WHERE name = (SELECT max(name) FROM schema_migrations)")

    code, _, error = cli("book")

    assert code == 3
    assert "scidex db migrate" in error


# --- where a market is


def test_the_environment_names_a_server(cli, market_url, monkeypatch):
    with connect(market_url) as db, running_server(db) as address:
        monkeypatch.setenv("SCIDEX_URL", address)
        monkeypatch.setenv("SCIDEX_KEY", key_for(db, "agent:ada", "bid"))
        mine = json.loads(cli("bid", "more", "7", "--json")[1])
        by_database = cli("book", "--db", market_url)
        both = cli("book", "--db", market_url, "--url", address)

    assert mine["bidder_id"] == "agent:ada"
    assert by_database[0] == 0
    assert both[0] == 2


def test_settings_are_shown_with_their_origins(cli, monkeypatch):
    monkeypatch.setenv("SCIDEX_DATABASE_URL", "postgresql://market:hunter2@db/market")
    monkeypatch.setenv("SCIDEX_KEY", "scidex_secret")

    told = {one["setting"]: one for one in json.loads(cli("config", "show", "--json")[1])}

    assert told["database_url"] == {
        "setting": "database_url",
        "value": "postgresql://market:***@db/market",
        "origin": "SCIDEX_DATABASE_URL",
    }
    assert told["most_attempts"] == {"setting": "most_attempts", "value": 3, "origin": "default"}
    assert told["key"] == {"setting": "key", "value": "set", "origin": "SCIDEX_KEY"}


def test_an_agent_whose_program_is_not_there_takes_no_work(cli):
    code, out, error = cli("agent", "run", "--", "no-such-program-here")

    assert (code, out) == (2, "")
    assert "no-such-program-here" in error


def test_a_reader_that_has_enough_gets_no_traceback(market_url):
    line = f"{sys.executable} -m scidex task list --db {market_url} | true"
    # What is not written at once is written when the process ends, where an error is complained of in another way.
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    for environment in (buffered, {**buffered, "PYTHONUNBUFFERED": "1"}):
        ended = subprocess.run(
            ["bash", "-c", line], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert (ended.returncode, ended.stderr) == (0, "")


def test_a_pool_is_opened_and_a_missing_one_says_how(asked, cli, at):
    assert 'no pool "gpu"; open it with: scidex pool create' in cli("pool", "show", "gpu", *at)[2]
    assert asked("pool", "create", "gpu", "--profile", "brief")["profile"] == "brief"
    assert [one["pool"] for one in asked("pool", "list")] == ["gpu", "scidex-agent"]


def test_a_quest_is_shown_with_its_wallet(asked):
    assert (asked("quest", "show", "docs")[0]["available"], asked("quest", "show", "docs")[0]["priority"]) == (0, 1)

"""Workers from the command line: a relative program, a server instead of a database, and being told to stop twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scidex.exchange import backlog, compute_auction, leases, token_ledger
from scidex.store import Database, connect
from scidex.store.db_writes import read_journal
from scidex.web.serving import running_server
from tests.cli.running import ROOT, scidex
from tests.web.doors import key_for


@pytest.fixture
def market(tmp_path) -> Iterator[Database]:
    with connect(f"sqlite:///{tmp_path}/market.db") as db:
        compute_auction.ensure_schema(db=db)
        token_ledger.create_account("worker:ada", kind="worker", db=db)
        quest = backlog.add_quest("q", db=db)
        token_ledger.mint(quest.account_id, 1_000, db=db)
        backlog.add_task("t1", "q", "A task", expected_value_usd=1.0, db=db)
        yield db


@contextmanager
def agent(directory: Path, *words: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Run an agent from a directory; it is gone when the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "scidex", "agent", "run", "--as", "worker:ada", *words],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until(reached: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    ends = time.monotonic() + 60
    while not reached():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < ends
        time.sleep(0.05)


def sell(db: Database, process: subprocess.Popen[str]) -> None:
    """Let the quest win the agent's slot."""
    wait_until(lambda: bool(compute_auction.get_order_book(db=db)["asks"]), process)
    compute_auction.place_bid("quest:q", "t1", 100, db=db)
    assert compute_auction.clear_round(db=db).clears


def a_program(directory: Path, lines: str) -> str:
    """Write a program there, and return how it is named from there."""
    program = directory / "one-task"
    program.write_text(f"#!/bin/sh\n{lines}\n")
    program.chmod(0o755)
    return "./one-task"


def task_status(db: Database) -> str:
    return backlog.get_task("t1", db=db).status


def test_a_program_is_found_from_where_the_agent_was_started(market, tmp_path):
    program = a_program(tmp_path, "exit 0")
    with agent(tmp_path, "--db", market.url, "--", program) as process:
        sell(market, process)
        wait_until(lambda: task_status(market) == "done", process)
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=60)[1] == ""

    slot_id = leases.list_leases(ended_too=True, db=market)[0].run_id
    code, out, _ = scidex("timeline", slot_id, "--db", market.url, "--json")
    assert code == 0
    assert [step["event"] for step in json.loads(out)][:4] == ["offered", "won", "leased", "started"]
    code, out, _ = scidex("agent", "list", "--all", "--db", market.url, "--json")
    assert [one["status"] for one in json.loads(out)] == ["stopped"]
    assert json.loads(scidex("agent", "list", "--db", market.url, "--json")[1]) == []


def test_an_agent_works_against_a_server_with_a_key(market, tmp_path):
    program = a_program(tmp_path, "exit 0")
    with running_server(market) as address:
        key = key_for(market, "worker:ada", "work")
        with agent(tmp_path, "--url", address, "--", program, SCIDEX_KEY=key) as process:
            sell(market, process)
            wait_until(lambda: task_status(market) == "done", process)
            process.send_signal(signal.SIGTERM)
            assert (process.wait(60), process.communicate()[1]) == (0, "")

    assert compute_auction.get_order_book(db=market)["asks"] == []
    assert token_ledger.verify(market).ok


def test_a_second_signal_ends_runs_at_once_and_gives_them_back(market, tmp_path):
    program = a_program(tmp_path, f"touch {tmp_path}/begun; exec sleep 600")
    with agent(tmp_path, "--db", market.url, "--grace", "600", "--", program) as process:
        sell(market, process)
        wait_until((tmp_path / "begun").exists, process)
        process.send_signal(signal.SIGTERM)
        wait_until(lambda: not any(one.status == "alive" for one in workers_of(market)), process)
        assert process.poll() is None  # it waits for its run

        process.send_signal(signal.SIGTERM)

        assert process.wait(60) == 130
    assert task_status(market) == "open"
    assert token_ledger.get_balance("quest:q", db=market).held == 0
    assert token_ledger.verify(market).ok


def workers_of(db: Database) -> list:
    from scidex.exchange import workers

    return workers.list_workers(ended_too=True, db=db)


def test_a_sweep_of_a_market_in_which_nothing_died(market):
    entries = len(list(read_journal(market)))

    assert scidex("sweep", "--db", market.url) == (
        0,
        f"0 leases expired, 0 workers lost, 0 asks expired, 0 slots voided, {entries} entries sealed\n",
        "",
    )


def test_a_database_and_a_server_are_not_both_named(market):
    code, _, error = scidex("agent", "run", "--db", market.url, "--url", "http://127.0.0.1:1", "--", "true")

    assert code == 2
    assert "either --db or --url" in error

"""The demo as a newcomer starts it: real work gets done, the books are right, and it stops when told."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scidex import keyring
from scidex.exchange import backlog, token_ledger
from scidex.store import connect

ROOT = Path(__file__).parents[1]


def scidex(*words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "scidex", *words],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "120", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    try:
        out, error = process.communicate(timeout=120)
    finally:
        process.kill()
    return process.returncode, out, error


def last_line(out: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(out.splitlines()[-1])
    return facts


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, str]:
    """A demo that ran for some seconds and stopped by itself."""
    directory = str(tmp_path_factory.mktemp("demo"))
    options = ("--demo", "--port", "0", "--cycle-seconds", "0.5", "--directory", directory)
    return finished(scidex("up", *options, DEMO_SECONDS="10"))


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_the_demo_ends_by_itself_with_its_facts_on_the_last_line(ended):
    code, out, error = ended
    facts = last_line(out)

    assert (code, error) == (0, "")
    assert facts["rounds"] >= 5
    assert facts["slots_sold"] > 10
    assert facts["tasks_run"] > 10
    assert facts["tasks_failed"] == 0
    assert facts["last_price"] > 0
    assert facts["tokens_spent"] > 0
    assert facts["impact_usd"] > 0
    assert facts["books_verified"] is True


def test_what_the_demo_says_is_what_its_books_hold(ended):
    facts = last_line(ended[1])

    with connect(f"sqlite:///{facts['directory']}/market.db") as db:
        books = token_ledger.verify(db)
        done = backlog.list_tasks(status="done", limit=10_000, db=db)
        running = backlog.list_tasks(status="running", db=db)
        wallets = {
            quest.quest_id: token_ledger.get_balance(quest.account_id, db=db) for quest in backlog.list_quests(db=db)
        }

    assert books.problems == ()
    assert (len(done), running) == (facts["tasks_run"], [])
    assert len({wallet.balance for wallet in wallets.values()}) >= 4
    # Bids for backlogs may stand when the end comes; what they hold is theirs, as the books have shown.
    assert all(0 <= wallet.held <= wallet.balance for wallet in wallets.values())


def test_the_findings_are_there_to_read(ended):
    facts = last_line(ended[1])
    directory = Path(facts["directory"])
    filed = [json.loads(report.read_text()) for report in (directory / "findings").glob("*/*.json")]
    page = (directory / "findings.md").read_text()

    assert len(filed) == facts["tasks_run"]
    assert sum(map(len, filed)) == facts["findings"] > 0
    finding = next(finding for report in filed for finding in report)
    place, _, line = finding["where"].rpartition(":")
    assert finding["rule"] in page
    assert place.endswith(".py")
    assert int(line) > 0


def test_no_run_is_left_behind(ended):
    assert list((Path(last_line(ended[1])["directory"]) / "runs").iterdir()) == []


def test_the_demo_is_served_while_it_runs_and_a_signal_stops_it_cleanly(tmp_path):
    process = scidex("up", "--demo", "--port", "0", "--cycle-seconds", "0.3", "--directory", str(tmp_path))
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if re.match(r" *\d+:\d\d +3 ", line):  # the third round
            break
    address = re.search(r"http://127\.0\.0\.1:\d+", seen)
    assert address is not None
    key = keyring.found_key(address[0])  # commands of this user find it by themselves
    asked = urllib.request.Request(
        f"{address[0]}/api/compute-auction/stats", headers={"Authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        stats = json.load(answer)
    process.send_signal(signal.SIGTERM)
    code, out, error = finished(process)

    assert stats["rounds"] >= 3
    assert (code, error) == (0, "")
    assert last_line(out)["rounds"] >= 3
    assert last_line(out)["books_verified"] is True


def test_a_port_that_was_asked_for_and_is_in_use_is_refused_in_one_sentence(tmp_path, taken_port):
    code, out, error = finished(scidex("up", "--demo", "--port", str(taken_port), "--directory", str(tmp_path)))

    assert (code, out) == (4, "")
    assert error.count("\n") == 1
    assert error.startswith("scidex: Another program listens on this port already.")
    assert str(taken_port) in error


@pytest.mark.parametrize(
    "options",
    [
        ("--db", "sqlite:////nowhere-at-all/market.db"),
        ("--db", "sqlite:///{tmp_path}/taken/market.db"),
        ("--demo", "--directory", "{tmp_path}/taken"),
        ("--db", "sqlite:///{tmp_path}/not-a-database"),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_in_one_sentence(tmp_path, options):
    (tmp_path / "taken").write_text("a file, no directory")
    (tmp_path / "not-a-database").write_text("words " * 1_000)

    code, out, error = finished(scidex("up", "--port", "0", *(one.format(tmp_path=tmp_path) for one in options)))

    assert (code, out) == (3, "")
    assert error.count("\n") == 1
    assert error.startswith("scidex: ")


@pytest.mark.parametrize("seconds", ["soon", "-5", "0", "nan"])
def test_a_time_that_is_none_is_refused(tmp_path, seconds):
    code, _, error = finished(scidex("up", "--demo", "--directory", str(tmp_path), DEMO_SECONDS=seconds))

    assert code == 2
    assert "DEMO_SECONDS" in error

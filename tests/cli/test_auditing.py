"""Proving and exporting a market's books, and serving it, from the command line."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime

import pytest

from scidex.cli.exporting import csv_lines, name_of
from scidex.client import Client
from scidex.exchange import token_ledger
from scidex.records import Transfer
from scidex.store import connect
from tests.cli.running import ROOT
from tests.market import NOON


def tamper(url: str, sql: str) -> None:
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        connection.execute(sql)
        connection.commit()


# --- audit


def test_a_market_is_proved(cli):
    code, out, _ = cli("audit")
    told = json.loads(cli("audit", "--json")[1])

    assert code == 0
    assert out.endswith("all of it holds\n")
    assert (told["ok"], told["problems"], told["ledger"]["minted_tokens"]) == (True, [], 1_000)


def test_a_fault_is_named_and_has_a_code_of_its_own(cli, market_url):
    tamper(market_url, "UPDATE quests SET title = 'other'")
    code, out, _ = cli("audit")

    assert code == 5
    assert "FAULT     quests: rows that differ: 1, the first \"'docs'\"" in out
    assert out.endswith("1 fault found\n")
    assert cli("audit", "--json")[0] == 5


# --- ledger export


def test_the_ledger_is_exported_as_csv(cli, market_url, tmp_path):
    with connect(market_url) as db:
        token_ledger.transfer("agent:ada", "quest:docs", 7, reason='=HYPERLINK("x")', db=db)
    file = tmp_path / "ledger.csv"
    code, out, _ = cli("ledger", "export", "--output", str(file))
    rows = list(csv.DictReader(file.read_text().splitlines()))

    assert (code, out) == (0, "")
    assert [(row["debit_account_id"], row["credit_account_id"], row["amount_tokens"]) for row in rows] == [
        ("system:issuance", "agent:ada", "1000"),
        ("agent:ada", "quest:docs", "7"),
    ]
    assert rows[1]["reason"] == '\'=HYPERLINK("x")'
    assert datetime.fromisoformat(rows[1]["made_at"]).tzinfo is not None
    assert list(csv.DictReader(cli("ledger", "export")[1].splitlines())) == rows


def test_the_beancount_ledger_balances(cli, market_url):
    with connect(market_url) as db:
        token_ledger.transfer("agent:ada", "quest:docs", 7, reason='a "gift"', db=db)
    out = cli("ledger", "export", "--format", "beancount")[1]
    opened = re.findall(r"^\S+ open (\S+) TOKEN$", out, re.MULTILINE)
    postings = re.findall(r"^  (\S+)  (-?\d+) TOKEN$", out, re.MULTILINE)
    balances = dict(re.findall(r"^\S+ balance (\S+) (-?\d+) TOKEN$", out, re.MULTILINE))

    assert (
        set(opened)
        == balances.keys()
        == {f"Assets:{name}" for name in ("Agent:Ada", "Quest:Docs")}
        | {
            "Assets:System:Treasury",
            "Equity:System:Issuance",
        }
    )
    assert sum(int(amount) for _, amount in postings) == 0
    assert balances["Assets:Agent:Ada"] == "993"
    assert '* "a \\"gift\\""' in out
    assert 'account_id: "agent:ada"' in out


@pytest.mark.parametrize("ids", [("a", "A"), ("a:b", "a:B"), ("a b", "a-b"), ("ä", "ö"), ("x", "x:"), ("-", "--")])
def test_accounts_of_different_ids_have_different_names(ids):
    names = {name_of(one) for one in ids}

    assert len(names) == 2
    assert all(re.fullmatch(r"Assets(:[A-Z0-9][A-Za-z0-9-]*)+", name) for name in names)


def test_a_format_that_there_is_not_is_refused(cli):
    assert cli("ledger", "export", "--format", "qif")[0] == 2


def test_a_long_ledger_is_exported_whole(market_url, cli):
    with connect(market_url) as db:
        for _ in range(3):
            token_ledger.transfer("agent:ada", "quest:docs", 1, db=db)
        assert [one.transfer_id for one in token_ledger.list_transfers(after=2, limit=2, db=db)] == [3, 4]
    assert len(cli("ledger", "export")[1].splitlines()) == 5


def test_an_instant_is_exported_in_utc():
    one = Transfer(1, "a", "b", 5, "r", 1, 95, 1, 5, NOON.astimezone())

    assert "2026-05-01T12:00:00+00:00" in list(csv_lines([one]))[1]


# --- db migrate, serve


def test_a_database_is_brought_up_to_date_once(cli, tmp_path):
    new = f"sqlite:///{tmp_path}/new.db"
    taken = json.loads(cli("db", "migrate", "--db", new, "--json")[1])

    assert "20260427_compute_auction_tables" in taken
    assert cli("db", "migrate", "--db", new) == (0, "The schema was up to date.\n", "")


def test_a_server_alone_answers_and_stops_cleanly(market_url):
    with subprocess.Popen(
        [sys.executable, "-m", "scidex", "serve", "--port", "0", "--db", market_url],
        cwd=ROOT,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline().startswith("dashboard   http://127.0.0.1:")
            address = server.stdout.readline().split()[1]
            with Client(address) as client:  # by the key that is found by itself
                assert client.get_balance("agent:ada").balance == 1_000
                assert client.cycle_status().last_cycle_at is None
            server.send_signal(signal.SIGTERM)
            assert server.wait(30) == 0
        finally:
            server.kill()

"""Exports pass the programs that they are made for, whatever accounts and reasons are called."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.cli.exporting import beancount, csv_lines, journal, name_of
from scidex.records import Account, Transfer
from scidex.settings import ISSUANCE

MADE_AT = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
ODD_IDS = [
    "agent:ada", "agent:ada:laptop", "agent:ada-laptop", "agent:ada:laptop:gpu", "agent", "agent:", ":agent",
    "Agent:Ada", "agent:ada:1", "agent:ada-1", "agent:Ada", "ä:ö", "a b;c", "1:2", "x:y  z", "quest:a|b", "quest:=1+1",
    "other:agent", "-", "--", "quest:" + "x" * 190,
]  # fmt: skip
REASONS = [
    "minted",
    'a "gift"; of | two\\',
    "* starred",
    "(code) x",
    "! pending",
    "  ",
    "=1+1",
    "2026-01-01 x",
    "ü\u2028x",
    "a  b",
]


def books(ids: list[str]) -> tuple[list[Transfer], list[Account]]:
    """Return a ledger in which every account got something, and paid the next one a part of it."""
    accounts = [Account(one, "agent", one, MADE_AT - timedelta(days=1)) for one in (ISSUANCE, *ids)]
    moves = [(ISSUANCE, one, 100) for one in ids] + [(one, other, 7) for one, other in pairwise(ids)]
    transfers = [
        Transfer(n, debit, credit, amount, REASONS[n % len(REASONS)], 1, 0, 1, 0, MADE_AT + timedelta(hours=n))
        for n, (debit, credit, amount) in enumerate(moves, start=1)
    ]
    return transfers, accounts


def read_by(program: str, *words: str, text: str, at: Any) -> str:
    """Let a program read a text, and return what it says; where it is not installed there is nothing to try."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    file = at / "books"
    file.write_text(text, encoding="utf-8")
    command = [program, *(word.format(file=file) for word in words)]
    said = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (said.returncode, said.stderr) == (0, "")
    return said.stdout


def test_bean_check_is_content(tmp_path):
    assert read_by("bean-check", "{file}", text="".join(beancount(*books(ODD_IDS))), at=tmp_path) == ""


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("hledger", ("-f", "{file}", "balance", "--flat", "-N", "-E")),
        ("ledger", ("-f", "{file}", "balance", "--flat", "-E")),
    ],
)
def test_hledger_and_ledger_read_the_journal(tmp_path, program, words):
    said = read_by(program, *words, text="".join(journal(*books(ODD_IDS))), at=tmp_path)

    told = {name: int(amount) for amount, name in re.findall(r"^ *(-?\d+) TOKEN  (\S+)$", said, re.MULTILINE)}
    assert told[name_of(ODD_IDS[0])] == 93
    assert told[name_of(ODD_IDS[-1])] == 107


def test_csv_is_read_back_as_it_was():
    transfers, _ = books(["quest:=1+1", "agent:'ada", "@x", "-"])
    rows = list(csv.DictReader(io.StringIO("".join(csv_lines(transfers)))))

    def unmarked(text: str) -> str:
        return text.removeprefix("'")

    assert [(unmarked(row["debit_account_id"]), unmarked(row["reason"])) for row in rows] == [
        (one.debit_account_id, one.reason) for one in transfers
    ]
    assert not any(row["credit_account_id"].startswith(("=", "+", "-", "@")) for row in rows)


# --- names

IDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12) | st.from_regex(
    r"[a-z]{1,3}(:[a-z0-9-]{1,3}){0,3}", fullmatch=True
)


@given(st.lists(IDS | st.sampled_from(ODD_IDS), unique=True, min_size=2, max_size=6))
def test_no_two_accounts_have_one_name_and_none_is_below_another(ids):
    for one, other in combinations(map(name_of, ids), 2):
        assert one != other
        assert not one.startswith(f"{other}:")
        assert not other.startswith(f"{one}:")


@given(IDS | st.sampled_from(ODD_IDS))
def test_every_name_is_one_that_beancount_takes(account_id):
    assert re.fullmatch(r"(Assets|Equity)(:[A-Z0-9][A-Za-z0-9-]*){2}", name_of(account_id))


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_reason_stays_on_its_line(reason):
    transfers, accounts = books(["agent:ada"])
    text = "".join(journal([transfers[0]._replace(reason=reason)], accounts))

    assert len(re.findall(r"^2026-11-30 \* \(1\) \S", text, re.MULTILINE)) == 1
    assert len(text.splitlines()) == text.count("\n")

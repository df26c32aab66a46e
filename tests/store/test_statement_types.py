"""mypy knows every statement: its name, its arguments and their types, as they stand in the .sql files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api

from scidex.store.statements import load
from tools.mypy_statements import arguments_of

ROOT = Path(__file__).parents[2]
BEFORE = """from datetime import datetime
from scidex.store.database import Transaction
def ask(tx: Transaction) -> None:
"""
CALLS = {
    'tx.rows("bid", id=1)': None,
    'tx.rows("bidd", id=1)': 'There is no statement "bidd"',
    'tx.row("bid", idd=1)': 'Unexpected keyword argument "idd"',
    'tx.tuples("bid")': 'Missing named argument "id"',
    'tx.values("bid", id="1")': 'incompatible type "str"; expected "int"',
    'tx.rows("pools_named", pools=["a"])': None,
    'tx.rows("pools_named", pools=[1])': 'incompatible type "int"; expected "str"',
    'tx.run("add_account", account_id="a", kind="agent", owner_id="a", created_at=datetime.max)': None,
    'tx.post("add_account", account_id="a", kind="agent", owner_id="a", created_at=None)': 'expected "datetime"',
    'tx.run("add_account", account_id="a", **{"kind": "agent", "owner_id": "a", "created_at": 1})': None,
    'tx.run("add_account", account_di="a", **{"kind": "agent"})': 'Unexpected keyword argument "account_di"',
    'tx.run_many("write_status", [{"id": 1, "status": "lost"}])': None,
    'tx.run_many("write_status", [{"id": 1, "state": "lost"} for _ in "a"])': "other arguments: state, status",
    'tx.run_columns("sell_asks", slot_id=[1])': 'Unexpected keyword argument "slot_id"',
    'tx.gather([("bid", {"id": 1}), ("pools_named", {"pools": []})])': None,
    'tx.gather([("bid", {"bid": 1})])': "other arguments: bid, id",
    'tx.gather([("bidd", {})])': 'There is no statement "bidd"',
    'tx.rows(str("bid"), whatever=1)': None,
}


def test_calls_of_statements_are_checked_by_name_and_argument():
    code = BEFORE + "".join(f"    {call}\n" for call in CALLS)
    said, failed, _ = api.run(["--config-file", str(ROOT / "pyproject.toml"), "-c", code])
    assert not failed
    by_line: dict[int, str] = {}
    for line, fact in re.findall(r"<string>:(\d+): error: (.*)", said):
        by_line[int(line)] = by_line.get(int(line), "") + fact

    for line, (call, wrong) in enumerate(CALLS.items(), start=BEFORE.count("\n") + 1):
        assert (wrong is None) == (line not in by_line), (call, by_line.get(line))
        assert wrong is None or wrong in by_line[line], by_line[line]


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_the_arguments_that_are_checked_are_those_that_the_databases_are_given(dialect):
    named = re.compile(r"(?<![:\w]):(\w+)|%\((\w+)\)s")
    checked = arguments_of()
    for name, statement in load(dialect).items():
        given = {one or other for one, other in named.findall(statement.sql)}
        assert given <= checked[name].keys(), name

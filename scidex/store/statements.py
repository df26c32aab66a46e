"""The named SQL statements, loaded from `queries/*.sql` for one dialect.

Statements are written once. Four words stand for what the dialects spell differently:

- `IN each_text(:names)` and `IN each_number(:ids)`: one of the items of a list argument;
- `FOR UPDATE` and `FOR SHARE`: row locks, which SQLite's single writer does not need;
- `queries/sqlite/` and `queries/postgres/` hold the statements that truly differ.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Literal

import aiosql

Dialect = Literal["sqlite", "postgres"]

_DRIVER = {"sqlite": "sqlite3", "postgres": "psycopg"}
_EACH = re.compile(r"IN each_(text|number)\(:(\w+)\)")
_JSON_LIST = re.compile(r"json_each\(:(\w+)\)")
_LOCK = re.compile(r"\bFOR (UPDATE|SHARE|NO KEY UPDATE)( OF \w+)?( SKIP LOCKED)?")
_PARAMETER = re.compile(r"(?<![:\w]):(\w+)")
_ARRAY = {"text": "text[]", "number": "bigint[]"}


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """One named statement of a dialect, and which of its arguments need another form on the way in."""

    name: str
    sql: str
    time_arguments: tuple[str, ...]
    list_arguments: tuple[str, ...]
    takes_columns: bool
    """Whether it takes many rows at once, as one array a column."""
    for_one_row: Statement | None = None
    """The shared form of a statement that takes columns: for one row that costs the server less."""


@cache
def load(dialect: Dialect) -> dict[str, Statement]:
    """Return every statement of a dialect by name; a dialect's own file wins over the shared one."""
    statements: dict[str, Statement] = {}
    root = resources.files("scidex.store") / "queries"
    for folder in (root, root / dialect):
        named: set[str] = set()
        files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
        for file in files:
            for statement in _parse(file.read_text(encoding="utf-8"), dialect):
                assert statement.name not in named, f"{file.name} has a second statement {statement.name}"
                named.add(statement.name)
                statements[statement.name] = _over(statements.get(statement.name), statement)
    return statements


def _over(shared: Statement | None, own: Statement) -> Statement:
    if shared is None or not own.takes_columns:
        return own
    return replace(own, for_one_row=replace(shared, name=f"{shared.name} (one row)"))


def _parse(text: str, dialect: Dialect) -> list[Statement]:
    originals = aiosql.from_str(text, "sqlite3", mandatory_parameters=False)
    spoken = aiosql.from_str(_in_dialect(text, dialect), _DRIVER[dialect], mandatory_parameters=False)
    names = [name for name in originals.available_queries if not name.endswith("_cursor")]
    return [_statement(name, getattr(originals, name).sql, getattr(spoken, name).sql) for name in names]


def _statement(name: str, written: str, sql: str) -> Statement:
    arguments = dict.fromkeys(_PARAMETER.findall(written))
    return Statement(
        name=name,
        sql=sql,
        time_arguments=tuple(a for a in arguments if a == "now" or a.endswith("_at")),
        list_arguments=tuple(dict.fromkeys(_JSON_LIST.findall(sql))),
        takes_columns="unnest(" in sql and not sql.lstrip().startswith("SELECT"),
    )


def _in_dialect(text: str, dialect: Dialect) -> str:
    if dialect == "postgres":
        return _EACH.sub(lambda m: f"= ANY (CAST(:{m[2]} AS {_ARRAY[m[1]]}))", text)
    text = _EACH.sub(r"IN (SELECT value FROM json_each(:\2))", text)
    return _LOCK.sub("", text)

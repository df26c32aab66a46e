"""Every named SQL statement says what it is for, is used, and is understood by both databases."""

from __future__ import annotations

import re
import sqlite3
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest

from scidex.store.migrate import migrations
from scidex.store.statements import Dialect, load

ROOT = Path(__file__).parents[2]
QUERIES = ROOT / "scidex" / "store" / "queries"
DIALECTS: tuple[Dialect, ...] = ("sqlite", "postgres")
NAME = re.compile(r"^-- name: (\w+)(!?)$")


def written() -> list[tuple[str, str, str]]:
    """Each statement as it stands in its file: where, its name, and the line after the name."""
    found = []
    for file in sorted(QUERIES.rglob("*.sql")):
        for line, following in pairwise([*file.read_text(encoding="utf-8").splitlines(), ""]):
            if name := NAME.match(line):
                found.append((str(file.relative_to(QUERIES)), name[1], following))
    return found


def test_every_statement_has_a_sentence():
    silent = [f"{file}: {name}" for file, name, line in written() if not re.match(r"-- [A-Z][\w']*,? \w+", line)]

    assert silent == []


def test_every_statement_is_loaded_under_its_name():
    names = {name for _, name, _ in written()}
    assert names == set(load("sqlite")) | set(load("postgres"))
    assert set(load("sqlite")) - set(load("postgres")) == set()
    of_many_processes = {"lock_shared", "lock_exclusive", "announce", "database_time"}
    of_roles = {"role_facts", "grants_of_role", "rights_of_ours"}
    assert set(load("postgres")) - set(load("sqlite")) == of_many_processes | of_roles


def test_a_name_is_given_once_in_a_folder():
    seen = [(Path(file).parent, name) for file, name, _ in written()]
    assert len(seen) == len(set(seen))


def test_no_statement_is_unused():
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "scidex").rglob("*.py"))
    unused = {name for _, name, _ in written() if not re.search(rf"[\"']{name}[\"']", code)}

    assert unused == set()


# --- both databases understand all of them


def test_sqlite_can_plan_every_statement():
    connection = sqlite3.connect(":memory:")
    connection.execute(load("sqlite")["create_version_table"].sql)
    for migration in migrations("sqlite"):
        connection.executescript(migration.sql)
    planned = [statement for statement in load("sqlite").values() if not statement.sql.startswith("CREATE")]
    for statement in planned:
        names = re.findall(r"(?<![:\w]):(\w+)", statement.sql)
        values = {name: "[]" if name in statement.list_arguments else 0 for name in names}
        connection.execute("EXPLAIN " + statement.sql, values)
    connection.close()
    assert len(planned) > 50


def test_postgresql_can_plan_every_statement(postgres_template, new_database):
    loaded = load("postgres").values()
    for_one_row = [statement.for_one_row for statement in loaded if statement.for_one_row]
    planned = [statement for statement in (*loaded, *for_one_row) if not statement.sql.startswith("CREATE")]
    with psycopg.connect(new_database(template=postgres_template), autocommit=True) as connection:
        for number, statement in enumerate(planned):
            # PREPARE has the server find the type of every argument, as it does for the real ones.
            names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement.sql)))
            sql = statement.sql.replace("%%", "%")
            for place, name in enumerate(names, start=1):
                sql = sql.replace(f"%({name})s", f"${place}")
            connection.execute(f"PREPARE statement_{number} AS {sql}".encode())
            given = f" ({', '.join(['NULL'] * len(names))})" if names else ""
            connection.execute(f"EXPLAIN EXECUTE statement_{number}{given}".encode())
    assert len(planned) > 50


@pytest.mark.parametrize("dialect", DIALECTS)
def test_times_and_lists_are_known_for_what_they_are(dialect):
    statements = load(dialect)

    assert statements["book_range"].time_arguments == ("now",)
    assert statements["append_journal"].time_arguments == ("made_at",)
    as_json = {"bidder_ids", "pools", "round_ids"} if dialect == "sqlite" else set()
    assert set(statements["open_bids_of"].list_arguments) == as_json
    assert "each_" not in "".join(statement.sql for statement in statements.values())


def test_sqlite_is_not_asked_for_row_locks():
    assert "FOR UPDATE" in load("postgres")["lock_accounts"].sql
    assert not any(re.search(r"FOR (UPDATE|SHARE)", statement.sql) for statement in load("sqlite").values())

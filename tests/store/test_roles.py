"""A role without rights to schema, journal and transfers serves a whole market, and can do nothing else to it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import httpx2
import psycopg
import pytest
from psycopg import sql

from scidex.cli.checks import check_role
from scidex.client import Client
from scidex.clock import utc_now
from scidex.errors import DatabaseForbids, InvalidArgument, SchemaTooOld, ScidexError
from scidex.exchange import (
    attempts,
    auditing,
    backlog,
    compute_auction,
    cycle,
    keys,
    leases,
    sealing,
    sweeper,
    token_ledger,
    workers,
)
from scidex.store import connect, roles
from scidex.store.migrate import migrations
from scidex.store.statements import load
from scidex.web.serving import running_server
from tests.databases import assert_books_are_right, assert_journal_tells_all
from tests.histories import AT_WORK, History, Step
from tests.postgres_server import PostgresServer, database_name
from tests.web.doors import headers_for


class Roles(NamedTuple):
    """One market by the addresses of the role that owns it and of one that serves it, and the latter's name."""

    owner: str
    server: str
    name: str


def as_role(dsn: str, role: str) -> str:
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))


@pytest.fixture
def market(postgres_server: PostgresServer) -> Iterator[Roles]:
    """A market just migrated by a role that owns its database and is no superuser, and a role for its servers."""
    owner, server = (f"scidex_{kind}_{secrets.token_hex(4)}" for kind in ("owner", "Server"))
    with postgres_server.new_database() as dsn, psycopg.connect(postgres_server.url, autocommit=True) as boss:
        for role in (owner, server):
            boss.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
        boss.execute(
            sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(database_name(dsn)), sql.Identifier(owner))
        )
        try:
            with connect(as_role(dsn, owner)) as db:
                compute_auction.ensure_schema(db=db)
                roles.grant_role(server, db=db)
            yield Roles(as_role(dsn, owner), as_role(dsn, server), server)
        finally:
            postgres_server.drop_database(dsn)
            for role in (owner, server):
                boss.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


STORY: tuple[Step, ...] = (
    ("bid", 0, 0, 50, 0, False, 90, 1),
    ("batch", (1, 1, 40, 0, True, 90, None), (2, 2, 30, 0, False, 90, 2)),
    ("try_clear", 0),
    ("offer", 2, 0, 0, True, None),
    ("clear", 0),
    ("settle", 0, 7, 2.0),
    ("attest", 0, 0.1),
    ("void", 1),
    ("bid", 1, 3, 30, 0, True, 5, None),
    ("cancel", 3),
    ("offer", 1, 0, 0, False, 30),
    ("withdraw", 2),
    ("refund",),
    ("write_down", 100),
    ("mint", 0, 9),
    *AT_WORK,
    ("tick", 10),
    ("finish", "heard", 30),
    ("expire", "silent"),
    ("sweep",),
)


def test_a_role_that_may_do_nothing_else_does_all_that_a_server_does(market):
    with connect(market.server) as db:
        history = History(db)
        history.open()
        answers = [(step, history.take(step)) for step in STORY]
        assert [(step, answer) for step, answer in answers if isinstance(answer, ScidexError)] == []
        quest = backlog.add_quest("q", db=db)
        token_ledger.mint(quest.account_id, 500, db=db)
        backlog.add_task("t1", "q", expected_value_usd=1.0, db=db)
        for waits_for in (["t1"], []):
            backlog.put_tasks([{"task_id": "t2", "quest_id": "q", "depends_on": waits_for}], db=db)
        token_ledger.create_account("worker:w", "worker", db=db)
        serve(market, quest.account_id)
        assert cycle.run_cycle(db=db).error is None
        sweeper.sweep(db=db)
        assert sealing.seal_journal(db=db) > 0
        assert attempts.list_refusals(db=db) != []
        assert [one.state for one in check_role(db, utc_now())] == ["ok"]
        report = auditing.audit(db=db)
        assert report.ok, report.problems
    with connect(market.owner) as db:
        assert_books_are_right(db)
        assert_journal_tells_all(db)
        assert [one.state for one in check_role(db, utc_now())] == ["warning"]


def serve(market: Roles, quest_account: str) -> None:
    """Serve the market by its server's role, to a worker and to somebody without a key."""
    with connect(market.server) as db, running_server(db) as address:
        made = keys.create_key("worker:w", ["work"], db=db)
        assert made.text is not None
        assert httpx2.get(f"{address}/api/whoami").status_code == 401
        with Client(address, made.text) as client:
            client.register_worker("w", "worker:w", pool="scidex-agent", seats=1, lease_seconds=30.0)
            client.keep_offers("w", 1)
            compute_auction.place_bid(quest_account, "t1", 50, db=db)
            compute_auction.clear_round(db=db)
            held = client.lease_next("w")
            assert held is not None
            assert client.check_in("w", [held.fence]) == [held.fence]
            assert client.lease_next("w") is None
            client.finish(held, succeeded=True, actual_cost_tokens=3)
        headers = headers_for(db, "ada", "bid") | {"Idempotency-Key": "once"}
        moved = [
            httpx2.post(
                f"{address}/api/wallets/ada/transfers", json={"credit": "bob", "amount_tokens": 1}, headers=headers
            )
            for _ in range(2)
        ]
        assert {answer.status_code for answer in moved} == {201}
        assert len({answer.content for answer in moved}) == 1
        keys.revoke_key(keys.rotate_key(made.key.key_id, db=db).key.key_id, db=db)
        workers.stop_worker("w", db=db)
        db.announce("round scidex-agent")
        leases.wait_for_round(0, 0.1, db=db)


FORBIDDEN = (
    "CREATE TABLE mine (id int)",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "ALTER TABLE journal DISABLE TRIGGER USER",
    "ALTER TABLE token_accounts ADD COLUMN more int",
    "DROP VIEW token_holds",
    "DROP TRIGGER journal_keeps_all ON journal",
    "INSERT INTO schema_migrations VALUES ('29990101_mine')",
    "DELETE FROM token_accounts",
    "DELETE FROM compute_auction_clears",
    "SELECT setval('journal_numbers', 1)",
    *(f"DELETE FROM {table}" for table in roles.APPEND_ONLY),
    *(
        f"UPDATE {table} SET {column} = {column}"
        for table, column in zip(roles.APPEND_ONLY, ("actor", "marks", "error", "reason"), strict=True)
    ),
    *(f"TRUNCATE {table} CASCADE" for table in (*roles.APPEND_ONLY, "token_accounts", "leases")),
    "SET session_replication_role = replica",
)


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_what_no_server_needs_is_refused_by_the_database(market, statement):
    with psycopg.connect(market.server) as connection, pytest.raises(psycopg.Error) as refused:
        connection.execute(statement.encode())

    assert refused.value.sqlstate == "42501" or "does not exist" in str(refused.value), refused.value


def test_a_schema_that_is_behind_is_not_touched_and_named(market):
    last = migrations("postgres")[-1]
    with psycopg.connect(market.owner) as connection:
        connection.execute("DELETE FROM schema_migrations WHERE name = %s", (last.name,))
    with connect(market.server) as db, pytest.raises(SchemaTooOld) as refused:
        compute_auction.ensure_schema(db=db)

    assert "scidex db migrate" in refused.value.facts["remedy"]


def test_a_role_is_brought_up_to_date_and_what_it_had_beside_is_taken(market):
    with psycopg.connect(market.owner) as connection:
        connection.execute(f'GRANT ALL ON journal, token_accounts TO "{market.name}"'.encode())
    with connect(market.server) as db:
        assert roles.excess_rights(db)["changes_the_record"]
    with connect(market.owner) as db:
        roles.grant_role(market.name, db=db)
    with connect(market.server) as db:
        assert roles.excess_rights(db) == {"changes_the_schema": False, "changes_the_record": False}
        with pytest.raises(DatabaseForbids):
            db.write(lambda tx: tx.run("forget_accounts"))


@pytest.mark.parametrize("role", ["nobody-of-this-name", "", "x" * 64, "a\0b", None, 7, 'x"; DROP TABLE journal; --'])
def test_a_role_that_there_is_not_is_refused(market, role):
    with connect(market.owner) as db, pytest.raises(InvalidArgument) as refused:
        roles.grant_role(role, db=db)

    assert refused.value.facts["field"] == "role"


def test_the_owner_is_no_role_for_servers(market):
    with connect(market.owner) as db, pytest.raises(InvalidArgument):
        roles.grant_role(urlsplit(market.owner).username, db=db)


def test_sqlite_has_no_roles(tmp_path):
    with connect(f"sqlite:///{tmp_path}/m.db") as db, pytest.raises(InvalidArgument):
        roles.grant_role("server", db=db)


def test_a_server_may_delete_where_it_does_and_nowhere_else():
    """Beside what a replay into a market just opened empties, which is for the owner."""
    statements = load("postgres").values()
    deleted = {
        table
        for statement in statements
        for table in re.findall(r"DELETE FROM (\w+)", statement.sql)
        if statement.name not in ("forget_journal", "forget_pools", "forget_accounts")
    }

    assert deleted == set(roles.DELETED_FROM)
    assert not [s.name for s in statements if re.search(rf"UPDATE ({'|'.join(roles.APPEND_ONLY)})\b", s.sql)]

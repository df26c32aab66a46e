"""The server that tests borrow answers, keeps its promises, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from tests.postgres_server import (
    PostgresMissing,
    PostgresServer,
    database_name,
    find_binaries,
    running_postgres,
)

ROOT = Path(__file__).parents[1]
OWNER = """
from tests.postgres_server import running_postgres
with running_postgres() as server:
    print(server.url, flush=True)
    input()
"""
own_cluster = pytest.mark.skipif("SCIDEX_TEST_DSN" in os.environ, reason="uses the server that was named")


def ask(dsn: str, question: str):
    with psycopg.connect(dsn) as connection:
        row = connection.execute(question).fetchone()
    assert row is not None
    return row[0]


def home_of(dsn: str) -> Path:
    return Path(parse_qs(urlsplit(dsn).query)["host"][0])


def wait_until(claim: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not claim() and time.monotonic() < deadline:
        time.sleep(0.05)
    return claim()


def test_a_new_database_is_empty_and_answers(new_database):
    dsn = new_database()

    assert ask(dsn, "SELECT current_database()") == database_name(dsn)
    assert ask(dsn, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0


def test_each_new_database_is_another_one(new_database):
    assert new_database() != new_database()


def test_a_database_can_be_copied_from_a_prepared_one(postgres_server: PostgresServer, new_database):
    prepared = new_database()
    with psycopg.connect(prepared) as connection:
        connection.execute("CREATE TABLE answers AS SELECT 42 AS answer")

    copy = new_database(template=database_name(prepared))

    assert ask(copy, "SELECT answer FROM answers") == 42


def test_a_lent_database_is_dropped_even_with_someone_connected(postgres_server: PostgresServer):
    with postgres_server.new_database() as dsn:
        straggler = psycopg.connect(dsn)

    with straggler, pytest.raises(psycopg.OperationalError):
        psycopg.connect(dsn)


@own_cluster
@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit", "full_page_writes"])
def test_commits_are_durable(postgres_server: PostgresServer, setting):
    assert ask(postgres_server.url, f"SHOW {setting}") == "on"


@own_cluster
def test_the_server_listens_on_no_network(postgres_server: PostgresServer):
    assert ask(postgres_server.url, "SHOW listen_addresses") == ""


@own_cluster
def test_two_servers_run_side_by_side_and_each_stops_alone():
    with running_postgres() as first:
        with running_postgres({"work_mem": "5MB"}) as second:
            assert first.url != second.url
            assert ask(second.url, "SHOW work_mem") == "5MB"
        assert ask(first.url, "SELECT 1") == 1
        assert not home_of(second.url).exists()
    assert not home_of(first.url).exists()


@own_cluster
def test_the_server_stops_when_its_owner_is_killed():
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        url = owner.stdout.readline().strip()
        server_id = int((home_of(url) / "data" / "postmaster.pid").read_text().splitlines()[0])
        assert ask(url, "SELECT 1") == 1

        owner.send_signal(signal.SIGKILL)
        owner.wait()

        assert wait_until(lambda: not Path(f"/proc/{server_id}").exists())
        assert wait_until(lambda: not home_of(url).exists())


@own_cluster
def test_the_server_stops_when_its_guard_is_killed():
    with running_postgres() as server:
        server_id = int((home_of(server.url) / "data" / "postmaster.pid").read_text().splitlines()[0])
        status = Path(f"/proc/{server_id}/status")
        if not status.exists():
            pytest.skip("the kernel sends no death signals here")
        guard_id = next(int(line.split()[1]) for line in status.read_text().splitlines() if "PPid" in line)

        os.kill(guard_id, signal.SIGKILL)

        assert wait_until(lambda: not status.exists())
    assert wait_until(lambda: not (home_of(server.url) / "data" / "postmaster.pid").exists())
    shutil.rmtree(home_of(server.url))


@own_cluster
def test_a_server_that_cannot_start_says_why():
    with (
        pytest.raises(RuntimeError, match="no_such_setting"),
        running_postgres({"no_such_setting": "1"}),
    ):
        pass


@own_cluster
def test_missing_programs_are_reported(monkeypatch, tmp_path):
    monkeypatch.setenv("SCIDEX_TEST_POSTGRES_BIN", str(tmp_path))

    with pytest.raises(PostgresMissing):
        find_binaries()

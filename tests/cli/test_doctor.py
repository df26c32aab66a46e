"""`scidex doctor` names what is not well, and the remedy, and touches nothing."""

from __future__ import annotations

import http.server
import json
import socket
import sqlite3
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from scidex.cli.checks import Finding, check_clock, check_keys, check_port, check_rounds, check_schema
from scidex.clock import utc_now
from scidex.exchange import compute_auction, cycle, keys, token_ledger
from scidex.store import connect
from scidex.web import operator_key
from scidex.web.serving import running_server
from tests.databases import contents


@pytest.fixture
def free_port() -> int:
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def doctor(cli, free_port):
    """Ask the doctor, and return the exit code and what each check found, by its name."""

    def ask(*words: str) -> tuple[int, dict[str, dict[str, str]]]:
        code, out, _ = cli("doctor", "--json", "--port", str(free_port), *words)
        return code, {finding["check"]: finding for finding in json.loads(out)}

    return ask


def states(found: dict[str, dict[str, str]]) -> dict[str, str]:
    return {name: finding["state"] for name, finding in found.items()}


def test_a_file_that_others_can_read_is_a_warning(doctor, market_url):
    if not market_url.startswith("sqlite"):
        pytest.skip("PostgreSQL's files are its server's")
    path = Path(market_url.removeprefix("sqlite:///"))
    path.chmod(0o644)
    code, found = doctor()

    assert (code, found["file"]["state"]) == (0, "warning")
    assert found["file"]["remedy"].startswith(f"chmod 600 {path}")


def test_a_market_that_is_well(doctor, market_url, free_port):
    with connect(market_url) as db:
        operator_key.operator_key(db)
        cycle.CycleRunner(db, "scidex-agent", 60.0).tick()
        before = contents(db)
        code, found = doctor()

        assert contents(db) == before
    assert code == 0
    assert set(states(found).values()) == {"ok"}
    assert {
        "versions",
        "database",
        "schema",
        "clock",
        "rounds of scidex-agent",
        "books",
        "operator's key",
    } < found.keys()
    assert found[f"port {free_port}"]["found"] == "free"


def test_people_are_told_in_lines_with_remedies(cli, free_port):
    code, out, _ = cli("doctor", "--port", str(free_port))

    assert code == 0
    assert (
        "warning  rounds of scidex-agent: no loop has ever cleared it\n         remedy: start a loop: scidex up" in out
    )


def test_a_file_that_is_not_there_is_not_made(doctor, tmp_path):
    code, found = doctor("--db", f"sqlite:///{tmp_path}/none.db")

    assert (code, found["database"]["state"]) == (5, "fault")
    assert "scidex init" in found["database"]["remedy"]
    assert not (tmp_path / "none.db").exists()


def test_a_database_that_does_not_answer_is_told_without_its_password(doctor, monkeypatch):
    monkeypatch.setenv("SCIDEX_DATABASE_DEADLINE_SECONDS", "1")
    code, found = doctor("--db", "postgresql://user:hunter2@127.0.0.1:1/market?connect_timeout=1")

    assert (code, found["database"]["state"]) == (5, "fault")
    assert "hunter2" not in str(found)


def test_a_database_of_another_version_is_named(empty_url):
    with connect(empty_url) as db:
        empty = check_schema(db)
        compute_auction.ensure_schema(db=db)
        whole = check_schema(db)
        db.write(lambda tx: tx.run("note_migration", name="99991231_later"))
        newer = check_schema(db)

    assert (empty.state, empty.remedy) == ("fault", "scidex db migrate")
    assert whole.state == "ok"
    assert (newer.state, "99991231_later" in newer.found) == ("fault", True)


def test_a_clock_that_is_off_is_named(db):
    now = utc_now()
    [off] = check_clock(db, now + timedelta(minutes=5))
    [right] = check_clock(db, utc_now())
    token_ledger.create_account("ada", now=now + timedelta(hours=1), db=db)
    [future] = check_clock(db, utc_now())

    assert (right.state, off.state, future.state) == ("ok", "fault", "fault")
    assert "in the future" in future.found


def test_rounds_that_are_late_paused_or_never_were_are_named(db):
    now = utc_now()
    [never] = check_rounds(db, now)
    cycle.CycleRunner(db, "scidex-agent", 60.0).tick()
    now = utc_now()
    [right] = check_rounds(db, now)
    [late] = check_rounds(db, now + timedelta(minutes=10))
    cycle.pause(now=now, db=db)
    [paused] = check_rounds(db, now)

    assert [one.state for one in (never, right, late, paused)] == ["warning", "ok", "fault", "warning"]
    assert late.found.startswith("due since 5")
    assert all(one.remedy for one in (never, late, paused))


def test_books_that_do_not_add_up_are_named(doctor, market_url):
    with closing(sqlite3.connect(market_url.removeprefix("sqlite:///"))) as connection:
        connection.execute("UPDATE token_accounts SET balance_tokens = 900 WHERE account_id = 'agent:ada'")
        connection.commit()
    code, found = doctor()

    assert (code, found["books"]["state"]) == (5, "fault")
    assert "scidex audit" in found["books"]["remedy"]


def test_keys_that_others_can_read_or_that_end_soon_are_named(doctor, market_url):
    with connect(market_url) as db:
        assert states(doctor()[1])["operator's key"] == "warning"
        operator_key.operator_key(db)
        made = keys.create_key("agent:ada", ["bid"], expires_at=utc_now() + timedelta(days=2), db=db)
        keys.create_key("agent:ada", ["bid"], expires_at=utc_now() + timedelta(days=20), db=db)
        file = operator_key.key_file(market_url)
        assert states(doctor()[1])["operator's key"] == "ok"
        file.chmod(0o644)
        code, found = doctor()
        several = [one for one in check_keys(db, utc_now()) if one.check == "keys"]

    assert (code, found["operator's key"]["state"]) == (5, "fault")
    assert [one.remedy for one in several] == [f"scidex key rotate {made.key.key_id}"]


def test_a_port_is_free_or_a_markets_or_another_programs(market_url, free_port):
    with connect(market_url) as db, running_server(db) as address:
        markets = check_port(int(address.rpartition(":")[2]))
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        others = check_port(other.server_port)
        other.shutdown()

    assert markets.found == "a market is served there"
    assert others.state == "warning"
    assert check_port(free_port) == Finding(f"port {free_port}", "ok", "free")

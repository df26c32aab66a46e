"""A backup is whole and private, taken while others write, and a restored one is the same market."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import threading

import pytest

from scidex.errors import BackupFailed, InvalidArgument
from scidex.exchange import auditing, compute_auction, token_ledger
from scidex.store import connect
from scidex.store.backups import back_up, restore
from tests.databases import differences
from tests.market import NOON, bid, clear, fund, offer


def market_at(url):
    db = connect(url)
    compute_auction.ensure_schema(db=db)
    fund(db, 1_000, "agent:ada", "agent:bob")
    for number in range(3):
        bid(db, "agent:ada", f"t{number}", 10 + number)
    offer(db)
    clear(db)
    return db


@pytest.fixture
def fresh_url(tmp_path, empty_url, new_database):
    return f"sqlite:///{tmp_path}/restored.db" if empty_url.startswith("sqlite") else new_database()


@pytest.fixture
def with_programs(empty_url):
    if not empty_url.startswith("sqlite") and shutil.which("pg_dump") is None:
        pytest.skip("PostgreSQL's client programs are not on the path")


@pytest.mark.usefixtures("with_programs")
def test_a_restored_backup_is_the_same_market_and_proves_itself(empty_url, fresh_url, tmp_path):
    with market_at(empty_url) as db:
        made = back_up(empty_url, tmp_path / "market.backup")
        bid(db, "agent:bob", "later", 5)
        restore(made.path, fresh_url)
        with connect(fresh_url) as again:
            compute_auction.ensure_schema(db=again)
            assert auditing.audit(db=again).ok
            assert token_ledger.get_balance("agent:ada", db=again) == token_ledger.get_balance("agent:ada", db=db)
            assert differences(db, again) != []  # what came after the backup is not in it
            fund(again, 5, "agent:new")  # and it goes on


@pytest.mark.usefixtures("with_programs")
def test_a_backup_can_be_read_by_its_owner_alone(empty_url, tmp_path):
    with market_at(empty_url):
        made = back_up(empty_url, tmp_path / "market.backup")

    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert made.size_bytes == made.path.stat().st_size > 0
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


@pytest.mark.usefixtures("with_programs")
def test_a_backup_taken_while_others_write_is_whole_and_has_what_was_acknowledged(empty_url, fresh_url, tmp_path):
    with market_at(empty_url) as db:
        acknowledged = []
        stop = threading.Event()

        def write():
            while not stop.is_set():
                token_ledger.transfer("agent:ada", "agent:bob", 1, reason="gift", now=NOON, db=db)
                acknowledged.append(1)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            while len(acknowledged) < 5:
                stop.wait(0.01)
            before = len(acknowledged)
            back_up(empty_url, tmp_path / "market.backup")
        finally:
            stop.set()
            writer.join()
        restore(tmp_path / "market.backup", fresh_url)
        with connect(fresh_url) as again:
            report = auditing.audit(db=again)
            given = 1_000 - token_ledger.get_balance("agent:bob", db=again).balance

    assert report.ok, report.problems
    assert before <= -given <= len(acknowledged)


def test_a_file_that_is_there_is_never_overwritten(tmp_path):
    (tmp_path / "old").write_text("precious")
    with market_at(f"sqlite:///{tmp_path}/market.db"), pytest.raises(InvalidArgument, match="path must be a file"):
        back_up(f"sqlite:///{tmp_path}/market.db", tmp_path / "old")
    assert (tmp_path / "old").read_text() == "precious"


def test_a_restore_takes_no_database_that_is_there(tmp_path):
    with market_at(f"sqlite:///{tmp_path}/market.db"):
        made = back_up(f"sqlite:///{tmp_path}/market.db", tmp_path / "market.backup")
    with pytest.raises(InvalidArgument, match="db must be a database that is not there yet"):
        restore(made.path, f"sqlite:///{tmp_path}/market.db")


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\x00" + b"\x00" * 200])
def test_what_is_no_backup_is_refused(tmp_path, content):
    (tmp_path / "odd").write_bytes(content)
    with pytest.raises(InvalidArgument, match="path must be a"):
        restore(tmp_path / "odd", f"sqlite:///{tmp_path}/restored.db")
    assert not (tmp_path / "restored.db").exists()
    with pytest.raises(InvalidArgument, match="path must be a backup"):
        restore(tmp_path / "missing", f"sqlite:///{tmp_path}/restored.db")


def test_a_damaged_backup_is_refused(tmp_path):
    with market_at(f"sqlite:///{tmp_path}/market.db"):
        made = back_up(f"sqlite:///{tmp_path}/market.db", tmp_path / "market.backup")
    content = bytearray(made.path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4_096] = b"\xff" * 4_096
    made.path.write_bytes(content)

    with pytest.raises(InvalidArgument, match="path must be a"):
        restore(made.path, f"sqlite:///{tmp_path}/restored.db")


def test_where_there_is_no_database_no_backup_is_made(tmp_path):
    for url in (f"sqlite:///{tmp_path}/missing.db", "sqlite:///:memory:"):
        with pytest.raises((BackupFailed, InvalidArgument)):
            back_up(url, tmp_path / "market.backup")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_program_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupFailed, match="pg_dump is not on the path"):
        back_up("postgresql://nobody@127.0.0.1:1/none", tmp_path / "market.backup")


def test_a_copy_of_the_file_alone_is_what_this_is_for(tmp_path):
    """The reason for a backup: the file without its log lacks what was written last, or is malformed."""
    url = f"sqlite:///{tmp_path}/market.db"
    with market_at(url):
        shutil.copy(tmp_path / "market.db", tmp_path / "copied.db")
        with sqlite3.connect(tmp_path / "copied.db") as copied:
            try:
                known = copied.execute("SELECT COUNT(*) FROM compute_auction_bids").fetchone()[0]
            except sqlite3.DatabaseError:
                known = 0
        made = back_up(url, tmp_path / "market.backup")
        with sqlite3.connect(made.path) as whole:
            assert whole.execute("SELECT COUNT(*) FROM compute_auction_bids").fetchone()[0] == 3
    assert known < 3

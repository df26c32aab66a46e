"""Which addresses name a database, and what those that do not are told."""

from __future__ import annotations

import pytest

from scidex.errors import DatabaseUnavailable, InvalidDatabaseUrl, ScidexError
from scidex.exchange import compute_auction
from scidex.settings import Settings
from scidex.store import connect, default_database
from tests.databases import query

IMPATIENT = Settings(database_deadline_seconds=1.0)


def test_a_database_opens_and_keeps_what_was_written(empty_url):
    with connect(empty_url) as first:
        taken = compute_auction.ensure_schema(db=first)
    with connect(empty_url) as second:
        assert compute_auction.ensure_schema(db=second) == []
        assert compute_auction.get_pool(db=second).pool == "scidex-agent"
    assert len(taken) > 1


def test_memory_holds_a_market_of_its_own():
    with connect("sqlite:///:memory:") as one, connect("sqlite:///:memory:") as other:
        compute_auction.ensure_schema(db=one)

        assert compute_auction.get_pool(db=one).open_round_id == 1
        assert query(other, "SELECT name FROM sqlite_master") == []


def test_a_path_is_relative_with_three_slashes_and_absolute_with_four(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    connect("sqlite:///here.db").close()
    connect(f"sqlite:///{tmp_path}/there.db").close()
    connect(f"sqlite:////{str(tmp_path)[1:]}/everywhere.db").close()

    assert {path.stem for path in tmp_path.glob("*.db")} == {"here", "there", "everywhere"}


def test_both_names_of_postgresql_are_understood(new_database):
    url = new_database()
    with connect("postgres" + url.removeprefix("postgresql")) as db:
        assert query(db, "SELECT 1") == [(1,)]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "market.db",
        "mysql://localhost/market",
        "sqlite://",
        "sqlite:///",
        "sqlite:///a\x00b",
        "sqlite:////no/such/folder/market.db",
        "postgresql://[::1/market",
        "postgresql://host/market?nonsense=1",
        7,
        b"sqlite:///x.db",
    ],
)
def test_an_address_of_nothing_is_refused_by_name(url):
    with pytest.raises(InvalidDatabaseUrl) as refused:
        connect(url)
    assert refused.value.facts["field"] == "database_url"


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("The quick brown fox jumps over the lazy dog. " * 50)

    with pytest.raises(InvalidDatabaseUrl, match="not a database"):
        connect(f"sqlite:///{tmp_path}/notes.txt")


def test_a_server_that_is_not_there_is_unavailable(tmp_path):
    with (
        connect(f"postgresql://nobody@/market?host={tmp_path}", settings=IMPATIENT) as db,
        pytest.raises(DatabaseUnavailable),
    ):
        db.write(lambda tx: tx.rows("migrations_taken"))


def test_a_password_is_never_told(tmp_path):
    address = f"postgresql://ada:s3cret@/market?host={tmp_path}"
    with connect(address, settings=IMPATIENT) as db, pytest.raises(ScidexError) as refused:
        db.write(lambda tx: tx.rows("migrations_taken"))
    assert "s3cret" not in str(refused.value)
    with pytest.raises(InvalidDatabaseUrl) as refused:
        connect("postgresql://ada:s3cret@host/market?nonsense=1")
    assert "s3cret" not in str(refused.value)


def test_the_environment_names_the_default_database(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIDEX_DATABASE_URL", f"sqlite:///{tmp_path}/default.db")
    database = default_database()
    try:
        assert database is default_database()
        assert (tmp_path / "default.db").exists()
    finally:
        database.close()

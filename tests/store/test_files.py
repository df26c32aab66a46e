"""A SQLite file and those beside it: private, and missed where it, its log or its last writes are gone."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from scidex.errors import DatabaseGone, InvalidArgument, WritesMissing
from scidex.exchange import compute_auction, sealing, token_ledger
from scidex.store import Database, backups, connect


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "market.db"


@pytest.fixture
def market(path) -> Iterator[Database]:
    with connect(f"sqlite:///{path}") as db:
        compute_auction.ensure_schema(db=db)
        yield db


def reopened(path: Path) -> int:
    """Open a market's file anew, and return how many accounts it has."""
    with connect(f"sqlite:///{path}") as db:
        return len(token_ledger.list_accounts(db=db))


def rights_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def test_the_file_and_those_beside_it_are_for_their_user_alone(market, path):
    token_ledger.create_account("ada", db=market)
    sealing.seal_journal(db=market)
    with market.reading() as tx:
        tx.rows("all_pools")

        assert {rights_of(file) for file in path.parent.iterdir()} == {0o600}
    assert {file.name for file in path.parent.iterdir()} >= {path.name, f"{path.name}-wal", f"{path.name}-shm"}


def test_the_rights_of_a_file_that_is_there_stay_as_they_are(path):
    path.touch()
    path.chmod(0o640)
    connect(f"sqlite:///{path}").close()

    assert rights_of(path) == 0o640


@pytest.mark.parametrize("ending", ["-wal", ".admin-key", ".head"])
@pytest.mark.parametrize("is_cut", [False, True])
def test_a_file_that_is_gone_is_missed_by_what_belongs_to_it(path, ending, is_cut):
    beside(path, ending).write_text("something")
    if is_cut:
        path.touch()

    with pytest.raises(DatabaseGone) as refused:
        connect(f"sqlite:///{path}")

    assert refused.value.facts["left"] == [str(beside(path, ending))]
    assert not path.exists() or path.stat().st_size == 0
    beside(path, ending).unlink()
    connect(f"sqlite:///{path}").close()


def test_a_log_that_was_lost_is_missed(market, path, tmp_path):
    killed = tmp_path / "killed.db"
    token_ledger.create_account("ada", db=market)
    shutil.copy(path, killed)  # without its log, as after a kill and a tidy hand
    sealing.seal_journal(db=market)
    shutil.copy(beside(path, ".head"), beside(killed, ".head"))

    with pytest.raises(WritesMissing) as refused:
        connect(f"sqlite:///{killed}")

    assert refused.value.facts["last_entry"] < refused.value.facts["noted_entry"]
    shutil.copy(beside(path, "-wal"), beside(killed, "-wal"))
    assert reopened(killed) == len(token_ledger.list_accounts(db=market))


def test_an_older_copy_is_missed_until_it_is_said_to_be_meant(path, tmp_path):
    with connect(f"sqlite:///{path}") as db:
        compute_auction.ensure_schema(db=db)
        sealing.seal_journal(db=db)
    older = Path(shutil.copy(path, tmp_path / "older.db"))
    with connect(f"sqlite:///{path}") as db:
        token_ledger.create_account("ada", db=db)
        sealing.seal_journal(db=db)
        now = len(token_ledger.list_accounts(db=db))
    shutil.copy(older, path)

    with pytest.raises(WritesMissing):
        reopened(path)
    beside(path, ".head").unlink()
    assert reopened(path) == now - 1


def test_the_market_of_another_is_missed_however_long_its_journal_is(path, tmp_path):
    for place, accounts in ((path, 1), (tmp_path / "other.db", 20)):
        with connect(f"sqlite:///{place}") as db:
            compute_auction.ensure_schema(db=db)
            for number in range(accounts):
                token_ledger.create_account(f"account-{number}", db=db)
            sealing.seal_journal(db=db)
    shutil.copy(tmp_path / "other.db", path)

    with pytest.raises(WritesMissing):
        reopened(path)


@pytest.mark.parametrize("told", ["", "x", "1 2", "1 x y", "\0", "9" * 500])
def test_a_head_that_cannot_be_read_says_nothing(market, path, told):
    market.close()
    beside(path, ".head").write_text(told)

    assert reopened(path) >= 1


def test_a_backup_that_is_brought_back_is_not_held_against_the_head_of_what_was_lost(market, path, tmp_path):
    copy = tmp_path / "market.backup"
    backups.back_up(market.url, copy)
    token_ledger.create_account("ada", db=market)
    sealing.seal_journal(db=market)
    market.close()
    path.unlink()
    with pytest.raises(DatabaseGone):
        reopened(path)

    backups.restore(copy, market.url)

    assert "ada" not in _accounts(path)


def test_no_backup_is_brought_back_beside_the_log_of_another(market, path, tmp_path):
    copy = tmp_path / "market.backup"
    backups.back_up(market.url, copy)
    log = beside(tmp_path / "new.db", "-wal")
    log.write_bytes(b"left")

    with pytest.raises(InvalidArgument, match=r"new\.db-wal"):
        backups.restore(copy, f"sqlite:///{tmp_path}/new.db")
    log.unlink()
    backups.restore(copy, f"sqlite:///{tmp_path}/new.db")


def _accounts(path: Path) -> set[str]:
    with closing(connect(f"sqlite:///{path}")) as db:
        return {account.account_id for account in token_ledger.list_accounts(db=db)}

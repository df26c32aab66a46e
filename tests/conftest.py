"""Fixtures that every test may ask for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from scidex.exchange import compute_auction
from scidex.store import Database, connect
from tests.postgres_markets import PostgresMarkets
from tests.postgres_server import PostgresServer, database_name, running_postgres

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


# Crowds of processes, of which many are told by time: side by side they would take it from each other.
ONE_AFTER_ANOTHER = (
    "tests/agent/",
    "tests/cli/test_fleet.py",
    "tests/cli/test_working.py",
    "tests/faults/",
    "tests/test_demo.py",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Hand out whole files where several processes share the tests: a file's tests share what takes long to make."""
    from xdist.scheduler import LoadScopeScheduling

    class WholeFiles(LoadScopeScheduling):  # type: ignore[misc]  # it comes without types
        def _split_scope(self, nodeid: str) -> str:
            return ONE_AFTER_ANOTHER[0] if nodeid.startswith(ONE_AFTER_ANOTHER) else nodeid.partition("::")[0]

    return WholeFiles(config, log)


@pytest.fixture(scope="session", autouse=True)
def _keys_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the keys of markets under test away from those of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIDEX_KEY_DIRECTORY", str(tmp_path_factory.mktemp("keys")))
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL server for each process that runs tests, started when a test first asks for it."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def new_database(postgres_server: PostgresServer) -> Iterator[Callable[..., str]]:
    """Return a maker of fresh PostgreSQL databases; they are dropped when the test ends."""
    with ExitStack() as databases:
        yield lambda **options: databases.enter_context(postgres_server.new_database(**options))


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> Iterator[str]:
    """The name of a PostgreSQL database that has the schema, an open market and nothing else."""
    with postgres_server.new_database() as dsn:
        with connect(dsn) as db:
            compute_auction.ensure_schema(db=db)
        yield database_name(dsn)


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database with nothing in it, on each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/market.db"
    dsn: str = request.getfixturevalue("new_database")()
    return dsn


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file that has the schema, an open market and nothing else."""
    path = tmp_path_factory.mktemp("template") / "market.db"
    with connect(f"sqlite:///{path}") as db:
        compute_auction.ensure_schema(db=db)
    return path


@pytest.fixture(scope="session")
def postgres_markets(postgres_server: PostgresServer, postgres_template: str) -> Iterator[PostgresMarkets]:
    """A lender of PostgreSQL databases with an open market, which it cleans rather than makes anew."""
    with PostgresMarkets(postgres_server, postgres_template) as markets:
        yield markets


@pytest.fixture(params=["sqlite", "postgres"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An open market without accounts, on SQLite and on PostgreSQL in turn."""
    with ExitStack() as lent:
        if request.param == "sqlite":
            path = shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "market.db")
            url = f"sqlite:///{path}"
        else:
            url = lent.enter_context(request.getfixturevalue("postgres_markets").lend())
        yield lent.enter_context(connect(url))

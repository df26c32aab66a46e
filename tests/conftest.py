"""Fixtures that every test may ask for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from scidex.exchange import compute_auction
from scidex.store import Database, connect
from tests.postgres_server import PostgresServer, database_name, running_postgres

settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL server for the whole session, started when a test first asks for it."""
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


@pytest.fixture(params=["sqlite", "postgres"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An open market without accounts, on SQLite and on PostgreSQL in turn."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/market.db"
    else:
        template = request.getfixturevalue("postgres_template")
        url = request.getfixturevalue("new_database")(template=template)
    with connect(url) as database:
        compute_auction.ensure_schema(db=database)
        yield database

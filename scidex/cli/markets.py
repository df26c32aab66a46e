"""The market that a command acts on: behind a database, or behind a server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from scidex.cli.suggesting import suggesting

if TYPE_CHECKING:
    from scidex.market import Market
    from scidex.store import Database

FLEET_FILE = "scidex.toml"
DEFAULT_FLEET_DATABASE = "sqlite:///.scidex/market.db"


@contextmanager
def market_at(db: str | None, url: str | None, key: str | None) -> Iterator[Market]:
    """
    Give the market behind a database (`db`), or behind a server (`url`, `key`).

    A key that is not given is found where this user serves the market. Raises StoreError, BadParameter.
    """
    address = server_of(db, url)
    if address is None:
        from scidex.market.embedded import EmbeddedMarket

        with opened(db) as database:
            yield EmbeddedMarket(database)
        return
    from scidex.client import Client

    with Client(address, key_of(key)) as served, suggesting(served):
        yield served


def server_of(db: str | None, url: str | None) -> str | None:
    """Return the address of the server that is meant; None where a database is. Raises BadParameter."""
    if url is not None and db is not None:
        raise typer.BadParameter("give either --db or --url", param_hint="--url")
    return url or (os.environ.get("SCIDEX_URL") or None if db is None else None)


def key_of(key: str | None) -> str | None:
    """Return the key that is given, or the environment's."""
    return key or os.environ.get("SCIDEX_KEY")


def database_of(db: str | None) -> str:
    """Return the database that is meant: the one given, the environment's, that of the fleet's file, or the default."""
    from scidex.settings import from_environment

    if db is not None or "SCIDEX_DATABASE_URL" in os.environ:
        return db or from_environment().database_url
    return database_of_fleet(Path.cwd()) or from_environment().database_url


def database_of_fleet(directory: Path) -> str | None:
    """Return the database of the fleet whose file is in this directory or above it; None where there is none."""
    import tomllib

    file = next(
        (place / FLEET_FILE for place in (directory, *directory.parents) if (place / FLEET_FILE).is_file()), None
    )
    if file is None:
        return None
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8")).get("database", DEFAULT_FLEET_DATABASE)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file} cannot be read: {error}", param_hint="--db") from None
    return address_of(str(told), file.parent)


def address_of(database: str, directory: Path) -> str:
    """Return the address of a fleet's database, whose path is meant from a directory. Raises BadParameter."""
    if database.startswith("env:"):
        variable = database.removeprefix("env:")
        if not os.environ.get(variable):
            raise typer.BadParameter(f"{variable} is not set, which the fleet's file names", param_hint="database")
        return os.environ[variable]
    from scidex.store.files import file_of

    path = file_of(database)
    return database if path is None else f"sqlite:///{directory / path}"


@contextmanager
def opened(url: str | None) -> Iterator[Database]:
    """Give the database of a market that is there and up to date; nothing is made. Raises StoreError."""
    from scidex.market.embedded import EmbeddedMarket
    from scidex.store import connect
    from scidex.store.migrate import check_schema

    address = database_of(url)
    check_is_there(address)
    with connect(address) as db:
        check_schema(db)
        with suggesting(EmbeddedMarket(db)):
            yield db


def check_is_there(url: str) -> None:
    """Make sure that a SQLite file is there and not empty before it is opened, which would fill it. Raises NoMarket."""
    from scidex.errors import NoMarket
    from scidex.store.files import file_of

    file = file_of(url)
    if file is not None and not (file.exists() and file.stat().st_size):
        raise NoMarket(database=url, remedy="make one with: scidex init")

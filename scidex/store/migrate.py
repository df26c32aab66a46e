"""Brings a database's schema up to date, forward only."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from scidex.errors import DatabaseForbids, MigrationEdited, NoMarket, SchemaTooNew, SchemaTooOld
from scidex.store.database import Database, Transaction
from scidex.store.statements import Dialect

# Migrations are written for PostgreSQL; these words are all that SQLite spells differently.
_SQLITE_TYPES = {
    "BIGINT": "INTEGER",
    "DOUBLE PRECISION": "REAL",
    "TIMESTAMPTZ": "TEXT",
    ' COLLATE "C"': "",
}
_TYPE = re.compile("|".join(_SQLITE_TYPES))
_END_OF_TABLE = re.compile(r"^\);$", re.MULTILINE)
_LOCK = "scidex schema"


@dataclass(frozen=True)
class Migration:
    """One step of the schema; steps are taken in the order of their names."""

    name: str
    sql: str
    digest: str
    """That of its file as it is written."""


def migrate(db: Database) -> list[str]:
    """
    Take every migration that `db` has not taken, each once, whoever else does the same now.

    A role that may not change the schema is enough where there is none to take. Returns the names of those taken.
    Raises SchemaTooNew where the database has one that this program does not know, MigrationEdited where one was edited
    after it was taken, and SchemaTooOld where the role may not take those that are missing.
    """
    known = migrations(db.dialect)

    def work(tx: Transaction) -> list[str]:
        tx.lock([_LOCK], shared=False)
        if not tx.values("has_schema")[0]:
            tx.run("create_version_table")
        missing = _missing(set(tx.values("migrations_taken")), known)
        for migration in missing:
            tx.script(migration.sql)
            tx.run("note_migration", name=migration.name)
        for migration in _without_digest(tx, known):  # taken just now, or by a version that kept none
            tx.run("note_digest", name=migration.name, digest=migration.digest)
        return [migration.name for migration in missing]

    try:
        return db.write(work)
    except DatabaseForbids as error:
        raise SchemaTooOld(
            fact=error.facts["fact"], remedy="scidex db migrate, as the role that owns the tables"
        ) from error


def check_schema(db: Database) -> None:
    """
    Make sure that a database holds a market, its schema up to date.

    Raises NoMarket, SchemaTooOld, SchemaTooNew, MigrationEdited.
    """
    known = migrations(db.dialect)
    with db.reading() as tx:
        taken = set(tx.values("migrations_taken")) if tx.values("has_schema")[0] else set()
        if not taken:
            raise NoMarket(remedy="make one with: scidex init")
        if missing := _missing(taken, known):
            raise SchemaTooOld(missing_migrations=len(missing), remedy="scidex db migrate")
        _without_digest(tx, known)


def _missing(taken: set[str], known: tuple[Migration, ...]) -> list[Migration]:
    if unknown := taken - {migration.name for migration in known}:
        raise SchemaTooNew(unknown_migration=max(unknown))
    return [migration for migration in known if migration.name not in taken]


@cache
def migrations(dialect: Dialect) -> tuple[Migration, ...]:
    """Every migration of a dialect in order: the shared files, and those marked `.sqlite.sql` or `.postgres.sql`."""
    found = []
    for path in sorted(_folder().glob("*.sql")):
        written_for = path.name.split(".")[1]
        if written_for in ("sql", dialect):
            text = path.read_text(encoding="utf-8")
            sql = in_dialect(text, dialect) if written_for == "sql" else text
            found.append(Migration(path.stem, sql, hashlib.sha256(text.encode()).hexdigest()))
    return tuple(found)


def _without_digest(tx: Transaction, known: tuple[Migration, ...]) -> list[Migration]:
    """Return the migrations of which it is not kept what they said. Raises MigrationEdited where one says another."""
    kept = {row["name"]: row["digest"] for row in tx.rows("migration_digests")}
    for migration in known:
        if kept[migration.name] not in (None, migration.digest):
            raise MigrationEdited(migration=migration.name)
    return [migration for migration in known if kept[migration.name] is None]


def in_dialect(sql: str, dialect: Dialect) -> str:
    """Rewrite PostgreSQL's table definitions for a dialect; SQLite's tables are STRICT."""
    if dialect == "postgres":
        return sql
    return _END_OF_TABLE.sub(") STRICT;", _TYPE.sub(lambda match: _SQLITE_TYPES[match[0]], sql))


def _folder() -> Path:
    packed = Path(__file__).parent / "migrations"
    return packed if packed.is_dir() else Path(__file__).parents[2] / "migrations"

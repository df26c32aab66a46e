"""Remembers: one market's database, SQLite or PostgreSQL, behind `connect(url)`."""

from __future__ import annotations

from scidex import settings as _settings
from scidex.errors import InvalidDatabaseUrl
from scidex.store.database import Database

__all__ = ["Database", "connect", "default_database"]

_default: dict[str, Database] = {}


def connect(url: str | None = None, *, settings: _settings.Settings | None = None) -> Database:
    """
    Open a market's database.

    `sqlite:///market.db` (a path, relative to here), `sqlite:////var/lib/market.db` (absolute),
    `sqlite:///:memory:`, or `postgresql://…`. The schema is made by `compute_auction.ensure_schema`.
    Raises InvalidDatabaseUrl.
    """
    settings = settings or _settings.from_environment()
    url = settings.database_url if url is None else url
    scheme = url.partition("://")[0] if isinstance(url, str) else ""
    if scheme == "sqlite":
        from scidex.store.sqlite import SqliteDatabase  # noqa: PLC0415  (drivers load when asked for)

        return SqliteDatabase(url, deadline_seconds=settings.database_deadline_seconds)
    if scheme in ("postgresql", "postgres"):
        try:
            from scidex.store.postgres import PostgresDatabase  # noqa: PLC0415
        except ModuleNotFoundError as error:
            fact = f"needs {error.name}: install scidex with its extra `postgres`"
            raise InvalidDatabaseUrl(field="database_url", fact=fact) from None

        return PostgresDatabase(
            url,
            connections=settings.postgres_connections,
            deadline_seconds=settings.database_deadline_seconds,
        )
    raise InvalidDatabaseUrl(field="database_url", fact="must begin with sqlite:// or postgresql://")


def default_database() -> Database:
    """Return this process's database of `SCIDEX_DATABASE_URL`, opened once."""
    url = _settings.from_environment().database_url
    if url not in _default:
        _default[url] = connect(url)
    return _default[url]

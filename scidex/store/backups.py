"""Copies of a market's database that are whole, made while it is at work, and brought back."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from scidex.errors import BackupFailed, InvalidArgument
from scidex.store import files

_PRIVATE = 0o600
# Pages copied between two looks of writers at the file; a market of a gigabyte is some 60 such steps.
_PAGES = 4_096
_MOST_ERROR_CHARACTERS = 500

Progress = Callable[[str, int, int], None]


class Backup(NamedTuple):
    """A copy: where it is, and how large."""

    path: Path
    size_bytes: int


def back_up(url: str, path: Path, *, on_progress: Progress | None = None) -> Backup:
    """
    Copy a market's database to a file that no other user can read, whole as of one moment, while it is written to.

    SQLite's own online backup copies an SQLite file; `pg_dump` dumps PostgreSQL in its custom format. The file appears
    at once or not at all. Raises InvalidArgument for a path that is taken, BackupFailed.
    """
    tell = on_progress or (lambda _what, _done, _all: None)
    if path.exists():
        raise InvalidArgument(field="path", value=str(path), fact="must be a file that is not there yet")
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE))
        if _is_sqlite(url):
            _copy(_file_of(url), part, tell)
        else:
            _run(["pg_dump", "--format=custom", "--no-owner", f"--file={part}"], url)
        _flush(part)
        # A link and not a rename: another backup that took the name meanwhile stays as it is.
        os.link(part, path)
    except FileExistsError:
        raise InvalidArgument(field="path", value=str(path), fact="must be a file that is not there yet") from None
    except (OSError, sqlite3.Error) as error:
        raise BackupFailed(fact=str(error)) from error
    finally:
        part.unlink(missing_ok=True)
    return Backup(path, path.stat().st_size)


def restore(path: Path, url: str, *, on_progress: Progress | None = None) -> None:
    """
    Bring a backup back into a database that holds no market yet; prove it with an audit before it is served.

    Raises InvalidArgument for a file that is no backup or a database that is taken, BackupFailed.
    """
    tell = on_progress or (lambda _what, _done, _all: None)
    if not path.is_file():
        raise InvalidArgument(field="path", value=str(path), fact="must be a backup")
    if not _is_sqlite(url):
        _run(["pg_restore", "--exit-on-error", "--no-owner", "--single-transaction", str(path)], url, into=True)
        return
    target = _file_of(url)
    if target.exists():
        raise InvalidArgument(field="db", value=url, fact="must be a database that is not there yet")
    if log := files.log_left(str(target)):
        raise InvalidArgument(field="db", value=url, fact=f"must have no log left of another: move {log} elsewhere")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as source:
            whole = source.execute("PRAGMA integrity_check").fetchone()[0]
            if whole == "ok" and not source.execute("PRAGMA table_info(schema_migrations)").fetchall():
                whole = "it holds no market"
    except sqlite3.Error as error:
        raise InvalidArgument(field="path", value=str(path), fact=f"must be a backup: {error}") from error
    if whole != "ok":
        raise InvalidArgument(field="path", value=str(path), fact=f"must be a backup of a market: {whole[:200]}")
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE))
        _copy(path, part, tell)
        with closing(sqlite3.connect(part)) as copy:
            copy.execute("PRAGMA journal_mode = WAL")
        _flush(part)
        os.link(part, target)
        files.forget_head(str(target))
    except FileExistsError:
        raise InvalidArgument(field="db", value=url, fact="must be a database that is not there yet") from None
    except (OSError, sqlite3.Error) as error:
        raise BackupFailed(fact=str(error)) from error
    finally:
        part.unlink(missing_ok=True)


def _is_sqlite(url: str) -> bool:
    return url.startswith("sqlite:")


def _file_of(url: str) -> Path:
    file = files.file_of(url)
    if file is None:
        raise InvalidArgument(field="db", value=url, fact="must be a database in a file")
    return file


def _copy(source: Path, target: Path, tell: Progress) -> None:
    if not source.is_file():
        raise BackupFailed(fact=f"there is no database {source}")
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as read,
        closing(sqlite3.connect(target)) as written,
    ):
        read.backup(written, pages=_PAGES, progress=lambda _, left, every: tell("pages", every - left, every))
        # One file is all of it: nothing of the copy waits in a log beside it.
        written.execute("PRAGMA journal_mode = DELETE")


def _flush(path: Path) -> None:
    for place in (path, path.parent):
        opened = os.open(place, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _run(command: Sequence[str], url: str, *, into: bool = False) -> None:
    """Run one of PostgreSQL's programs on a database; its password stands in no list of processes."""
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415  (an extra, for PostgreSQL alone)

    program = shutil.which(command[0])
    if program is None:
        raise BackupFailed(fact=f"{command[0]} is not on the path; it comes with PostgreSQL's client programs")
    known = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    environment = {**os.environ, **{names[name]: value for name, value in known.items() if name in names}}
    words = [program, *command[1:]]
    if into:
        words.insert(1, f"--dbname={known.get('dbname', '')}")
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, errors="replace")  # noqa: S603
    if done.returncode != 0:
        raise BackupFailed(fact=f"{command[0]}: {done.stderr.strip()[:_MOST_ERROR_CHARACTERS]}")

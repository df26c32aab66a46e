"""A SQLite file and those beside it: private from the first byte, and missed where what belongs to it is there."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from scidex.errors import DatabaseGone

_PRIVATE = 0o600
_HEAD_BYTES = 200


def file_of(url: str) -> Path | None:
    """Return the file that a database's address names; None for one in memory or on PostgreSQL."""
    path = url.removeprefix("sqlite://").removeprefix("/")
    return Path(path) if url.startswith("sqlite:") and path not in ("", ":memory:") else None


class Head(NamedTuple):
    """How far a journal had come: the number of its last seal, of the last entry in it, and the digest up to there."""

    seal_number: int
    entry_id: int
    digest: str


def prepare(path: str) -> None:
    """
    Make a database's file where there is none, for its user alone; SQLite gives the files beside it the same rights.

    Raises DatabaseGone where it is missing or empty and what belonged to it is not.
    """
    file = Path(path)
    if _has_bytes(file):
        return
    if left := [str(one) for one in _companions(file) if _has_bytes(one)]:
        raise DatabaseGone(
            path=path, left=left, remedy="bring a backup back; for a new market move what is left elsewhere"
        )
    with suppress(OSError):  # SQLite says better what is wrong
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, _PRIVATE))


def note_head(path: str, head: Head) -> None:
    """Keep how far the journal has come in a small file beside the database."""
    file = _head_file(Path(path))
    new = file.with_name(f"{file.name}.{os.getpid()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE), "w", encoding="ascii") as out:
        out.write(f"{head.seal_number} {head.entry_id} {head.digest}\n")
    new.replace(file)


def noted_head(path: str) -> Head | None:
    """Return how far the journal had come when that was noted last; None where it was not, or cannot be read."""
    try:
        with _head_file(Path(path)).open(encoding="ascii") as noted:
            seal_number, entry_id, digest = noted.read(_HEAD_BYTES).split()
        return Head(int(seal_number), int(entry_id), digest)
    except (OSError, ValueError):
        return None


def forget_head(path: str) -> None:
    """Forget how far the journal had come: another one takes its place."""
    _head_file(Path(path)).unlink(missing_ok=True)


def log_left(path: str) -> Path | None:
    """Return the log of a database that is gone; it would be mixed into the next one of that name."""
    log = Path(f"{path}-wal")
    return log if _has_bytes(log) else None


def _companions(file: Path) -> tuple[Path, ...]:
    return (Path(f"{file}-wal"), Path(f"{file}.admin-key"), _head_file(file))


def _head_file(file: Path) -> Path:
    return file.with_name(f"{file.name}.head")


def _has_bytes(file: Path) -> bool:
    try:
        return file.stat().st_size > 0
    except OSError:
        return False

"""The operator's own key: made when a market is first served, kept in a file that nobody else can read."""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path

from scidex import settings as _settings
from scidex.errors import NotAuthenticated, UnknownKey
from scidex.exchange import keys
from scidex.settings import TREASURY
from scidex.store import Database

_PRIVATE = 0o600
_LABEL = "of the operator, made when the market was first served"


def operator_key(db: Database) -> str:
    """
    Return the text of a market's admin key, made where its file is missing or holds none that works.

    A file that others could read is not trusted: its key is revoked and another one made. Raises OSError where the
    file cannot be written.
    """
    file = key_file(db.url)
    known = _read(file)
    if known is not None and _works(known, db):
        if file is not None and _is_private(file):
            return known
        with suppress(UnknownKey):
            keys.revoke_key(keys.id_of(known), db=db)
    made = keys.create_key(TREASURY, ["admin"], label=_LABEL, db=db).text
    assert made is not None, "nobody asked for this key before"
    if file is not None:
        _write(file, made)
    return made


def session_secret(text: str) -> bytes:
    """Return what a server signs sessions with, so that they outlive it, and end with the operator's key."""
    return hashlib.sha256(f"sessions {text}".encode()).digest()


def key_file(url: str) -> Path | None:
    """Return where the admin key of a market's database is kept: beside a file, None for a market in memory."""
    if url.startswith("sqlite:"):
        path = url.removeprefix("sqlite://").removeprefix("/")
        return None if path == ":memory:" else Path(f"{path}.admin-key")
    return _folder() / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.admin-key"


def announce(address: str, text: str) -> None:
    """Let commands of this user find the key of a market that is served at an address. Raises OSError."""
    _write(_file_of(address), text)


def withdraw(address: str, text: str) -> None:
    """Forget the key of a market that is served no more, unless another took its address."""
    if _read(_file_of(address)) == text:
        _file_of(address).unlink(missing_ok=True)


def found_key(address: str) -> str | None:
    """Return the key that was announced for an address, or None."""
    file = _file_of(address)
    return _read(file) if _is_private(file) else None


def _file_of(address: str) -> Path:
    return _folder() / f"{re.sub(r'[^0-9A-Za-z]+', '-', address.rstrip('/'))}.served-key"


def _folder() -> Path:
    return Path(_settings.from_environment().key_directory).expanduser()


def _read(file: Path | None) -> str | None:
    try:
        return file.read_text(encoding="ascii").strip() if file else None
    except (OSError, UnicodeDecodeError):
        return None


def _write(file: Path, text: str) -> None:
    """Write a file that was never readable for others, not even while it was written."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = file.with_name(f"{file.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "w", encoding="ascii") as out:
        out.write(f"{text}\n")
    new.replace(file)


def _is_private(file: Path) -> bool:
    try:
        known = file.stat()
    except OSError:
        return False
    return known.st_uid == os.geteuid() and not known.st_mode & 0o077


def _works(text: str, db: Database) -> bool:
    try:
        return "admin" in keys.authenticate(text, db=db).scopes
    except NotAuthenticated:
        return False

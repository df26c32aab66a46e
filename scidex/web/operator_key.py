"""The operator's own key: made when a market is first served, kept in a file that nobody else can read."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from scidex import keyring
from scidex.errors import NotAuthenticated, UnknownKey
from scidex.exchange import keys
from scidex.settings import TREASURY
from scidex.store import Database
from scidex.store.files import file_of

_LABEL = "of the operator, made when the market was first served"


def operator_key(db: Database) -> str:
    """
    Return the text of a market's admin key, made where its file is missing or holds none that works.

    A file that others could read is not trusted: its key is revoked and another one made. Raises OSError where the
    file cannot be written.
    """
    file = key_file(db.url)
    known = keyring.read(file)
    if known is not None and _works(known, db):
        if file is not None and keyring.is_private(file):
            return known
        with suppress(UnknownKey):
            keys.revoke_key(keys.id_of(known), db=db)
    made = keys.create_key(TREASURY, ["admin"], label=_LABEL, db=db).text
    assert made is not None, "nobody asked for this key before"
    if file is not None:
        keyring.write(file, made)
    return made


def session_secret(text: str) -> bytes:
    """Return what a server signs sessions with, so that they outlive it, and end with the operator's key."""
    return hashlib.sha256(f"sessions {text}".encode()).digest()


def key_file(url: str) -> Path | None:
    """Return where the admin key of a market's database is kept: beside a file, None for a market in memory."""
    if url.startswith("sqlite:"):
        file = file_of(url)
        return None if file is None else Path(f"{file}.admin-key")
    return keyring.folder() / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.admin-key"


def _works(text: str, db: Database) -> bool:
    try:
        return "admin" in keys.authenticate(text, db=db).scopes
    except NotAuthenticated:
        return False

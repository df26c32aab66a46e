"""Keys of served markets in files that no other user of the machine can read."""

from __future__ import annotations

import os
import re
from pathlib import Path

from scidex import settings as _settings

_PRIVATE = 0o600


def announce(address: str, text: str) -> None:
    """Let commands of this user find the key of a market that is served at an address. Raises OSError."""
    write(_file_of(address), text)


def withdraw(address: str, text: str) -> None:
    """Forget the key of a market that is served no more, unless another took its address."""
    if read(_file_of(address)) == text:
        _file_of(address).unlink(missing_ok=True)


def found_key(address: str) -> str | None:
    """Return the key that was announced for an address, or None."""
    file = _file_of(address)
    return read(file) if is_private(file) else None


def _file_of(address: str) -> Path:
    return folder() / f"{re.sub(r'[^0-9A-Za-z]+', '-', address.rstrip('/'))}.served-key"


def folder() -> Path:
    return Path(_settings.from_environment().key_directory).expanduser()


def read(file: Path | None) -> str | None:
    try:
        return file.read_text(encoding="ascii").strip() if file else None
    except (OSError, UnicodeDecodeError):
        return None


def write(file: Path, text: str) -> None:
    """Write a file that was never readable for others, not even while it was written."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = file.with_name(f"{file.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "w", encoding="ascii") as out:
        out.write(f"{text}\n")
    new.replace(file)


def is_private(file: Path) -> bool:
    try:
        known = file.stat()
    except OSError:
        return False
    return known.st_uid == os.geteuid() and not known.st_mode & 0o077

"""A run's files, on their way to the node that it runs on and back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from scidex.agent.executors.runs import RunResult

MOST_FILE_BYTES = 4_000_000
MOST_BYTES = 16_000_000


@dataclass(frozen=True)
class Parcel:
    """What came of a run elsewhere, and the files that it left at the top of its directory."""

    result: RunResult
    files: Mapping[str, bytes]


def pack(directory: Path) -> dict[str, bytes]:
    """Return the plain files at the top of a directory, by name; large ones, and all beyond a sum, are left out."""
    packed, room = {}, MOST_BYTES
    for path in _plain_files(directory):
        content = _read(path, min(room, MOST_FILE_BYTES))
        if content is not None:
            packed[path.name] = content
            room -= len(content)
    return packed


def unpack(files: Mapping[str, bytes], directory: Path) -> None:
    """Write files into a directory; those that are there with that content are left alone. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, content in files.items():
        path = directory / Path(name).name
        # A link that a command left must not lead the content elsewhere.
        if path.is_symlink() or _read(path, len(content)) != content:
            path.unlink(missing_ok=True)
            path.write_bytes(content)


def _plain_files(directory: Path) -> Iterator[Path]:
    with os.scandir(directory) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_file(follow_symlinks=False):
                yield Path(entry.path)


def _read(path: Path, most: int) -> bytes | None:
    try:
        with path.open("rb") as stream:
            content = stream.read(most + 1)
    except OSError:
        return None
    return content if len(content) <= most else None

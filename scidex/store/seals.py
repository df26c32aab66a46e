"""The journal's chain of digests: what an entry adds to it, and which entry of a sealed stretch is not as it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from scidex.store.database import text_of

NOTHING = "0" * 64
"""The digest of a journal without entries."""

# Without marks an audit could name the seal that is broken, and not the entry. They take some 20 bytes an entry.
_MARK_CHARACTERS = 12


class Link(NamedTuple):
    """An entry in the chain: the digest of the journal up to it, and a mark by which it is known again."""

    entry_id: int
    digest: str
    mark: str


def links(digest: str, entries: Iterable[Sequence[Any]]) -> list[Link]:
    """Return what entries add to a chain that has come to `digest`; each is its columns in the order of the table."""
    chain = []
    for entry in entries:
        own = hashlib.sha256(canonical(entry)).hexdigest()
        digest = hashlib.sha256(f"{digest}{own}".encode("ascii")).hexdigest()
        chain.append(Link(entry[0], digest, own[:_MARK_CHARACTERS]))
    return chain


def canonical(entry: Sequence[Any]) -> bytes:
    """Return the bytes of an entry, the same on every database: number, verb, actor, arguments, made up, instant."""
    *columns, made_at = entry
    # SQLite keeps instants as the text that this makes of them.
    instant = text_of(made_at) if isinstance(made_at, datetime) else made_at
    return json.dumps([*columns, instant], separators=(",", ":")).encode("ascii")


def marks_of(chain: Iterable[Link]) -> str:
    """Return the marks of entries as they are kept."""
    return " ".join(f"{link.entry_id}:{link.mark}" for link in chain)


def first_difference(marks: str, chain: Sequence[Link]) -> str | None:
    """Say which entry is the first that is not as its mark says, and what became of it; None where none is known."""
    try:
        sealed = [(int(number), mark) for number, _, mark in (one.partition(":") for one in marks.split(" "))]
    except ValueError:  # the marks themselves were changed
        return None
    there = [(link.entry_id, link.mark) for link in chain]
    for (number, mark), (present, present_mark) in zip(sealed, there, strict=False):
        if present != number:
            return f"entry {number} was removed" if present > number else f"entry {present} was inserted"
        if mark != present_mark:
            return f"entry {number} was altered"
    if len(sealed) > len(there):
        return f"entry {sealed[len(there)][0]} was removed"
    return f"entry {there[len(sealed)][0]} was inserted" if len(there) > len(sealed) else None

"""Answers as values of JSON and back: what a verb returned, so that it can be returned again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from scidex import records

_KINDS: dict[str, Any] = {
    name: kind for name, kind in vars(records).items() if isinstance(kind, type) and issubclass(kind, tuple)
}
_PLAIN = (str, int, float, bool, type(None))


def packed(value: Any) -> Any:
    """Return an answer as JSON holds it. Raises TypeError for a kind that is not known."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, datetime):
        return {"instant": value.astimezone(UTC).isoformat(timespec="microseconds")}
    if isinstance(value, dict):
        names = sorted(value)  # as the journal keeps them, so that a replay makes the same answer
        return {"names": names, "values": [packed(value[name]) for name in names]}
    items = [item if type(item) in _PLAIN else packed(item) for item in value]
    if isinstance(value, list):
        return items
    kind = type(value).__name__
    if type(value) is not tuple and _KINDS.get(kind) is not type(value):
        raise TypeError(f"not an answer: {kind}")
    return {"kind": kind, "items": items}


def unpacked(value: Any) -> Any:
    """Return the answer that was packed."""
    if isinstance(value, list):
        return [unpacked(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "instant" in value:
        return datetime.fromisoformat(value["instant"])
    if "names" in value:
        return dict(zip(value["names"], map(unpacked, value["values"]), strict=True))
    items = map(unpacked, value["items"])
    return tuple(items) if value["kind"] == "tuple" else _KINDS[value["kind"]](*items)

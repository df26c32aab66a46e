"""Reading what others wrote: numbers that are none are refused by name, and never taken for 0."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from scidex.errors import shown
from scidex.settings import MOST_TOKENS

MOST_COST_USD = 1e9


def tokens(found: Any, name: str) -> int:
    """Return a number of tokens. Raises ValueError."""
    if type(found) is not int or not 0 <= found <= MOST_TOKENS:
        raise ValueError(f"gives no whole number of {name}: {shown(found)}")
    return found


def tokens_or_none_told(found: Any, name: str) -> int:
    """Return a number of tokens, 0 where the format leaves out a part of which there was none. Raises ValueError."""
    return 0 if found is None else tokens(found, name)


def usd(found: Any, name: str) -> float | None:
    """Return an amount of USD, None where none is given. Raises ValueError."""
    if found is None:
        return None
    if type(found) not in (int, float) or not 0 <= found <= MOST_COST_USD or not math.isfinite(found):
        raise ValueError(f"gives no amount of {name}: {shown(found)}")
    return float(found)


def mapping(found: Any, name: str) -> dict[str, Any]:
    """Return an object. Raises ValueError."""
    if not isinstance(found, dict):
        raise ValueError(f"gives no object of {name}: {shown(found)}")
    return found


def events(text: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a text that are a line each; what else stands between them is passed over."""
    for line in text.splitlines():
        if line.lstrip().startswith("{"):
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(found, dict):
                yield found


def whole_or_last(text: str) -> dict[str, Any]:
    """Return the object that a text is, or else the last that is a line of it. Raises ValueError."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, list):  # every message of a session, the result at the end
        found = next((one for one in reversed(found) if isinstance(one, dict)), None)
    if isinstance(found, dict):
        return found
    if not (found_events := list(events(text))):
        raise ValueError("holds no JSON object")
    return found_events[-1]

"""Reading what others wrote: what is not a number is refused by name, and what cannot be read is not passed over."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from scidex.errors import shown
from scidex.settings import MOST_TOKENS

MOST_COST_USD = 1e9


# --- numbers


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


def share(found: Any, whole: float) -> float | None:
    """Return a part of a whole as a number from 0 on; None for whatever is none."""
    return float(found / whole) if type(found) in (int, float) and 0 <= found <= 10 * whole else None


def mapping(found: Any, name: str) -> dict[str, Any]:
    """Return an object. Raises ValueError."""
    if not isinstance(found, dict):
        raise ValueError(f"gives no object of {name}: {shown(found)}")
    return found


def text(found: Any) -> str:
    """Return a text, an empty one for whatever is none."""
    return found if isinstance(found, str) else ""


# --- JSON among other output


@dataclass(frozen=True)
class Broken:
    """A part of a text that begins, or ends, like a JSON object and cannot be read as one."""

    text: str

    def may_hold(self, marks: Iterable[str]) -> bool:
        """Whether this may have been an event of these kinds: it names one, or breaks off before it names any."""
        if any(mark in self.text for mark in marks):
            return True
        return self.text.startswith(("{", "[{")) and not _KIND.search(self.text)


_KIND = re.compile(r'"type"\s*:\s*"[^"]*"')
# What terminals are told: titles, colours, and where to write. It may stand before, between and behind the events.
_TERMINAL = re.compile(
    r"\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)|\x1b[PX^_][^\n]*?\x1b\\|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~]"
    "|[\x00\x07\x08\ufeff]"
)
_OPENS = re.compile(r"[{\[]")
# An object, or an array of objects; other text in brackets is no JSON that an agent prints.
_BEGINS = re.compile(r'(?:\[\s{0,200})?\{\s{0,200}(?:["}]|\Z)')
_DECODER = json.JSONDecoder()
# Each look beyond a line may cost as much as the whole text is long.
_MOST_LOOKS_BEYOND = 200


def documents(found: str) -> Iterator[dict[str, Any] | Broken]:
    """
    Yield the JSON objects of a text in their order, those in arrays too, and what looks like one and cannot be read.

    An object may be a line, stand on several lines, or among other output. Only a line feed ends a line: JSON may hold
    the other characters that Unicode takes for the end of one.
    """
    found = _TERMINAL.sub("", found)
    begin, looks = 0, 0
    while begin < len(found):
        end = _end_of_line(found, begin)
        at, between = begin, ""
        while (bracket := _OPENS.search(found, at, end)) is not None:
            opening = bracket.start()
            between += found[at:opening]
            if not _BEGINS.match(found, opening):
                between += found[opening]
                at = opening + 1
                continue
            value, at = _decoded(found, opening, end)
            if value is None and looks < _MOST_LOOKS_BEYOND and found[opening:end].rstrip()[-1:] in ("{", "[", ","):
                looks += 1
                value, at = _decoded(found, opening, len(found))
            if value is None:
                # Other events may follow on the lines after it, but nothing within it stands for itself.
                end = max(end, found.rfind("\n", opening, at))
                yield Broken(found[opening:end])
                at, between = end, ""
                break
            yield from _objects(value)
            end = _end_of_line(found, at)
        between += found[at:end]
        if between.count("}") > between.count("{"):  # the end of an object whose beginning is lost
            yield Broken(found[begin:end])
        begin = end + 1


def _decoded(found: str, opening: int, end: int) -> tuple[Any, int]:
    """Return the value that begins here and where it ends; None, and where it fails, if it cannot be read."""
    try:
        value, length = _DECODER.raw_decode(found[opening:end])
    except json.JSONDecodeError as error:
        return None, opening + error.pos
    except RecursionError:
        return None, end
    return value, opening + length


def objects(found: str, *, marks: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return the JSON objects of a text. Raises ValueError where one that may be of these kinds cannot be read."""
    told: list[dict[str, Any]] = []
    for one in documents(found):
        if isinstance(one, dict):
            told.append(one)
        elif marks and one.may_hold(marks):
            raise ValueError(f"holds a part that cannot be read: {shown(one.text)}")
    return told


def _end_of_line(found: str, begin: int) -> int:
    end = found.find("\n", begin)
    return len(found) if end < 0 else end


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        yield from (one for one in value if isinstance(one, dict))

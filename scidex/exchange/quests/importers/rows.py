"""What every format is read into, and every fault of a text gathered before it is refused."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from scidex.errors import ImportRefused, InvalidArgument, shown
from scidex.exchange.arguments import MOST_TEXT_CHARACTERS
from scidex.exchange.quests import fields

_MOST_FAULTS = 1_000


class Rows(NamedTuple):
    """A backlog as it was read: quests and tasks by the names of their fields, and the line of each task."""

    quests: list[dict[str, Any]]
    tasks: list[dict[str, Any]]
    lines: list[int]


class Reader:
    """Gathers the rows of a text and its faults, which are told all at once."""

    def __init__(self) -> None:
        self._quests: dict[str, dict[str, Any]] = {}
        self._tasks: list[dict[str, Any]] = []
        self._lines: list[int] = []
        self._faults: list[tuple[int, str, str]] = []

    def fault(self, line: int, field: str, fact: str) -> None:
        """Note what is wrong with a field of a line."""
        self._faults.append((line, field, fact))

    def quest(self, line: int, quest: dict[str, Any], *, place: str = "") -> None:
        """Take a quest; one that is named again keeps what it was given."""
        if self._sound(line, fields.quest_faults(quest), place):
            self._quests.setdefault(quest["quest_id"], {}).update(quest)

    def task(self, line: int, task: dict[str, Any], *, place: str = "") -> None:
        """Take a task, and its quest."""
        if self._sound(line, fields.task_faults(task), place):
            self._tasks.append(task)
            self._lines.append(line)
            self._quests.setdefault(task["quest_id"], {"quest_id": task["quest_id"]})

    def rows(self) -> Rows:
        """Return what was read. Raises ImportRefused with every fault there was."""
        if self._faults:
            raise ImportRefused(errors=tuple(sorted(self._faults)[:_MOST_FAULTS]))
        return Rows(list(self._quests.values()), self._tasks, self._lines)

    def _sound(self, line: int, faults: list[InvalidArgument], place: str) -> bool:
        for fault in faults:
            self.fault(line, place + fault.field, f"{fault.fact}; got {shown(fault.value)}")
        return not faults


def parsed(text: str) -> Any:
    """Return the value of a JSON text. Raises ValueError for what is none: NaN, a name twice, too deep a nest."""
    try:
        return json.loads(text, parse_constant=_no_number, object_pairs_hook=_each_name_once)
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def json_lines(text: str, reader: Reader) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the line and the object of each line of a JSON Lines text that is not blank."""
    # Not splitlines(): a JSON text may have other line separators within its strings.
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = parsed(line)
        except ValueError as error:
            reader.fault(number, "line", f"is no JSON: {_first_line(error)}")
            continue
        if isinstance(value, dict):
            yield number, value
        else:
            reader.fault(number, "line", f"must be a JSON object; got {shown(value)}")


def json_array(text: str, reader: Reader) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """
    Yield the line, the place and the object of each item of a JSON array.

    The array may stand alone or be the `data` of an envelope.
    """
    text = text.removeprefix("\ufeff")
    try:
        whole = parsed(text)
    except ValueError as error:
        reader.fault(getattr(error, "lineno", 1), "text", f"is no JSON: {_first_line(error)}")
        return
    items = whole.get("data") if isinstance(whole, Mapping) else whole
    if not isinstance(items, list):
        reader.fault(1, "text", "must be a JSON array, or an object with an array named data")
        return
    lines = _lines_of_items(text, len(items), enveloped=items is not whole)
    for index, (item, line) in enumerate(zip(items, lines, strict=True)):
        if isinstance(item, dict):
            yield line, f"[{index}].", item
        else:
            reader.fault(line, f"[{index}]", f"must be a JSON object; got {shown(item)}")


def one_line(value: Any) -> Any:
    """Return a text as a title may have it: on one line, nothing invisible, not too long."""
    if not isinstance(value, str):
        return value
    line = "".join(" " if unicodedata.category(one) in ("Cc", "Zl", "Zp") else one for one in value)
    return line.strip()[:MOST_TEXT_CHARACTERS]


def _lines_of_items(text: str, count: int, *, enveloped: bool) -> list[int]:
    decoder = json.JSONDecoder()
    place = text.find("[", text.find('"data"') if enveloped else 0) + 1
    lines: list[int] = []
    while len(lines) < count:
        place += len(text[place:]) - len(text[place:].lstrip(" \t\r\n,"))
        lines.append(text.count("\n", 0, place) + 1)
        place = decoder.raw_decode(text, place)[1]
    return lines


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {shown(twice)} stands twice")
    return found


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200]

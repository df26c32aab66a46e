"""What every format is read into: tasks and quests, and reports of what was left out, passed over or doubtful."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from scidex.errors import ImportRefused, InvalidArgument, shown
from scidex.exchange.arguments import MOST_TEXT_CHARACTERS
from scidex.exchange.quests import fields
from scidex.records import ImportReport

_MOST_FAULTS = 1_000


class Rows(NamedTuple):
    """A backlog as it was read: quests and tasks by the names of their fields, the line of each task, and reports."""

    quests: list[dict[str, Any]]
    tasks: list[dict[str, Any]]
    lines: list[int]
    reports: list[ImportReport]
    passed_over: dict[str, int]


class _Read(NamedTuple):
    line: int
    task: dict[str, Any]
    updated_at: datetime | None


class Reader:
    """Gathers the rows of a text; a line that cannot be read is left out and reported, the others stand."""

    def __init__(self) -> None:
        self._quests: dict[str, dict[str, Any]] = {}
        self._tasks: dict[str, _Read] = {}
        self._reports: list[ImportReport] = []
        self._passed_over: Counter[str] = Counter()

    def fault(self, line: int, field: str, fact: str) -> None:
        """Report that a line is left out, and why."""
        self._reports.append(ImportReport(line, field, fact, left_out=True))

    def note(self, line: int, field: str, fact: str) -> None:
        """Report something doubtful of a line that is taken all the same."""
        self._reports.append(ImportReport(line, field, fact, left_out=False))

    def pass_over(self, kind: str) -> None:
        """Count a record that is not work."""
        self._passed_over[kind] += 1

    def quest(self, line: int, quest: dict[str, Any], *, place: str = "") -> None:
        """Take a quest; one that is named again keeps what it was given."""
        if self._sound(line, fields.quest_faults(quest), place):
            self._quests.setdefault(quest["quest_id"], {}).update(quest)

    def task(self, line: int, task: dict[str, Any], *, place: str = "", updated_at: Any = None) -> None:
        """Take a task, and its quest. Of two with one id the newer by `updated_at` counts, else the later line."""
        if not self._sound(line, fields.task_faults(task), place):
            return
        name, changed = task["task_id"], instant_of(updated_at)
        before = self._tasks.get(name)
        if before is not None:
            older = changed is not None and before.updated_at is not None and changed < before.updated_at
            self.note(line, f"{place}task_id", f"{shown(name)} appears twice; the newer record counts")
            if older:
                return
        self._tasks[name] = _Read(line, task, changed)

    def named(self, task_id: str) -> dict[str, Any] | None:
        """Return a task that was taken, to be completed by what other lines say."""
        read = self._tasks.get(task_id)
        return read.task if read else None

    def line_of(self, task_id: str) -> int:
        """Return the line of a task that was taken."""
        return self._tasks[task_id].line

    def rows(self) -> Rows:
        """Return what was read."""
        quests = {read.task["quest_id"]: {"quest_id": read.task["quest_id"]} for read in self._tasks.values()}
        return Rows(
            list((quests | self._quests).values()),
            [read.task for read in self._tasks.values()],
            [read.line for read in self._tasks.values()],
            sorted(self._reports, key=lambda report: (report.line, report.field)),
            dict(self._passed_over),
        )

    def _sound(self, line: int, faults: list[InvalidArgument], place: str) -> bool:
        for fault in faults:
            self.fault(line, place + fault.field, f"{fault.fact}; got {shown(fault.value)}")
        return not faults


def refuse_faults(rows: Rows) -> None:
    """Refuse a backlog of which anything was left out. Raises ImportRefused with every fault there was."""
    faults = [(report.line, report.field, report.fact) for report in rows.reports if report.left_out]
    if faults:
        raise ImportRefused(errors=tuple(faults[:_MOST_FAULTS]))


def hold(task: dict[str, Any], reason: str) -> None:
    """Hold a task back, unless it has ended."""
    if task.get("status", "open") not in ("done", "failed"):
        said = task.get("status_reason")
        task |= {"status": "held", "status_reason": one_line(f"{said}; {reason}" if said else reason)}


def parsed(text: str) -> Any:
    """Return the value of a JSON text. Raises ValueError for what is none: NaN, a name twice, too deep a nest."""
    try:
        return json.loads(text, parse_constant=_no_number, object_pairs_hook=_each_name_once)
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def instant_of(value: Any) -> datetime | None:
    """Return an instant that a source wrote as ISO 8601 text, in UTC where it names no zone; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def json_lines(text: str, reader: Reader) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the line and the object of each line of a JSON Lines text that is not blank."""
    # Not splitlines(): a JSON text may have other line separators within its strings.
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = parsed(line)
        except ValueError as error:
            reader.fault(number, "line", f"is not JSON: {_first_line(error)}")
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
        reader.fault(getattr(error, "lineno", 1), "text", f"is not JSON: {_first_line(error)}")
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


def array_or_lines(text: str, reader: Reader) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Yield the line, the place and the object of each item of a JSON array, or of each line of JSON Lines."""
    start = text.removeprefix("\ufeff").lstrip()
    if not start:
        # What a program that failed prints: not a backlog without tasks.
        reader.fault(1, "text", "is empty")
    elif start.startswith("[") or '"data"' in start.split("\n", 1)[0]:
        yield from json_array(text, reader)
    else:
        for line, item in json_lines(text, reader):
            yield line, "", item


def one_line(value: Any) -> Any:
    """Return a text as a title may have it: on one line, nothing invisible, not too long."""
    if not isinstance(value, str):
        return value
    line = "".join(" " if unicodedata.category(one) in ("Cc", "Zl", "Zp", "Cs") else one for one in value)
    return line.strip()[:MOST_TEXT_CHARACTERS]


def texts_of(value: Any) -> list[str]:
    """Return the texts of a list of them, or of objects with a name; whatever else is in it says nothing."""
    if not isinstance(value, list):
        return []
    named = [one.get("name") if isinstance(one, Mapping) else one for one in value]
    return [one_line(name) for name in named if isinstance(name, str)]


def cut(reader: Reader, line: int, field: str, body: Any, most: int) -> str:
    """Return a body whole, or its beginning where it is longer than `most`, which is reported."""
    if not isinstance(body, str):
        return ""
    if len(body) > most:
        reader.note(line, field, f"has {len(body):,} characters and is cut after {most:,}")
    return body[:most]


def _lines_of_items(text: str, count: int, *, enveloped: bool) -> list[int]:
    decoder = json.JSONDecoder()
    place = text.find("[", text.find('"data"') if enveloped else 0) + 1
    lines: list[int] = []
    number, counted = 1, 0
    while len(lines) < count:
        place += _width_of_gap(text, place)
        number += text.count("\n", counted, place)
        counted = place
        lines.append(number)
        place = decoder.raw_decode(text, place)[1]
    return lines


def _width_of_gap(text: str, place: int) -> int:
    width = 0
    while text[place + width : place + width + 1] in (" ", "\t", "\r", "\n", ","):
        width += 1
    return width


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {shown(twice)} stands twice")
    return found


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200]

"""The market's own fields, as JSON Lines or CSV: a line is a task, or a quest where it has no task_id."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from scidex.exchange.quests.importers.options import DEFAULTS, ReadOptions
from scidex.exchange.quests.importers.rows import Reader, Rows, json_lines, parsed, texts_of
from scidex.exchange.quests.importers.statuses import Statuses
from scidex.exchange.quests.importers.tables import table_rows
from scidex.exchange.quests.importers.values import ValueOf, estimate

_NUMBERS = {"priority": int, "estimated_cost_tokens": int, "expected_value_usd": float}
_LISTS = ("depends_on", "labels")


def read_jsonl(text: str, options: ReadOptions = DEFAULTS) -> Rows:
    """
    Read tasks and quests from JSON Lines, by add_task's and add_quest's argument names; null is as if left out.

    A task without `expected_value_usd` may have `labels` or a `priority` that tell it; one without a `quest_id` belongs
    to the one given.
    """
    reader = Reader()
    _take(reader, json_lines(text, reader), options)
    return reader.rows()


def read_csv(text: str, options: ReadOptions = DEFAULTS) -> Rows:
    """
    Read tasks and quests from CSV, whose first line names the columns as read_jsonl's fields are named.

    An empty cell says nothing; `depends_on` and `labels` are lists with a space or a semicolon between their items, and
    `payload` is a JSON object.
    """
    reader = Reader()
    _take(reader, _cells(text, reader), options)
    return reader.rows()


def _take(reader: Reader, found: Iterator[tuple[int, dict[str, Any]]], options: ReadOptions) -> None:
    value_of, statuses = ValueOf(options.value_table), Statuses(options.status_table)
    for line, given in found:
        fields = {name: value for name, value in given.items() if value is not None}
        if "task_id" not in fields:
            reader.quest(line, fields)
            continue
        task = {**({"quest_id": options.quest_id} if options.quest_id else {}), **fields}
        priority, listed = task.pop("priority", None), task.pop("labels", [])
        labels = texts_of(listed)
        if not isinstance(listed, list) or len(labels) != len(listed):
            reader.fault(line, "labels", "must be a list of texts")
            continue
        if "expected_value_usd" not in task and (labels or priority is not None):
            worth = value_of.task(task.get("quest_id"), priority, labels)
            task["expected_value_usd"] = worth.usd
            if worth.unread:
                reader.note(line, "priority", f"{worth.unread} is not known and counts as the middle one")
        if "estimated_cost_tokens" not in task and (said := estimate(labels)) is not None:
            task["estimated_cost_tokens"] = said
        if "status" in task:
            task = {**statuses.fields(task.pop("status")), **task}
        updated_at = task.pop("updated_at", None)
        reader.task(line, {name: _instant(name, value) for name, value in task.items()}, updated_at=updated_at)


def _instant(name: str, value: Any) -> Any:
    """Return an instant that is written as text; what is none stays, for its own refusal."""
    if name != "deadline_at" or not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return value


def _cells(text: str, reader: Reader) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, row in table_rows(text, reader, columns_once=True):
        fields = _fields(reader, line, {name: cells[0] for name, cells in row.items()})
        if fields is not None:
            yield line, fields


def _fields(reader: Reader, line: int, row: dict[str, str]) -> dict[str, Any] | None:
    fields: dict[str, Any] = {}
    faults = 0
    for name, cell in row.items():
        try:
            fields[name] = _value(name, cell)
        except ValueError as error:
            reader.fault(line, name, f"cannot be read: {error}")
            faults += 1
    return None if faults else fields


def _value(name: str, cell: str) -> Any:
    if name in _NUMBERS:
        # A priority may be a word. Python reads 1_000 and other scripts' digits as numbers; a cell means neither.
        if name == "priority" and not cell.lstrip("+-").isdigit():
            return cell
        if not cell.isascii() or "_" in cell:
            raise ValueError(f"{cell[:50]!r} is not a number")
        return _NUMBERS[name](cell)
    if name in _LISTS:
        return cell.replace(";", " ").split()
    return parsed(cell) if name == "payload" else cell

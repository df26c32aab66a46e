"""The market's own fields, as JSON Lines or CSV: a line is a task, or a quest where it has no task_id."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from scidex.exchange.quests.importers.rows import Reader, Rows, json_lines, parsed
from scidex.exchange.quests.importers.values import ValueTable, Worth, estimate

_NUMBERS = {"priority": int, "estimated_cost_tokens": int, "expected_value_usd": float}
_LISTS = ("depends_on", "labels")


def read_jsonl(text: str, *, quest_id: str | None = None, value_table: ValueTable | None = None) -> Rows:
    """
    Read tasks and quests from JSON Lines, by add_task's and add_quest's argument names.

    A task without `expected_value_usd` may have `labels` or a `priority` that tell it; one without a `quest_id` belongs
    to the one given. Raises ImportRefused.
    """
    reader = Reader()
    _take(reader, json_lines(text, reader), quest_id, Worth(value_table))
    return reader.rows()


def read_csv(text: str, *, quest_id: str | None = None, value_table: ValueTable | None = None) -> Rows:
    """
    Read tasks and quests from CSV, whose first line names the columns as read_jsonl's fields are named.

    An empty cell says nothing; `depends_on` and `labels` are lists with a space or a semicolon between their items, and
    `payload` is a JSON object. Raises ImportRefused.
    """
    reader = Reader()
    _take(reader, _cells(text, reader), quest_id, Worth(value_table))
    return reader.rows()


def _take(reader: Reader, found: Iterator[tuple[int, dict[str, Any]]], quest_id: str | None, worth: Worth) -> None:
    for line, fields in found:
        if "task_id" not in fields:
            reader.quest(line, fields)
            continue
        task = {**({"quest_id": quest_id} if quest_id else {}), **fields}
        priority, labels = task.pop("priority", None), task.pop("labels", [])
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            reader.fault(line, "labels", "must be a list of texts")
            continue
        if "expected_value_usd" not in task and (labels or priority is not None):
            task["expected_value_usd"] = worth.of(task.get("quest_id"), priority, labels)
        if "estimated_cost_tokens" not in task and (said := estimate(labels)) is not None:
            task["estimated_cost_tokens"] = said
        reader.task(line, {name: _instant(name, value) for name, value in task.items()})


def _instant(name: str, value: Any) -> Any:
    """Return an instant that is written as text; what is none stays, for its own refusal."""
    if name != "deadline_at" or not isinstance(value, str):
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return value


def _cells(text: str, reader: Reader) -> Iterator[tuple[int, dict[str, Any]]]:
    table = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    last = 0
    try:
        columns = [name.strip() for name in next(table, [])]
        for name in columns:
            if not name or columns.count(name) > 1:
                reader.fault(1, name or "column", "must be named once")
                return
        last = table.line_num
        for cells in table:
            # A quoted cell may go over several lines: a row is told by its first.
            line, last = last + 1, table.line_num
            if len(cells) > len(columns):
                reader.fault(line, "line", f"has {len(cells)} cells for {len(columns)} columns")
            elif any(cells):
                yield line, _fields(reader, line, dict(zip(columns, cells, strict=False)))
    except csv.Error as error:
        reader.fault(last + 1, "line", f"is no CSV: {error}")


def _fields(reader: Reader, line: int, row: dict[str, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, cell in row.items():
        if not cell.strip():
            continue
        try:
            fields[name] = _value(name, cell.strip())
        except ValueError as error:
            reader.fault(line, name, f"cannot be read: {error}")
    return fields


def _value(name: str, cell: str) -> Any:
    if name in _NUMBERS:
        # Python reads 1_000 and other scripts' digits as numbers; a table's cell means neither.
        if not cell.isascii() or "_" in cell:
            raise ValueError(f"{cell[:50]!r} is no number")
        return _NUMBERS[name](cell)
    if name in _LISTS:
        return cell.replace(";", " ").split()
    return parsed(cell) if name == "payload" else cell

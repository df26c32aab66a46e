"""Beads, as `bd ready --json` prints them (an array, or one in an envelope) or `bd export` does (JSON Lines)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from scidex.exchange.quests.importers.rows import Reader, Rows, json_array, json_lines, one_line
from scidex.exchange.quests.importers.values import ValueTable, Worth, estimate

# Their other kinds of dependency group issues or point to them, and keep none waiting.
_KEEPS_WAITING = {"blocks", "conditional-blocks", "waits-for"}
# What somebody has taken up there, or put off, is not for this market to run; what is blocked waits for another bead.
_STATUSES = {
    "open": "open",
    "blocked": "open",
    "closed": "done",
    "in_progress": "running",
    "hooked": "running",
    "deferred": "running",
    "pinned": "running",
}
_GONE = "tombstone"
_KEPT_FIELDS = (
    "description",
    "acceptance_criteria",
    "design",
    "notes",
    "issue_type",
    "estimated_minutes",
    "external_ref",
    "metadata",
    "priority",
)


def read_beads(text: str, *, quest_id: str | None = None, value_table: ValueTable | None = None) -> Rows:
    """
    Read beads as tasks of the quest given, or of one named like the prefix of their ids.

    Priority 0 is the highest and is turned into an expected value, unless a label `value:50` says it. A closed bead is
    done; one in progress, hooked, deferred or pinned counts as running, outside this market. What is ready waits for
    nothing that is not in the text. Raises ImportRefused.
    """
    reader, worth = Reader(), Worth(value_table)
    is_array = _is_array(text)
    found = list(json_array(text, reader)) if is_array else [(n, "", bead) for n, bead in json_lines(text, reader)]
    gone = {bead.get("id") for _, _, bead in found if bead.get("status") == _GONE}
    known = {bead.get("id") for _, _, bead in found}
    for line, place, bead in found:
        if bead.get("status") == _GONE:
            continue
        waits = _waits(reader, line, place, bead.get("dependencies") or [])
        task = _task(reader, line, place, bead, quest_id, worth)
        if waits is None or task is None:
            continue
        task["depends_on"] = [name for name in waits if name not in gone and (name in known or not is_array)]
        reader.task(line, task, place=place)
    return reader.rows()


def _is_array(text: str) -> bool:
    start = text.removeprefix("\ufeff").lstrip()
    if start.startswith("["):
        return True
    first = start.split("\n", 1)[0]
    # An envelope has its data in it; a line of an export is a bead, which has an id.
    return first.startswith("{") and '"id"' not in first.split('"data"')[0] and '"data"' in start


def _task(
    reader: Reader, line: int, place: str, bead: dict[str, Any], quest_id: str | None, worth: Worth
) -> dict[str, Any] | None:
    name, labels, priority = bead.get("id"), bead.get("labels") or [], bead.get("priority")
    status = bead.get("status", "open")
    faults = {
        "id": not isinstance(name, str) or not name,
        "labels": not isinstance(labels, list) or not all(isinstance(label, str) for label in labels),
        "priority": priority is not None and (type(priority) is not int or not 0 <= priority <= 4),
        "status": not isinstance(status, str) or status not in _STATUSES,
    }
    for field in (field for field, is_wrong in faults.items() if is_wrong):
        reader.fault(line, place + field, _MEANT[field])
    if any(faults.values()):
        return None
    quest = quest_id or str(name).rpartition("-")[0] or str(name)
    task = {
        "task_id": name,
        "quest_id": quest,
        "title": one_line(bead.get("title", "")),
        "status": _STATUSES[status],
        "expected_value_usd": worth.of(quest, priority, labels),
        "payload": {"source": "beads", "id": name, "labels": labels, **_kept(bead)},
    }
    said = estimate(labels)
    return task if said is None else {**task, "estimated_cost_tokens": said}


_MEANT = {
    "id": "must be the id of a bead",
    "labels": "must be a list of texts",
    "priority": "must be a whole number between 0 and 4",
    "status": f"must be one of {', '.join([*_STATUSES, _GONE])}",
}


def _kept(bead: dict[str, Any]) -> dict[str, Any]:
    return {name: bead[name] for name in _KEPT_FIELDS if bead.get(name) not in (None, "", [], {})}


def _waits(reader: Reader, line: int, place: str, dependencies: Any) -> list[str] | None:
    names = []
    for edge in dependencies if isinstance(dependencies, Iterable) and not isinstance(dependencies, str) else [None]:
        kind = edge.get("type") or edge.get("dependency_type") if isinstance(edge, dict) else None
        name = edge.get("depends_on_id") or edge.get("id") if isinstance(edge, dict) else None
        if not isinstance(kind, str) or not isinstance(name, str):
            reader.fault(line, f"{place}dependencies", "must be a list of objects with depends_on_id and type")
            return None
        if kind in _KEEPS_WAITING:
            names.append(name)
    return names

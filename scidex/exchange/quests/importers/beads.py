"""Beads, as `bd ready --json` prints them (an array, or one in an envelope) or `bd export` does (JSON Lines)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from itertools import takewhile
from typing import Any, NamedTuple

from scidex.errors import shown
from scidex.exchange.quests.importers.options import DEFAULTS, ReadOptions
from scidex.exchange.quests.importers.rows import (
    Reader,
    Rows,
    hold,
    instant_of,
    json_array,
    json_lines,
    one_line,
    texts_of,
)
from scidex.exchange.quests.importers.statuses import Statuses
from scidex.exchange.quests.importers.values import ValueOf, estimate

# Their other kinds of dependency point to related beads, and keep none waiting.
_KEEPS_WAITING = {"blocks", "conditional-blocks", "waits-for"}
_PARENT = "parent-child"
_GONE = "tombstone"
_BLOCKED = "blocked"
_OUTSIDE = "external:"
_UNREADABLE = "\0"
# Records of how beads and those who use them work, not work itself.
_NOT_WORK = {
    "agent", "convoy", "event", "gate", "memory", "merge-request", "message", "molecule", "queue", "rig", "role",
    "session", "slot", "wisp",
}  # fmt: skip
_GROUPS = {"epic"}
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


class _Bead(NamedTuple):
    """A record in the graph of beads; one that is not work may keep others waiting all the same."""

    line: int
    place: str
    name: str
    issue_type: str
    waits: list[str]
    parents: list[str]
    is_work: bool
    is_gone: bool
    is_closed: bool


def read_beads(text: str, options: ReadOptions = DEFAULTS) -> Rows:
    """
    Read beads as tasks of the quest given, or of one named like their project: the prefix of their ids.

    Priority 0 is the highest and is turned into an expected value, unless a label `value:50` says it. A closed bead is
    done, one in progress or hooked counts as running, outside this market. What is deferred, pinned, blocked by hand or
    in a status that neither beads nor the table knows is held, as is what waits for a bead outside the text; in an
    array such as `bd ready` prints, what is not in it has ended. A blocked or held parent holds its children back, and
    an epic with open children is a group. Events, agents, molecules, templates, memories and headers are not work.
    """
    reader, value_of, statuses = Reader(), ValueOf(options.value_table), Statuses(options.status_table)
    is_array = _is_array(text)
    found = list(json_array(text, reader)) if is_array else [(n, "", one) for n, one in json_lines(text, reader)]
    projects = _projects(record.get("id") for _, _, record in found)
    beads: dict[str, _Bead] = {}
    for line, place, record in found:
        kind = _kind_of_no_work(record)
        bead = _bead(reader, line, place, record, is_work=kind is None)
        if kind is not None:
            reader.pass_over(kind)
        elif bead is not None:
            quest = options.quest_id or projects[bead.name]
            task = _task(reader, bead, record, quest, value_of, statuses, options.now)
            reader.task(line, task, place=place, updated_at=record.get("updated_at"))
        if bead is not None and (kind is not None or reader.named(bead.name) is not None):
            beads[bead.name] = bead
    _connect(reader, beads, is_array=is_array)
    return reader.rows()


def _is_array(text: str) -> bool:
    start = text.removeprefix("\ufeff").lstrip()
    if start.startswith("["):
        return True
    first = start.split("\n", 1)[0]
    # An envelope has its data in it; a line of an export is a bead, which has an id.
    return first.startswith("{") and '"id"' not in first.split('"data"')[0] and '"data"' in start


def _kind_of_no_work(bead: dict[str, Any]) -> str | None:
    """Return what kind of record this is if it is not work, else None."""
    if "id" not in bead and ("_type" in bead or "_schema" in bead):
        return str(one_line(bead.get("_type") or "header"))[:50]
    if bead.get("status") == _GONE:
        return _GONE
    kind = bead.get("_type") if bead.get("_type") not in (None, "issue", "bead") else bead.get("issue_type")
    if isinstance(kind, str) and kind in _NOT_WORK:
        return kind
    if bead.get("is_template") is True:
        return "template"
    return None


def _projects(ids: Iterable[Any]) -> dict[str, str]:
    """
    Return the project of each bead by its id: a prefix of one or more words, a dash, and a suffix.

    The suffix may hold dashes itself ("app-fix-login-k3"), so a prefix is what all ids with its first word share. Where
    they fall into families of several ids each, such as "my-app-…" and "my-lib-…", each family is a project.
    """
    groups: dict[str, list[str]] = {}
    for name in {name for name in ids if isinstance(name, str)}:
        groups.setdefault(name.split("-", 1)[0], []).append(name)
    return {name: project for first, names in groups.items() for name, project in _in_group(first, names).items()}


def _in_group(first: str, names: list[str]) -> dict[str, str]:
    heads = {name: _head(name) for name in names}
    families = Counter(heads[name] for name in {_without_children(name) for name in names} if name in heads)
    nested = any(other.startswith(f"{head}-") for head in families for other in families)
    if not nested and all(count > 1 for count in families.values()) and set(heads.values()) == families.keys():
        return heads
    words = [head.split("-") for head in heads.values()]
    shared = takewhile(lambda column: len(set(column)) == 1, zip(*words, strict=False))
    return dict.fromkeys(names, "-".join(column[0] for column in shared) or first)


def _head(name: str) -> str:
    return _without_children(name).rpartition("-")[0] or name.split("-", 1)[0]


def _without_children(name: str) -> str:
    """Return the id of the bead that "app-x1.2.1" descends from."""
    return name.split(".", 1)[0]


def _bead(reader: Reader, line: int, place: str, record: dict[str, Any], *, is_work: bool) -> _Bead | None:
    """Return a record's place in the graph; None, and a report where it is work, if it has none that can be read."""
    name, issue_type, status = (record.get(field) for field in ("id", "issue_type", "status"))
    if not isinstance(name, str) or not name:
        if is_work:
            reader.fault(line, f"{place}id", "must be the id of a bead")
        return None
    waits, parents = _edges(reader, line, place, record, is_work=is_work)
    return _Bead(
        line,
        place,
        name,
        issue_type if isinstance(issue_type, str) else "",
        waits,
        parents,
        is_work,
        is_gone=status == _GONE,
        is_closed=status == "closed",
    )


def _task(
    reader: Reader,
    bead: _Bead,
    record: dict[str, Any],
    quest: str,
    value_of: ValueOf,
    statuses: Statuses,
    now: datetime | None,
) -> dict[str, Any]:
    labels, status = texts_of(record.get("labels")), record.get("status")
    worth = value_of.task(quest, _priority(record.get("priority")), labels)
    if worth.unread:
        reader.note(bead.line, f"{bead.place}priority", f"{worth.unread} is not known and counts as the middle one")
    task = {
        "task_id": bead.name,
        "quest_id": quest,
        "title": one_line(record["title"]) if isinstance(record.get("title"), str) else "",
        "expected_value_usd": worth.usd,
        "payload": {"source": "beads", "id": bead.name, "labels": labels, **_kept(record)},
        "kind": "task",
        **statuses.fields("open" if status == _BLOCKED else status),
    }
    until = instant_of(record.get("defer_until"))
    if until is not None and (now is None or until > now):
        hold(task, f"deferred until {until:%Y-%m-%d %H:%M} UTC")
    if record.get("pinned") is True:
        hold(task, "pinned")
    # What is blocked waits for another bead; where it names none, a person said so.
    if status == _BLOCKED and not bead.waits and not bead.parents:
        hold(task, "blocked in its source")
    said = estimate(labels)
    return task if said is None else {**task, "estimated_cost_tokens": said}


def _priority(value: Any) -> Any:
    return value if isinstance(value, (int, str)) and type(value) is not bool else None


def _kept(bead: dict[str, Any]) -> dict[str, Any]:
    return {name: bead[name] for name in _KEPT_FIELDS if bead.get(name) not in (None, "", [], {})}


def _edges(
    reader: Reader, line: int, place: str, record: dict[str, Any], *, is_work: bool
) -> tuple[list[str], list[str]]:
    """Return what a bead waits for, and its parents; an edge that cannot be read is reported."""
    waits: list[str] = []
    parents: list[str] = []
    dependencies = record.get("dependencies") or []
    for edge in dependencies if isinstance(dependencies, list) else [None]:
        kind = edge.get("type") or edge.get("dependency_type") if isinstance(edge, dict) else None
        name = edge.get("depends_on_id") or edge.get("id") if isinstance(edge, dict) else None
        if not isinstance(kind, str) or not isinstance(name, str):
            # It may keep the bead waiting, for what nobody can tell: so it waits.
            waits.append(_UNREADABLE)
            if is_work:
                reader.note(line, f"{place}dependencies", "must be objects with depends_on_id and type: held back")
        elif kind in _KEEPS_WAITING:
            waits.append(name)
        elif kind == _PARENT:
            parents.append(name)
    if isinstance(parent := record.get("parent") or record.get("parent_id"), str):
        parents.append(parent)
    return waits, parents


# --- what follows from all beads together


def _connect(reader: Reader, beads: dict[str, _Bead], *, is_array: bool) -> None:
    """Let each bead wait for its own blockers and those of its ancestors, and hold what cannot be told."""
    for bead in beads.values():
        task = reader.named(bead.name) if bead.is_work else None
        if task is None:
            continue
        waits: set[str] = set()
        for one in _with_ancestors(bead, beads):
            for name in one.waits:
                blocker = beads.get(name)
                if blocker is not None and blocker.is_work:
                    waits.add(name)
                elif reason := _unknown_blocker(reader, bead, one, name, blocker, is_array=is_array):
                    hold(task, reason)
        task["depends_on"] = sorted(waits - {bead.name})
    _follow_held_parents(reader, beads)
    _mark_groups(reader, beads)


def _with_ancestors(bead: _Bead, beads: dict[str, _Bead]) -> list[_Bead]:
    """Return a bead and all that it is a part of and that has not ended."""
    found, queue = {bead.name: bead}, [bead]
    while queue:
        for parent in queue.pop().parents:
            if parent in beads and parent not in found and not beads[parent].is_closed and not beads[parent].is_gone:
                found[parent] = beads[parent]
                queue.append(beads[parent])
    return list(found.values())


def _unknown_blocker(
    reader: Reader, bead: _Bead, of: _Bead, name: str, blocker: _Bead | None, *, is_array: bool
) -> str | None:
    """Return why a bead waits for what is not a task here, or None where it need not wait."""
    if name == _UNREADABLE:
        return "one of its dependencies cannot be read"
    said = shown(name)
    if blocker is not None and blocker.is_gone:
        if of is bead:
            reader.note(bead.line, f"{bead.place}dependencies", f"{said} is deleted: dropped")
        return None
    if blocker is not None:
        return None if blocker.is_closed else f"waits for {one_line(name)[:200]}, which is not work of this market"
    # What bd prints as an array leaves out what has ended.
    if is_array and not name.startswith(_OUTSIDE):
        return None
    if of is bead:
        reader.note(bead.line, f"{bead.place}dependencies", f"{said} is not in this text: held back")
    return f"waits for {one_line(name)[:200]}, which is outside its backlog"


def _follow_held_parents(reader: Reader, beads: dict[str, _Bead]) -> None:
    """Hold what is a part of something held."""
    held = {bead.name for bead in beads.values() if _status(reader, bead.name) == "held"}
    for bead in beads.values():
        task = reader.named(bead.name) if bead.is_work else None
        parents = [one.name for one in _with_ancestors(bead, beads)[1:] if one.name in held]
        if task is not None and parents and bead.name not in held:
            hold(task, f"{parents[0]}, which it is a part of, is held")


def _mark_groups(reader: Reader, beads: dict[str, _Bead]) -> None:
    """An epic with children that have not ended is run by them, not by itself."""
    for bead in beads.values():
        if not bead.is_work or _status(reader, bead.name) in ("done", "failed"):
            continue
        for parent in bead.parents:
            group = reader.named(parent)
            if group is not None and beads[parent].issue_type in _GROUPS:
                group["kind"] = "group"


def _status(reader: Reader, name: str) -> str | None:
    task = reader.named(name)
    return str(task["status"]) if task else None

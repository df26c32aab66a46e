"""Issues of other trackers, as each describes its own export: Linear and Jira as CSV, Taskwarrior as JSON, todo.txt."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from scidex.errors import shown
from scidex.exchange.quests.importers.options import DEFAULTS, ReadOptions
from scidex.exchange.quests.importers.rows import (
    Reader,
    Rows,
    array_or_lines,
    cut,
    hold,
    instant_of,
    one_line,
    texts_of,
)
from scidex.exchange.quests.importers.statuses import Statuses
from scidex.exchange.quests.importers.tables import table_rows
from scidex.exchange.quests.importers.values import ValueOf, estimate

_MOST_BODY_CHARACTERS = 200_000


class Issue(NamedTuple):
    """An issue as its tracker wrote it."""

    line: int
    place: str
    name: str
    project: str
    title: str
    status: str
    priority: str | None
    labels: list[str]
    waits_for: list[str]
    parents: list[str]
    payload: dict[str, Any]
    deadline_at: datetime | None = None
    updated_at: str | None = None
    held: str = ""
    """Why the tracker itself keeps it back, or nothing."""


def _read(issues: Callable[[Reader], Iterator[Issue]], options: ReadOptions) -> Rows:
    reader, value_of, statuses = Reader(), ValueOf(options.value_table), Statuses(options.status_table)
    found: dict[str, Issue] = {}
    for issue in issues(reader):
        quest = options.quest_id or issue.project
        worth = value_of.task(quest, issue.priority, issue.labels)
        if worth.unread:
            reader.note(
                issue.line, f"{issue.place}priority", f"{worth.unread} is not known and counts as the middle one"
            )
        task = {
            "task_id": issue.name,
            "quest_id": quest,
            "title": one_line(issue.title),
            "expected_value_usd": worth.usd,
            "payload": {**issue.payload, "labels": issue.labels},
            "kind": "task",
            "deadline_at": issue.deadline_at,
            **statuses.fields(issue.status),
        }
        if (said := estimate(issue.labels)) is not None:
            task["estimated_cost_tokens"] = said
        if issue.held:
            hold(task, issue.held)
        reader.task(issue.line, task, place=issue.place, updated_at=issue.updated_at)
        found[issue.name] = issue
    _connect(reader, found)
    return reader.rows()


def _connect(reader: Reader, found: dict[str, Issue]) -> None:
    for issue in found.values():
        task = reader.named(issue.name)
        if task is None:
            continue
        waits = [name for name in issue.waits_for if reader.named(name) is not None]
        task["depends_on"] = sorted({*waits} - {issue.name})
        for name in (name for name in issue.waits_for if reader.named(name) is None):
            reader.note(issue.line, f"{issue.place}blocked by", f"{shown(name)} is not in this text: held back")
            hold(task, f"waits for {one_line(name)[:200]}, which is outside its backlog")
        for parent in issue.parents if task["status"] not in ("done", "failed") else ():
            if (group := reader.named(parent)) is not None:
                group["kind"] = "group"


# --- Linear


def read_linear(text: str, options: ReadOptions = DEFAULTS) -> Rows:
    """
    Read the CSV that Linear exports: issues by `ID`, of the quest that their `Project`, else their `Team`, names.

    What is `Blocked by` an issue waits for it; one with sub-issues that have not ended is a group.
    """
    return _read(_linear_issues(text), options)


def _linear_issues(text: str) -> Callable[[Reader], Iterator[Issue]]:
    def issues(reader: Reader) -> Iterator[Issue]:
        for line, row in table_rows(text, reader, needed=("ID", "Title")):
            if not (name := _cell(row, "ID")):
                reader.fault(line, "ID", "is missing")
                continue
            yield Issue(
                line=line,
                place="",
                name=name,
                project=_cell(row, "Project") or _cell(row, "Team") or name.rpartition("-")[0] or "linear",
                title=_cell(row, "Title"),
                status=_cell(row, "Status"),
                priority=_cell(row, "Priority") or None,
                labels=_listed(row.get("Labels", [])),
                waits_for=_listed(row.get("Blocked by", [])),
                parents=_listed(row.get("Parent issue", [])),
                payload={
                    "source": "linear",
                    "id": name,
                    "description": cut(reader, line, "Description", _cell(row, "Description"), _MOST_BODY_CHARACTERS),
                    **_given(row, estimate_points="Estimate", url="URL"),
                },
                deadline_at=_end_of_day(_cell(row, "Due Date")),
                updated_at=_cell(row, "Updated"),
            )

    return issues


# --- Jira


def read_jira(text: str, options: ReadOptions = DEFAULTS) -> Rows:
    """
    Read the CSV that Jira exports: issues by `Issue key`, of the quest that their `Project key` names.

    The columns `Inward issue link (Blocks)` have the keys of what blocks an issue. An epic or a parent with parts that
    have not ended is a group.
    """
    return _read(_jira_issues(text), options)


def _jira_issues(text: str) -> Callable[[Reader], Iterator[Issue]]:
    def issues(reader: Reader) -> Iterator[Issue]:
        keys: dict[str, str] = {}
        rows = list(table_rows(text, reader, needed=("Issue key", "Summary")))
        for _, row in rows:
            keys[_cell(row, "Issue id")] = _cell(row, "Issue key")
        for line, row in rows:
            if not (name := _cell(row, "Issue key")):
                reader.fault(line, "Issue key", "is missing")
                continue
            parents = [*row.get("Parent key", []), *row.get("Custom field (Epic Link)", [])]
            parents += [keys.get(parent, parent) for parent in [*row.get("Parent", []), *row.get("Parent id", [])]]
            yield Issue(
                line=line,
                place="",
                name=name,
                project=_cell(row, "Project key") or name.rpartition("-")[0] or "jira",
                title=_cell(row, "Summary"),
                status="done" if _cell(row, "Status Category").lower() == "done" else _cell(row, "Status"),
                priority=_cell(row, "Priority") or None,
                labels=_listed(row.get("Labels", [])),
                waits_for=_listed(row.get("Inward issue link (Blocks)", [])),
                parents=parents,
                payload={
                    "source": "jira",
                    "id": name,
                    "description": cut(reader, line, "Description", _cell(row, "Description"), _MOST_BODY_CHARACTERS),
                    **_given(row, issue_type="Issue Type", estimate_points="Custom field (Story Points)"),
                },
                deadline_at=_end_of_day(_cell(row, "Due date") or _cell(row, "Due Date")),
                updated_at=None,
            )

    return issues


# --- Taskwarrior

_TASKWARRIOR_PRIORITIES = {"H": "high", "M": "medium", "L": "low"}
_TASKWARRIOR_STATUSES = {"pending": "open", "waiting": "open", "completed": "done"}


def read_taskwarrior(text: str, options: ReadOptions = DEFAULTS) -> Rows:
    """
    Read what `task export` prints: tasks by `uuid`, of the quest that their `project` names, else `tasks`.

    What `depends` names is waited for; a task whose `wait` or `scheduled` lies ahead is held. Deleted tasks and the
    templates of recurring ones are not work.
    """
    return _read(lambda reader: _taskwarrior_issues(text, reader, options.now), options)


def _taskwarrior_issues(text: str, reader: Reader, now: datetime | None) -> Iterator[Issue]:
    found = list(array_or_lines(text, reader))
    ended = {one.get("uuid") for _, _, one in found if one.get("status") in ("deleted", "completed")}
    for line, place, one in found:
        status = one.get("status", "pending")
        if status in ("deleted", "recurring"):
            reader.pass_over(status)
            continue
        name = one.get("uuid")
        if not isinstance(name, str) or not name:
            reader.fault(line, f"{place}uuid", "must be the uuid of a task")
            continue
        tags = one.get("tags")
        depends = one.get("depends") or []
        waits = depends.split(",") if isinstance(depends, str) else depends if isinstance(depends, list) else []
        yield Issue(
            line=line,
            place=place,
            name=name,
            project=str(one.get("project") or "tasks"),
            title=one["description"] if isinstance(one.get("description"), str) else "",
            status=_TASKWARRIOR_STATUSES.get(str(status), str(status)),
            priority=_TASKWARRIOR_PRIORITIES.get(str(one.get("priority")), one.get("priority")),
            labels=texts_of(tags),
            waits_for=[wait.strip() for wait in waits if isinstance(wait, str) and wait.strip() not in ended],
            parents=[],
            payload={"source": "taskwarrior", **{key: one[key] for key in sorted(one) if key != "depends"}},
            deadline_at=_compact(one.get("due")),
            updated_at=str(_compact(one.get("modified")) or ""),
            held=_ahead(one, now),
        )


def _ahead(one: dict[str, Any], now: datetime | None) -> str:
    for field in ("wait", "scheduled"):
        until = _compact(one.get(field))
        if until is not None and now is not None and until > now:
            return f"{field} until {until:%Y-%m-%d %H:%M} UTC"
    return ""


def _compact(value: Any) -> datetime | None:
    """Return an instant as Taskwarrior writes it: 20261130T120000Z."""
    try:
        return datetime.strptime(value, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except (TypeError, ValueError):
        return instant_of(value)


# --- todo.txt

_TODO = re.compile(
    r"(?P<done>x )?(?:\((?P<priority>[A-Z])\) )?(?:\d{4}-\d{2}-\d{2} ){0,2}(?P<text>.*)", re.ASCII | re.DOTALL
)
_PAIR = re.compile(r"(?:^|\s)([A-Za-z][\w-]*):([^\s:/][^\s]*)")
_MARK = re.compile(r"(?:^|\s)([+@])(\S+)")


def read_todo_txt(text: str, options: ReadOptions = DEFAULTS) -> Rows:
    """
    Read a todo.txt: a line is a task of the quest that its first `+project` names, else `todo`.

    Its id is what `id:` says, else a digest of its text. (A) to (E) and beyond are priorities 0 to 4; `dep:` names what
    is waited for, `due:` the last day, `t:` the first, `value:` USD, `pri:` the priority of a line that is done.
    """
    return _read(lambda reader: _todo_lines(text, reader, options.now), options)


def _todo_lines(text: str, reader: Reader, now: datetime | None) -> Iterator[Issue]:
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        line = raw.strip()
        match = _TODO.fullmatch(line)
        if not line or match is None:
            continue
        body = match["text"].strip()
        pairs = _pairs(body)
        marks = _MARK.findall(body)
        letter = match["priority"] or next(iter(pairs.get("pri", [])), "")
        plain = " ".join(body.split())
        starts_at = instant_of(next(iter(pairs.get("t", [])), None))
        yield Issue(
            line=number,
            place="",
            name=next(iter(pairs.get("id", [])), f"todo-{hashlib.sha256(plain.encode()).hexdigest()[:12]}"),
            project=next((name for mark, name in marks if mark == "+"), "todo"),
            title=plain,
            status="done" if match["done"] else "open",
            priority=str(min(ord(letter.upper()) - ord("A"), 4)) if len(letter) == 1 and letter.isalpha() else None,
            labels=[
                *(name for _, name in marks),
                *(f"{key}:{value}" for key in ("value", "tokens") for value in pairs.get(key, [])),
            ],
            waits_for=[name for said in pairs.get("dep", []) for name in said.split(",") if name],
            parents=[],
            payload={"source": "todo.txt", "text": plain, **{key: pairs[key][0] for key in ("est",) if key in pairs}},
            deadline_at=_end_of_day(next(iter(pairs.get("due", [])), "")),
            held=f"starts on {starts_at:%Y-%m-%d}" if starts_at and now and starts_at > now else "",
        )


def _pairs(body: str) -> dict[str, list[str]]:
    pairs: dict[str, list[str]] = {}
    for key, value in _PAIR.findall(body):
        pairs.setdefault(key.lower(), []).append(value)
    return pairs


# --- cells


def _cell(row: dict[str, list[str]], name: str) -> str:
    return next(iter(row.get(name, [])), "")


def _listed(cells: Iterable[str]) -> list[str]:
    return [one.strip() for cell in cells for one in re.split(r"[,;\n]", cell) if one.strip()]


def _given(row: dict[str, list[str]], **columns: str) -> dict[str, str]:
    return {field: cell for field, column in columns.items() if (cell := _cell(row, column))}


def _end_of_day(text: str) -> datetime | None:
    """Return the end of the day that a text names, or the instant; None for what names neither."""
    moment = instant_of(text)
    if moment is None:
        return None
    return moment + timedelta(days=1) if len(text) == len("2026-11-30") else moment

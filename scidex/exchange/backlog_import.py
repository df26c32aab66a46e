"""Brings other backlogs in: reads a text and puts its tasks; what cannot be read is left out and reported."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from scidex.errors import DependencyCycle, ImportRefused, InvalidArgument, TasksRefused, UnknownDependency
from scidex.exchange import arguments as checked
from scidex.exchange import backlog
from scidex.exchange.quests.importers.beads import read_beads
from scidex.exchange.quests.importers.gh_issues import read_gh_issues
from scidex.exchange.quests.importers.issues import read_jira, read_linear, read_taskwarrior, read_todo_txt
from scidex.exchange.quests.importers.native import read_csv, read_jsonl
from scidex.exchange.quests.importers.options import ReadOptions
from scidex.exchange.quests.importers.rows import Rows, hold, refuse_faults
from scidex.exchange.quests.importers.statuses import StatusTable
from scidex.exchange.quests.importers.values import DEFAULT_VALUES_USD, ValueTable
from scidex.mechanism.dependencies import find_cycle, in_order
from scidex.records import Imported, ImportedBacklog, ImportReport, Task
from scidex.store import Database

__all__ = ["DEFAULT_VALUES_USD", "FORMATS", "import_tasks"]

FORMATS: dict[str, Callable[[str, ReadOptions], Rows]] = {
    "jsonl": read_jsonl,
    "csv": read_csv,
    "gh": read_gh_issues,
    "beads": read_beads,
    "linear": read_linear,
    "jira": read_jira,
    "taskwarrior": read_taskwarrior,
    "todo.txt": read_todo_txt,
}
_MOST_BYTES = 256 * 2**20
_PAGE = 1_000
_UNFINISHED = ("open", "blocked", "held", "running")


class ImportTarget(Protocol):
    """The backlog of a market: the verbs themselves, or a client's."""

    def put_tasks(self, tasks: list[dict[str, Any]], *, quests: list[dict[str, Any]]) -> Imported:
        """Add or change tasks, all of them or none. Raises TasksRefused."""

    def list_tasks(self, *, source: str, after: str, limit: int) -> list[Task]:
        """Return tasks of a source in the order of their ids."""


class _Verbs:
    """The backlog behind a database."""

    def __init__(self, db: Database, now: datetime | None) -> None:
        self.put_tasks = partial(backlog.put_tasks, now=now, db=db)
        self.list_tasks = partial(backlog.list_tasks, db=db)


def import_tasks(
    path_or_text: str | Path,
    format: str,  # noqa: A002  (the word that everybody uses)
    *,
    quest_id: str | None = None,
    value_table: ValueTable | None = None,
    status_table: StatusTable | None = None,
    repo: str | None = None,
    strict: bool = False,
    source: str | None = None,
    complete: bool = False,
    missing: str = "held",
    now: datetime | None = None,
    db: Database | None = None,
) -> ImportedBacklog:
    """
    Import a backlog in one of `FORMATS`; quests that are missing are added. Imported again, tasks are updated.

    A Path is read; a text is a path where it has no line break and is no JSON. `quest_id` takes all tasks into one
    quest. `value_table` has USD by priority or label, for all quests or for each (`{"q1": {"0": 80}}`, "*" for the
    others); `status_table` says what words of the source's own mean (`{"in review": "held"}`). `repo` is for issues
    without their url. `source` names where the tasks come from; with `complete` the text has all that is open there,
    and a task of the source that it does not have is `held` or `done`, as `missing` says. A line that cannot be read or
    is refused is left out and reported, and the rest is put; with `strict`, or where nothing can be read, all is
    refused. Raises ImportRefused, whose `errors` has each fault as (line, field, fact), and InvalidArgument.
    """
    database = checked.database(db)
    moment = checked.moment(now, database)
    return import_by(
        _Verbs(database, now),
        path_or_text,
        format,
        quest_id=quest_id,
        value_table=value_table,
        status_table=status_table,
        repo=repo,
        strict=strict,
        source=source,
        complete=complete,
        missing=missing,
        now=moment,
    )


def import_by(
    market: ImportTarget,
    path_or_text: str | Path,
    format: str,  # noqa: A002  (as above)
    *,
    quest_id: str | None,
    value_table: ValueTable | None,
    status_table: StatusTable | None = None,
    repo: str | None,
    strict: bool = False,
    source: str | None = None,
    complete: bool = False,
    missing: str = "held",
    now: datetime,
    most_tasks: int | None = None,
    most_bytes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImportedBacklog:
    """
    Import a backlog into a market, in parts of at most so many tasks and bytes where that is given.

    `progress` is called with the number of tasks put so far and of all. Raises as `import_tasks` does; with `strict`
    and in parts, the parts before one that is refused stand.
    """
    read = FORMATS[checked.choice(format, "format", tuple(FORMATS))]
    if repo is not None and format != "gh":
        raise InvalidArgument(field="repo", value=repo, fact="is for the issues of gh alone")
    options = ReadOptions(
        quest_id=None if quest_id is None else checked.identifier(quest_id, "quest_id"),
        value_table=value_table,
        status_table=status_table,
        repo=None if repo is None else checked.identifier(repo, "repo"),
        now=now,
    )
    origin = _Origin.of(source, complete, missing)
    rows = read(_text(path_or_text), options)
    if strict or not (rows.tasks or rows.quests):
        # A text of which nothing can be read is not a backlog.
        refuse_faults(rows)
    return _Import(market, rows, origin, strict=strict).run(most_tasks, most_bytes, progress)


class _Origin(NamedTuple):
    """Where tasks come from, and what becomes of those that have left a complete list."""

    source: str | None
    complete: bool
    missing: str

    @classmethod
    def of(cls, source: str | None, complete: bool, missing: str) -> _Origin:
        """Return an origin. Raises InvalidArgument."""
        if complete and source is None:
            raise InvalidArgument(field="complete", value=complete, fact="needs a source, whose tasks are compared")
        name = None if source is None else checked.identifier(source, "source")
        return cls(name, checked.flag(complete, "complete"), checked.choice(missing, "missing", ("held", "done")))


class _Import:
    """A backlog on its way into a market."""

    def __init__(self, market: ImportTarget, rows: Rows, origin: _Origin, *, strict: bool) -> None:
        self._market = market
        self._strict = strict
        self._origin = origin
        if origin.source is not None:
            for task in rows.tasks:
                task["source"] = origin.source
        self._lines = {task["task_id"]: line for task, line in zip(rows.tasks, rows.lines, strict=True)}
        self._tasks = {task["task_id"]: task for task in rows.tasks}
        self._quests = {quest["quest_id"]: quest for quest in rows.quests}
        self._passed_over = rows.passed_over
        self._reports = list(rows.reports)
        self._refused = 0

    def run(
        self, most_tasks: int | None, most_bytes: int | None, progress: Callable[[int, int], None] | None
    ) -> ImportedBacklog:
        """Put all that can be put."""
        ordered = self._in_order()
        totals = Imported(0, 0, 0)
        done = 0
        for part in _parts(ordered, most_tasks, most_bytes) or [[]]:
            quests = self._quests_of(part, done == 0)
            totals = Imported(*map(sum, zip(totals, self._put_part(part, quests), strict=True)))
            done += len(part)
            if progress is not None:
                progress(done, len(ordered))
        missing = self._end_missing() if self._origin.complete else 0
        left_out = len({report.line for report in self._reports if report.left_out})
        reports = tuple(sorted(self._reports, key=lambda report: (report.line, report.field)))
        return ImportedBacklog(*totals, left_out, missing, self._passed_over, reports)

    def _in_order(self) -> list[dict[str, Any]]:
        """Return the tasks so that each follows what it waits for; those that wait in a circle are held."""
        waits = {name: list(task.get("depends_on", ())) for name, task in self._tasks.items()}
        order, circles = in_order(waits)
        for circle in circles:
            self._break(circle)
        return [self._tasks[name] for name in order]

    def _break(self, circle: tuple[str, ...]) -> None:
        within = {name: [one for one in self._tasks[name]["depends_on"] if one in circle] for name in circle}
        found = find_cycle(within)
        path = " → ".join([*found, found[0]])
        if self._strict:
            error = DependencyCycle(field="depends_on", task_ids=tuple(found))
            raise ImportRefused(errors=((self._lines[circle[0]], "depends_on", str(error)),))
        for name in circle:
            task = self._tasks[name]
            task["depends_on"] = [one for one in task["depends_on"] if one not in circle]
            self._note(name, "depends_on", f"waits for itself through {path}: held back")
            hold(task, f"waits for itself through {path}")

    def _quests_of(self, part: list[dict[str, Any]], first: bool) -> list[dict[str, Any]]:
        """Return the quests that a part needs; the first one brings those without tasks along."""
        needed = {task["quest_id"] for task in part}
        with_tasks = {task["quest_id"] for task in self._tasks.values()}
        return [quest for name, quest in self._quests.items() if name in needed or (first and name not in with_tasks)]

    def _put_part(self, part: list[dict[str, Any]], quests: list[dict[str, Any]]) -> Imported:
        """Put a part; what is refused is left out or held, and the others are put without it."""
        while True:
            try:
                return self._market.put_tasks(part, quests=quests)
            except TasksRefused as refused:
                if self._strict:
                    raise ImportRefused(errors=tuple(self._errors_of(part, refused))) from None
                part = self._without(part, refused)

    def _end_missing(self) -> int:
        """Hold or end the tasks of the source that its complete list no longer has; return how many that changed."""
        changed, after = 0, ""
        while page := self._market.list_tasks(source=str(self._origin.source), after=after, limit=_PAGE):
            after = page[-1].task_id
            gone = [task for task in page if task.task_id not in self._tasks and task.status in _UNFINISHED]
            ends = [
                {
                    "task_id": task.task_id,
                    "quest_id": task.quest_id,
                    "status": self._origin.missing,
                    "status_reason": f"left the list of {self._origin.source}",
                }
                for task in gone
            ]
            if ends:
                changed += self._market.put_tasks(ends, quests=[]).updated
        return changed

    def _errors_of(self, part: list[dict[str, Any]], refused: TasksRefused) -> Iterator[tuple[int, str, str]]:
        for index, error in sorted(refused.errors.items()):
            yield self._lines[part[index]["task_id"]], str(error.facts.get("field", "task_id")), str(error)

    def _without(self, part: list[dict[str, Any]], refused: TasksRefused) -> list[dict[str, Any]]:
        kept = list(part)
        for index, error in refused.errors.items():
            task = part[index]
            if isinstance(error, UnknownDependency):
                missing = str(error.facts["depends_on"])
                task["depends_on"] = [name for name in task["depends_on"] if name != missing]
                self._note(task["task_id"], "depends_on", f"{missing} is not known: held back")
                hold(task, f"waits for {missing}, which is not known here")
            elif isinstance(error, DependencyCycle):
                task["depends_on"] = []
                self._note(task["task_id"], "depends_on", f"{error}: held back")
                hold(task, "waits for itself through tasks that this market knows")
            else:
                kept.remove(task)
                field = str(error.facts.get("field", "task_id"))
                self._reports.append(ImportReport(self._lines[task["task_id"]], field, str(error), left_out=True))
        return kept

    def _note(self, task_id: str, field: str, fact: str) -> None:
        self._reports.append(ImportReport(self._lines[task_id], field, fact, left_out=False))


def _parts(tasks: list[dict[str, Any]], most_tasks: int | None, most_bytes: int | None) -> list[list[dict[str, Any]]]:
    parts: list[list[dict[str, Any]]] = []
    room_tasks, room_bytes = 0, 0
    for task in tasks:
        size = len(json.dumps(task, default=str)) if most_bytes is not None else 0
        if not parts or (most_tasks and room_tasks < 1) or (most_bytes and room_bytes < size):
            parts.append([])
            room_tasks, room_bytes = most_tasks or 0, most_bytes or 0
        parts[-1].append(task)
        room_tasks, room_bytes = room_tasks - 1, room_bytes - size
    return parts


def _text(given: str | Path) -> str:
    if not isinstance(given, (str, Path)):
        raise InvalidArgument(field="path_or_text", value=given, fact="must be a text or a Path")
    if isinstance(given, str) and ("\n" in given or given.lstrip("\ufeff ")[:1] in ("", "{", "[")):
        return given
    path = Path(given)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InvalidArgument(field="path", value=str(path), fact=f"must have at most {_MOST_BYTES} bytes")
        return _decoded(path.read_bytes())
    except (OSError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            raise InvalidArgument(field="path", value=str(path), fact="must be UTF-8 text") from None
        raise InvalidArgument(field="path", value=str(path), fact="must be a file that can be read") from None


def _decoded(content: bytes) -> str:
    """Return a text in UTF-8, or in UTF-16 where it begins with that one's mark, as PowerShell writes it."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    return content.decode("utf-8")

"""Brings other backlogs in: reads a text, and puts all of its tasks or none; read again, they are updated."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from scidex.errors import ImportRefused, InvalidArgument, TasksRefused
from scidex.exchange import arguments as checked
from scidex.exchange import backlog
from scidex.exchange.quests.importers.beads import read_beads
from scidex.exchange.quests.importers.gh_issues import read_gh_issues
from scidex.exchange.quests.importers.native import read_csv, read_jsonl
from scidex.exchange.quests.importers.rows import Rows
from scidex.exchange.quests.importers.values import DEFAULT_VALUES_USD, ValueTable
from scidex.records import Imported
from scidex.store import Database

__all__ = [
    "DEFAULT_VALUES_USD",
    "FORMATS",
    "import_tasks",
    "read_beads",
    "read_csv",
    "read_gh_issues",
    "read_jsonl",
]

FORMATS: dict[str, Callable[..., Rows]] = {
    "jsonl": read_jsonl,
    "csv": read_csv,
    "gh": read_gh_issues,
    "beads": read_beads,
}
_MOST_BYTES = 256 * 2**20


def import_tasks(
    path_or_text: str | Path,
    format: str,  # noqa: A002  (the word that everybody uses)
    *,
    quest_id: str | None = None,
    value_table: ValueTable | None = None,
    repo: str | None = None,
    now: datetime | None = None,
    db: Database | None = None,
) -> Imported:
    """
    Import a backlog: `jsonl`, `csv`, `gh` (issues) or `beads`; quests that are missing are added.

    A Path is read; a text is a path where it has no line break and is no JSON. `quest_id` takes all tasks into one
    quest. `value_table` has USD by priority or label, for all quests or for each (`{"q1": {"0": 80}}`, "*" for the
    others). `repo` is for issues without their url. Imported again, tasks are updated; all or none of them are put.
    Raises ImportRefused, whose `errors` has each fault as (line, field, fact), and InvalidArgument.
    """
    put = partial(backlog.put_tasks, now=now, db=db)
    return import_by(put, path_or_text, format, quest_id=quest_id, value_table=value_table, repo=repo)


def import_by(
    put: Callable[..., Imported],
    path_or_text: str | Path,
    format: str,  # noqa: A002  (as above)
    *,
    quest_id: str | None,
    value_table: ValueTable | None,
    repo: str | None,
) -> Imported:
    """Import a backlog by what puts tasks into a market: the verb itself, or a client's. Raises as `import_tasks`."""
    read = FORMATS[checked.choice(format, "format", tuple(FORMATS))]
    options: dict[str, Any] = {"quest_id": quest_id, "value_table": value_table}
    if repo is not None:
        if format != "gh":
            raise InvalidArgument(field="repo", value=repo, fact="is for the issues of gh alone")
        options["repo"] = checked.identifier(repo, "repo")
    rows = read(_text(path_or_text), **options)
    try:
        return put(rows.tasks, quests=rows.quests)
    except TasksRefused as refused:
        errors = sorted(
            (rows.lines[index], str(error.facts.get("field", "task_id")), str(error))
            for index, error in refused.errors.items()
        )
        raise ImportRefused(errors=tuple(errors)) from None


def _text(given: str | Path) -> str:
    if not isinstance(given, (str, Path)):
        raise InvalidArgument(field="path_or_text", value=given, fact="must be a text or a Path")
    if isinstance(given, str) and ("\n" in given or given.lstrip("\ufeff ")[:1] in ("", "{", "[")):
        return given
    path = Path(given)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InvalidArgument(field="path", value=str(path), fact=f"must have at most {_MOST_BYTES} bytes")
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        if isinstance(error, UnicodeDecodeError):
            raise InvalidArgument(field="path", value=str(path), fact="must be UTF-8 text") from None
        raise InvalidArgument(field="path", value=str(path), fact="must be a file that can be read") from None

"""GitHub issues, as `gh issue list --json …` or `gh api repos/OWNER/REPO/issues` prints them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from scidex.errors import shown
from scidex.exchange.quests.importers.options import DEFAULTS, ReadOptions
from scidex.exchange.quests.importers.rows import Reader, Rows, array_or_lines, cut, hold, one_line, texts_of
from scidex.exchange.quests.importers.statuses import Statuses
from scidex.exchange.quests.importers.values import ValueOf, estimate, labelled

_ISSUE_URL = re.compile(r"https?://[^\s]*?/([\w.-]+/[\w.-]+)/issues/(\d+)")
# What GitHub allows a body to have.
_MOST_BODY_CHARACTERS = 65_536


def read_gh_issues(text: str, options: ReadOptions = DEFAULTS) -> Rows:
    """
    Read issues as tasks `owner/repo#number` of the quest `owner/repo`, or of the one given or labelled `quest:name`.

    `repo` is needed where the issues have no `url`. A label `value:50` says what one is worth, labels such as `P1` or
    `priority:high` its priority, `tokens:1200` its estimated cost; a closed issue is done. An issue waits for those
    that `blockedBy` names and that are still open; one of another repository holds it back. Pull requests are not work.
    """
    reader, value_of, statuses = Reader(), ValueOf(options.value_table), Statuses(options.status_table)
    blockers: dict[str, list[Any]] = {}
    for line, place, issue in array_or_lines(text, reader):
        if issue.get("pull_request") or "/pull/" in str(issue.get("html_url", "")):
            reader.pass_over("pull request")
            continue
        labels = texts_of(_nodes(issue.get("labels")))
        home = options.repo or _repo_of(issue)
        number = issue.get("number")
        if type(number) is not int or number < 1:
            reader.fault(line, f"{place}number", "must be the number of an issue")
        elif home is None:
            reader.fault(line, f"{place}url", "must be that of an issue, or the repository be given")
        else:
            quest = options.quest_id or labelled(labels, "quest") or home
            worth = value_of.task(quest, None, labels)
            if worth.unread:
                fact = f"a priority {worth.unread} is not known and counts as the middle one"
                reader.note(line, f"{place}labels", fact)
            task: dict[str, Any] = {
                "task_id": f"{home}#{number}",
                "quest_id": quest,
                "title": one_line(issue["title"]) if isinstance(issue.get("title"), str) else "",
                "expected_value_usd": worth.usd,
                "payload": _payload(reader, line, place, issue, home, labels),
                **statuses.fields(issue.get("state")),
            }
            said = estimate(labels)
            task = task if said is None else {**task, "estimated_cost_tokens": said}
            reader.task(line, task, place=place, updated_at=issue.get("updatedAt") or issue.get("updated_at"))
            blockers[f"{home}#{number}"] = _blocked_by(issue)
    for name, found in blockers.items():
        if (task_read := reader.named(name)) is not None:
            _wait(reader, task_read, found)
    return reader.rows()


def _repo_of(issue: Mapping[str, Any]) -> str | None:
    for field in ("url", "html_url", "repository_url"):
        value = issue.get(field)
        match = _ISSUE_URL.search(value) if isinstance(value, str) else None
        if match:
            return match[1].removeprefix("repos/")
    return None


def _nodes(value: Any) -> Any:
    """Return the list in what may be a list, or a connection of GraphQL with nodes."""
    return value.get("nodes") if isinstance(value, Mapping) else value


def _blocked_by(issue: Mapping[str, Any]) -> list[Any]:
    for field in ("blockedBy", "blocked_by"):
        found = _nodes(issue.get(field))
        if isinstance(found, list):
            return found
    return []


def _wait(reader: Reader, task: dict[str, Any], blockers: list[Any]) -> None:
    """Let an issue wait for its blockers that are still open."""
    home, _, _ = task["task_id"].rpartition("#")
    waits = set()
    for blocker in blockers:
        number = blocker.get("number") if isinstance(blocker, Mapping) else blocker
        if type(number) is not int:
            reader.note(reader.line_of(task["task_id"]), "blockedBy", f"{shown(blocker)} cannot be read: held back")
            hold(task, "what blocks it cannot be read")
            continue
        known = blocker if isinstance(blocker, Mapping) else {}
        name = f"{_repo_of(known) or home}#{number}"
        if reader.named(name) is not None:
            waits.add(name)
        elif str(known.get("state", "OPEN")).upper() != "CLOSED":
            reader.note(reader.line_of(task["task_id"]), "blockedBy", f"{name} is not in this text: held back")
            hold(task, f"waits for {name}, which is outside its backlog")
    task["depends_on"] = sorted(waits - {task["task_id"]})


def _payload(
    reader: Reader, line: int, place: str, issue: dict[str, Any], home: str, labels: list[str]
) -> dict[str, Any]:
    milestone = issue.get("milestone")
    url = issue.get("html_url") or issue.get("url")
    return {
        "source": "gh",
        "repo": home,
        "number": issue["number"],
        "url": url if isinstance(url, str) else None,
        "labels": labels,
        "milestone": milestone.get("title") if isinstance(milestone, dict) else None,
        "body": cut(reader, line, f"{place}body", issue.get("body"), _MOST_BODY_CHARACTERS),
    }

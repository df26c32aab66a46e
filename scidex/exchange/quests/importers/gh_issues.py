"""GitHub issues, as `gh issue list --json number,title,body,labels,milestone,state,url,updatedAt` prints them."""

from __future__ import annotations

import re
from typing import Any

from scidex.exchange.quests.importers.rows import Reader, Rows, json_array, one_line
from scidex.exchange.quests.importers.values import ValueTable, Worth, estimate, labelled

_ISSUE_URL = re.compile(r"https?://[^/\s]+/([\w.-]+/[\w.-]+)/issues/\d+")
_STATES = {"OPEN": "open", "CLOSED": "done"}
_MOST_BODY_CHARACTERS = 20_000


def read_gh_issues(
    text: str,
    *,
    repo: str | None = None,
    quest_id: str | None = None,
    value_table: ValueTable | None = None,
) -> Rows:
    """
    Read issues as tasks `owner/repo#number` of the quest `owner/repo`, or of the one given or labelled `quest:name`.

    `repo` is needed where the issues have no `url`. A label `value:50` says what one is worth, labels such as `P1` or
    `priority:high` its priority, `tokens:1200` its estimated cost; a closed issue is done. Raises ImportRefused.
    """
    reader, worth = Reader(), Worth(value_table)
    for line, place, issue in json_array(text, reader):
        labels = _labels(reader, line, place, issue.get("labels") or [])
        home = repo or _repo_of(issue.get("url"))
        number, state = issue.get("number"), str(issue.get("state", "OPEN")).upper()
        if type(number) is not int or number < 1:
            reader.fault(line, f"{place}number", "must be the number of an issue")
        elif home is None:
            reader.fault(line, f"{place}url", "must be that of an issue, or the repository be given")
        elif state not in _STATES:
            reader.fault(line, f"{place}state", "must be OPEN or CLOSED")
        elif labels is not None:
            quest = quest_id or labelled(labels, "quest") or home
            task = {
                "task_id": f"{home}#{number}",
                "quest_id": str(quest),
                "title": one_line(issue.get("title", "")),
                "status": _STATES[state],
                "expected_value_usd": worth.of(str(quest), None, labels),
                "payload": _payload(issue, home, labels),
            }
            said = estimate(labels)
            reader.task(line, task if said is None else {**task, "estimated_cost_tokens": said}, place=place)
    return reader.rows()


def _labels(reader: Reader, line: int, place: str, labels: Any) -> list[str] | None:
    found = [one.get("name") if isinstance(one, dict) else one for one in labels] if isinstance(labels, list) else [0]
    names = [name for name in found if isinstance(name, str)]
    if len(names) == len(found):
        return names
    reader.fault(line, f"{place}labels", "must be a list of labels with a name")
    return None


def _repo_of(url: Any) -> str | None:
    match = _ISSUE_URL.match(url) if isinstance(url, str) else None
    return match[1] if match else None


def _payload(issue: dict[str, Any], home: str, labels: list[str]) -> dict[str, Any]:
    milestone = issue.get("milestone")
    body = issue.get("body")
    return {
        "source": "gh",
        "repo": home,
        "number": issue["number"],
        "url": issue.get("url"),
        "labels": labels,
        "milestone": milestone.get("title") if isinstance(milestone, dict) else None,
        "body": body[:_MOST_BODY_CHARACTERS] if isinstance(body, str) else "",
    }

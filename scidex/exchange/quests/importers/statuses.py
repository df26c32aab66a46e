"""What the statuses of other backlogs mean here: a word that nobody knows holds its task back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scidex.errors import InvalidArgument, shown
from scidex.exchange.quests.fields import SET_BY_HAND

StatusTable = Mapping[str, str]

_WORDS = {
    "open": ("open", "opened", "reopened", "new", "todo", "to do", "ready", "backlog", "unstarted", "triage", "pending",
             "selected for development", "ready for development", "not started"),
    "done": ("closed", "done", "complete", "completed", "resolved", "fixed", "merged", "released", "cancelled",
             "canceled", "duplicate", "wontfix", "wont fix", "won t fix", "won t do", "deleted", "archived", "invalid"),
    "running": ("in progress", "hooked", "started", "doing", "working", "active", "claimed"),
}  # fmt: skip
_KNOWN = {word: status for status, words in _WORDS.items() for word in words}


class Statuses:
    """Turns a source's words into statuses of tasks, by a table where it has one."""

    def __init__(self, table: StatusTable | None) -> None:
        if table is not None and not isinstance(table, Mapping):
            raise InvalidArgument(field="status_table", value=table, fact="must be a mapping")
        for word, status in (table or {}).items():
            if status not in SET_BY_HAND:
                fact = f"must be one of {', '.join(SET_BY_HAND)}"
                raise InvalidArgument(field=f"status_table[{word}]", value=status, fact=fact)
        self._table = {_plain(word): status for word, status in (table or {}).items()}

    def fields(self, word: Any) -> dict[str, str]:
        """Return a task's `status`, and why it is held where the word is not known to mean open, running or done."""
        if word is None or word == "":
            return {"status": "open"}
        status = self._table.get(_plain(word)) or _KNOWN.get(_plain(word)) if isinstance(word, str) else None
        if status in (None, "held"):
            return {"status": "held", "status_reason": f"its source says {shown(word)}"}
        return {"status": status}


def _plain(word: str) -> str:
    return " ".join("".join(one if one.isalnum() else " " for one in word.casefold()).split())

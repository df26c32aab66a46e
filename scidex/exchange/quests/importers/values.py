"""What a task of another backlog is worth: none of them says, so a label or a table turns its priority into USD."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from scidex.errors import InvalidArgument
from scidex.exchange import arguments as checked

# What a priority is worth where neither a label nor a table says more; 0 is the highest, and 2 where there is none.
DEFAULT_VALUES_USD = {"0": 100.0, "1": 50.0, "2": 20.0, "3": 10.0, "4": 5.0}
_MIDDLE = "2"
_ANY_QUEST = "*"

_LABELLED = re.compile(r"(value|tokens|estimate|quest)\s*:\s*(.+)", re.IGNORECASE)
_PRIORITY = re.compile(r"(?:priority\s*[:/-]\s*)?p(\d)|priority\s*[:/-]\s*(\w+)", re.IGNORECASE)
_WORDS = {"critical": "0", "urgent": "0", "high": "1", "medium": "2", "normal": "2", "low": "3"}

ValueTable = Mapping[str, Any]


class Worth:
    """Turns labels and priorities into expected values, by a table of USD by priority or label for each quest."""

    def __init__(self, table: ValueTable | None) -> None:
        self._tables = _tables(table or {})

    def of(self, quest_id: Any, priority: Any, labels: Iterable[str]) -> Any:
        """Return what a task is worth in USD; a label `value:50` says so outright."""
        names = list(labels)
        said = labelled(names, "value")
        if said is not None:
            return said
        level = _level(priority, names)
        for quest in (quest_id, _ANY_QUEST):
            table = self._tables.get(quest, {}) if isinstance(quest, str) else {}
            known = [table[name] for name in (level, *names) if name in table]
            if known:
                return known[0]
        return DEFAULT_VALUES_USD.get(level, DEFAULT_VALUES_USD[_MIDDLE])


def labelled(labels: Iterable[str], name: str) -> Any:
    """Return what a label such as `value:50` says, as a number where it is one; None where no label does."""
    for label in labels:
        match = _LABELLED.fullmatch(label.strip())
        if match and match[1].lower() == name:
            return _number(match[2].strip())
    return None


def estimate(labels: Iterable[str]) -> Any:
    """Return the estimated cost that a label `tokens:1200` or `estimate:1200` says, or None."""
    names = list(labels)
    said = labelled(names, "tokens")
    return labelled(names, "estimate") if said is None else said


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _level(priority: Any, labels: list[str]) -> str:
    if priority is not None:
        return _WORDS.get(str(priority).lower(), str(priority))
    for label in labels:
        if match := _PRIORITY.fullmatch(label.strip()):
            said = (match[1] or match[2]).lower()
            return _WORDS.get(said, said)
    return _MIDDLE


def _tables(table: ValueTable) -> dict[str, dict[str, float]]:
    if not isinstance(table, Mapping):
        raise InvalidArgument(field="value_table", value=table, fact="must be a mapping")
    flat = {name: value for name, value in table.items() if not isinstance(value, Mapping)}
    nested = {str(quest): values for quest, values in table.items() if isinstance(values, Mapping)}
    tables = {**({_ANY_QUEST: flat} if flat else {}), **nested}
    return {
        quest: {str(name): checked.number(value, f"value_table[{name}]", least=0.0) for name, value in values.items()}
        for quest, values in tables.items()
    }

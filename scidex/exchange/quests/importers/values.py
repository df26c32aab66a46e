"""What a task of another backlog is worth: none of them says, so a label or a table turns its priority into USD."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from scidex.errors import InvalidArgument, shown
from scidex.exchange import arguments as checked
from scidex.settings import MOST_TOKENS

# What a priority is worth where neither a label nor a table says more; 0 is the highest, and 2 where there is none.
DEFAULT_VALUES_USD = {"0": 100.0, "1": 50.0, "2": 20.0, "3": 10.0, "4": 5.0, "5": 2.5}
_MIDDLE = "2"
_LOWEST = 5
_ANY_QUEST = "*"

_LABELLED = re.compile(r"(value|tokens|estimate|quest)\s*:\s*(.+)", re.IGNORECASE)
_PRIORITY = re.compile(
    r"(?:prio(?:rity)?\s*[:/=-]\s*)?p(\d{1,2})|prio(?:rity)?\s*[:/=-]\s*(.+)|(\w+)[\s_-]prio(?:rity)?", re.IGNORECASE
)
# Words that sources use, from the highest to the lowest; a table may name any of them, or another.
_WORDS = {
    **dict.fromkeys(("blocker", "critical", "urgent", "highest", "emergency", "immediate", "showstopper"), "0"),
    **dict.fromkeys(("high", "major", "important"), "1"),
    **dict.fromkeys(("medium", "normal", "moderate", "default", "med", "mid"), "2"),
    **dict.fromkeys(("low", "minor"), "3"),
    **dict.fromkeys(("lowest", "trivial", "someday", "backlog"), "4"),
}
# Words by which a source says that it has no priority to tell.
_NONE = ("", "none", "no priority", "unset", "undefined", "unprioritized", "0 - none")
_NOT = {"not", "non", "no", "un", "never", "less"}
_NUMBER = re.compile(r"\$?\s*((?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)", re.ASCII)

ValueTable = Mapping[str, Any]


class PriorityValue(NamedTuple):
    """What a task is worth in USD, and what of its priority could not be read."""

    usd: float
    unread: str = ""


class ValueOf:
    """Turns labels and priorities into expected values, by a table of USD by priority or label for each quest."""

    def __init__(self, table: ValueTable | None) -> None:
        self._tables = _tables(table or {})

    def task(self, quest_id: Any, priority: Any, labels: Iterable[str]) -> PriorityValue:
        """
        Return what a task is worth; a label `value:50` says so outright.

        A priority may be a number from 0, the highest, or a word. What is not known counts as the middle and is
        returned as unread, so that an unknown word never turns the order round.
        """
        names = list(labels)
        said = labelled_number(names, "value")
        if said is not None:
            return PriorityValue(said)
        word = _word_of(priority, names)
        level = _level_of(word)
        for quest in (quest_id, _ANY_QUEST):
            table = self._tables.get(quest, {}) if isinstance(quest, str) else {}
            known = [table[name] for name in (word, level, *names) if name in table]
            if known:
                return PriorityValue(known[0])
        if level is None:
            return PriorityValue(DEFAULT_VALUES_USD[_MIDDLE], unread=shown(word))
        return PriorityValue(DEFAULT_VALUES_USD[level])


def labelled(labels: Iterable[str], name: str) -> str | None:
    """Return what a label such as `quest:site` says, or None."""
    for label in labels:
        match = _LABELLED.fullmatch(label.strip())
        if match and match[1].lower() == name:
            return match[2].strip()
    return None


def labelled_number(labels: Iterable[str], name: str) -> float | None:
    """Return the number of a label such as `value:50`; a label with a word in its place is the source's own."""
    for label in labels:
        said = labelled([label], name)
        match = None if said is None else _NUMBER.fullmatch(said)
        if match and (number := float(match[1].replace(",", ""))) <= checked.MOST_USD:
            return number
    return None


def estimate(labels: Iterable[str]) -> int | None:
    """Return the whole number that a label `tokens:1200` or `estimate:1200` says, or None."""
    names = list(labels)
    for name in ("tokens", "estimate"):
        said = labelled_number(names, name)
        if said is not None and said == int(said) and said <= MOST_TOKENS:
            return int(said)
    return None


def _word_of(priority: Any, labels: list[str]) -> str:
    if priority is not None and str(priority).strip().lower() not in _NONE:
        word = str(priority).strip().lower()
        match = _PRIORITY.fullmatch(word)
        return _said(match) if match else word
    for label in labels:
        if match := _PRIORITY.fullmatch(label.strip()):
            return _said(match)
    return _MIDDLE


def _said(match: re.Match[str]) -> str:
    """Return the part of a priority's text that says which."""
    return str(next(filter(None, match.groups()))).strip().lower()


def _level_of(word: str) -> str | None:
    """Return the level of a priority, `0` the highest to `5`; None for a word that is not known."""
    if word in _NONE:
        return _MIDDLE
    if word in _WORDS:
        return _WORDS[word]
    if match := re.fullmatch(r"p?(\d{1,9})(?:\.0+)?", word, re.ASCII):
        return str(min(int(match[1]), _LOWEST))
    # "critical-urgent", "P1 - High", "very low": the first part that is known, unless the word denies it.
    parts = [part for part in re.split(r"[^a-z0-9]+", word) if part]
    if len(parts) < 2 or _NOT & set(parts):
        return None
    return next((level for part in parts if (level := _level_of(part)) is not None), None)


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

"""The fields of quests and tasks: what each may be, and every fault of one told at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from scidex.bidding import STRATEGIES
from scidex.errors import InvalidArgument
from scidex.exchange import arguments as checked

SET_BY_HAND = ("open", "running", "done", "failed", "held")
"""The states of a task that anyone but the market may give it."""

KINDS = ("task", "group")
"""Work, or what groups work and is itself neither bid for nor run."""

STRATEGY_WORDS = ("market", *STRATEGIES)
"""How a quest may bid: as its market does, or by a strategy of its own."""

_MOST_PRIORITY = 1_000_000
_MOST_DEPENDENCIES = 1_000
_MOST_PAYLOAD_CHARACTERS = 262_144

Checks = Mapping[str, Callable[[Any], Any]]


def quest_faults(quest: Any) -> list[InvalidArgument]:
    """Return everything that is wrong with a quest given by its fields, without looking into the market."""
    return _faults(quest, _QUEST_CHECKS, needed=("quest_id",), name="quest")


def task_faults(task: Any) -> list[InvalidArgument]:
    """Return everything that is wrong with a task given by its fields, without looking into the market."""
    return _faults(task, _TASK_CHECKS, needed=("task_id", "quest_id"), name="task")


def quest_of(quest: Any) -> dict[str, Any]:
    """Return a quest's fields as they are journaled. Raises the first of their faults."""
    for fault in quest_faults(quest):
        raise fault
    return {field: _QUEST_CHECKS[field](value) for field, value in quest.items()}


def task_of(task: Any) -> dict[str, Any]:
    """Return a task's fields as they are journaled. Raises the first of their faults."""
    for fault in task_faults(task):
        raise fault
    return {field: _TASK_CHECKS[field](value) for field, value in task.items()}


def _faults(given: Any, checks: Checks, *, needed: tuple[str, ...], name: str) -> list[InvalidArgument]:
    if not isinstance(given, Mapping):
        return [InvalidArgument(field=name, value=given, fact=f"must be a mapping of the fields of a {name}")]
    faults = [InvalidArgument(field=field, fact="is missing") for field in needed if field not in given]
    for field, value in given.items():
        if field not in checks:
            faults.append(InvalidArgument(field=str(field)[:100], value=value, fact=f"is no field of a {name}"))
            continue
        try:
            checks[field](value)
        except InvalidArgument as fault:
            faults.append(fault)
    return faults


def _depends_on(value: Any) -> list[str]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise InvalidArgument(field="depends_on", value=value, fact="must be a list of task ids")
    names = sorted({checked.identifier(item, "depends_on") for item in value})
    if len(names) > _MOST_DEPENDENCIES:
        raise InvalidArgument(field="depends_on", value=len(names), fact=f"must be at most {_MOST_DEPENDENCIES}")
    return names


def _payload(value: Any) -> str:
    """Return a payload as it is stored and journaled: as text, so that nothing in it is taken for the market's own."""
    if not isinstance(value, Mapping):
        raise InvalidArgument(field="payload", value=value, fact="must be a JSON object (a mapping)")
    try:
        json.dumps(dict(value), ensure_ascii=False).encode()  # refuses halves of characters
        written = json.dumps(dict(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise InvalidArgument(field="payload", fact="must be made of JSON values alone") from None
    if len(written) > _MOST_PAYLOAD_CHARACTERS:
        fact = f"must have at most {_MOST_PAYLOAD_CHARACTERS} characters as JSON"
        raise InvalidArgument(field="payload", value=len(written), fact=fact)
    return written


def _estimate(value: Any) -> int | None:
    return None if value is None else checked.tokens(value, "estimated_cost_tokens", least=0)


_QUEST_CHECKS: Checks = {
    "quest_id": lambda value: checked.identifier(value, "quest_id"),
    "title": lambda value: checked.text(value, "title"),
    "priority": lambda value: checked.count(value, "priority", least=0, most=_MOST_PRIORITY),
    "strategy": lambda value: checked.choice(value, "strategy", STRATEGY_WORDS),
}
_TASK_CHECKS: Checks = {
    "task_id": lambda value: checked.identifier(value, "task_id"),
    "quest_id": lambda value: checked.identifier(value, "quest_id"),
    "title": lambda value: checked.text(value, "title"),
    "expected_value_usd": lambda value: checked.number(value, "expected_value_usd", least=0.0),
    "estimated_cost_tokens": _estimate,
    "depends_on": _depends_on,
    "pool": lambda value: checked.identifier(value, "pool"),
    "payload": _payload,
    "deadline_at": lambda value: None if value is None else checked.instant(value, "deadline_at"),
    "status": lambda value: checked.choice(value, "status", SET_BY_HAND),
    "status_reason": lambda value: checked.text(value, "status_reason"),
    "kind": lambda value: checked.choice(value, "kind", KINDS),
    "source": lambda value: checked.identifier(value, "source"),
}

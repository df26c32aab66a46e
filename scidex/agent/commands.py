"""Which command an agent runs for a task."""

from __future__ import annotations

import re
from collections.abc import Callable

from scidex.records import Assignment

CommandFor = Callable[[Assignment], tuple[str, ...]]

_FACT = re.compile(r"\{(task_id|quest_id|title)\}")


def same_command(*words: str) -> CommandFor:
    """
    Return the same words for every task, with `{task_id}`, `{quest_id}` and `{title}` replaced by the task's own.

    A replaced word stays one word, whatever it holds: no shell reads it.
    """

    def command_for(assignment: Assignment) -> tuple[str, ...]:
        return tuple(_FACT.sub(lambda found: str(getattr(assignment, found[1]) or ""), word) for word in words)

    return command_for


def command_of_task(assignment: Assignment) -> tuple[str, ...]:
    """
    Return the list of words under `command` in the task's payload; without one, nothing, which cannot be started.

    Whoever may add tasks then decides what runs here: choose this only where they are trusted with that.
    """
    words = assignment.payload.get("command")
    return tuple(map(str, words)) if isinstance(words, (list, tuple)) else ()


def shell_command(text: str) -> CommandFor:
    """
    Return a line for the shell, the same for every task; it learns of its task by its environment alone.

    What a task says of itself never becomes part of the line: the shell would read it.
    """
    return lambda assignment: ("/bin/sh", "-c", text)


def needs_of(assignment: Assignment) -> dict[str, float]:
    """Return the amounts under `needs` in a task's payload, by name: what its run asks of a cluster's node."""
    needs = assignment.payload.get("needs")
    if not isinstance(needs, dict):
        return {}
    return {
        str(name): float(amount)
        for name, amount in needs.items()
        if isinstance(amount, (int, float)) and not isinstance(amount, bool) and 0 <= amount <= _MOST_NEEDED
    }


# More than any node has; and no number that is none.
_MOST_NEEDED = 2.0**50

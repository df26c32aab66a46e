"""Which command an agent runs for a task."""

from __future__ import annotations

import re
from collections.abc import Callable

from scidex.exchange.records import Assignment

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

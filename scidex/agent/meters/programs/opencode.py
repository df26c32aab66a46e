"""What `opencode run --format json` prints."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from scidex.agent.endings import Ending, Word
from scidex.agent.meters import reading
from scidex.agent.meters.said import Said, Totals
from scidex.agent.provider_answers import of_answer

_METER = "opencode"
_MARKS = ("step_finish", "step-finish")


def usage(text: str) -> Said:
    """
    Return what a run used, added up over its steps. Raises ValueError.

    What its subagents use is not printed. The costs are its own estimate.
    """
    used, steps = Totals(), {}
    for number, event in enumerate(reading.objects(text, marks=_MARKS)):
        if event.get("type") == "step_finish":
            step = reading.mapping(event.get("part"), "part")
            steps[reading.text(step.get("id")) or f"step {number}"] = _totals(step)
    if not steps:
        raise ValueError("holds no step_finish")
    for one in steps.values():
        used = used.plus(one)
    return Said(used.usage(_METER, "subagents are not counted"))


def word(text: str, errors: str, ended_at: datetime) -> Word:
    """Return how the last session says that it ended."""
    events = [one for one in reading.documents(text) if isinstance(one, dict)]
    marks = [event for event in events if event.get("type") in ("step_start", "step_finish", "error")]
    if not marks or marks[-1]["type"] == "step_start":
        return Word()
    if marks[-1]["type"] == "error":
        return Word(_failed(marks[-1], ended_at))
    steps = [part for event in marks if event["type"] == "step_finish" and isinstance(part := event.get("part"), dict)]
    try:
        has_used_nothing = bool(steps) and all(_totals(step).is_empty for step in steps)
    except ValueError:
        return Word(Ending("done"))
    return Word(Ending("nothing_done", "its steps used nothing") if has_used_nothing else Ending("done"))


def _failed(event: dict[str, Any], ended_at: datetime) -> Ending:
    error = event.get("error")
    told = error if isinstance(error, dict) else {}
    data = told.get("data")
    facts = data if isinstance(data, dict) else {}
    status = facts.get("statusCode")
    name, message = reading.text(told.get("name")), reading.text(facts.get("message"))
    known = status if type(status) is int else None
    found = of_answer(known, f"{name} {message}", ended_at) if name in _OF_THE_PROVIDER else None
    return found or Ending("agent_error", f"{name} {message}".strip() or "it printed an error")


_OF_THE_PROVIDER = ("APIError", "ProviderAuthError", "UnknownError", "ProviderModelNotFoundError", "")


def _totals(step: dict[str, Any]) -> Totals:
    told = reading.mapping(step.get("tokens"), "tokens")
    cache = reading.mapping(told.get("cache", {}), "cache")
    given, answered = (reading.tokens(told.get(name), name) for name in ("input", "output"))
    read, written = (reading.tokens_or_none_told(cache.get(name), f"cache.{name}") for name in ("read", "write"))
    thought = reading.tokens_or_none_told(told.get("reasoning"), "reasoning")
    return Totals(given + read + written, read, answered + thought, reading.usd(step.get("cost"), "cost"))

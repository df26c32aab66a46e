"""What `gemini -p` of the Gemini CLI prints with `--output-format json` or `stream-json`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from scidex.agent.endings import Ending, Word
from scidex.agent.meters import reading
from scidex.agent.meters.said import Said, Totals
from scidex.agent.provider_answers import of_answer

_METER = "gemini"
_MARKS = ('"stats"', '"result"')


def usage(text: str) -> Said:
    """
    Return what a run used by each of its results, added up. Raises ValueError. It gives no costs.

    A resumed session counts from 0 again. What failed prints no usage as `json`; as `stream-json` it does.
    """
    events = reading.objects(text, marks=_MARKS)
    results = [event for event in events if _is_result(event)]
    if not results:
        raise ValueError("holds no result with stats")
    if _is_unfinished(events):
        raise ValueError("holds a session that did not end, whose usage it does not give")
    used = Totals(cost_usd=None)
    for result in results:
        used = used.plus(_totals(reading.mapping(result.get("stats"), "stats")))
    models = [model for result in results for model in _models(result["stats"])]
    return Said(used.usage(_METER, models=models))


def word(text: str, errors: str, ended_at: datetime) -> Word:
    """Return how the last session says that it ended. What failed says so on standard error, unless as a stream."""
    events = [one for one in reading.documents(text) if isinstance(one, dict)]
    results = [event for event in events if _is_result(event) or _is_error(event)]
    if not results or _is_unfinished(events):
        results = [one for one in reading.documents(errors) if isinstance(one, dict) and _is_error(one)]
    if not results:
        return Word()
    last = results[-1]
    if isinstance(last.get("error"), dict) or last.get("status", "success") != "success":
        return Word(_failed(last, ended_at))
    try:
        has_used_nothing = _totals(reading.mapping(last.get("stats"), "stats")).is_empty
    except ValueError:
        return Word(Ending("done"))
    return Word(Ending("nothing_done", "it used nothing") if has_used_nothing else Ending("done"))


def _is_result(event: dict[str, Any]) -> bool:
    return event.get("type") == "result" or ("type" not in event and "stats" in event)


def _is_error(event: dict[str, Any]) -> bool:
    return "type" not in event and "session_id" in event and isinstance(event.get("error"), dict)


def _is_unfinished(events: list[dict[str, Any]]) -> bool:
    """Whether a stream began after the last result."""
    marks = [event["type"] for event in events if event.get("type") in ("init", "result")]
    return bool(marks) and marks[-1] == "init"


def _failed(result: dict[str, Any], ended_at: datetime) -> Ending:
    error = result.get("error")
    told = error if isinstance(error, dict) else {}
    message, code = reading.text(told.get("message")), told.get("code")
    if code in _LIMITS:
        return Ending(_LIMITS[code], message)
    status = code if type(code) is int and 400 <= code < 600 else _status_in(message)
    return of_answer(status, message, ended_at) or Ending("agent_error", message or "its result is an error")


# Exit codes of the Gemini CLI, which it gives as codes of its errors too.
_LIMITS = {41: "login", 44: "machine", 52: "machine", 53: "turn_limit", 55: "machine"}


def _status_in(message: str) -> int | None:
    """Return the status in the provider's own answer, which the message holds as JSON."""
    for one in reading.documents(message):
        error = one.get("error") if isinstance(one, dict) else None
        code = error.get("code") if isinstance(error, dict) else None
        if type(code) is int and 400 <= code < 600:
            return code
    return None


def _models(stats: dict[str, Any]) -> dict[str, Any]:
    models = stats.get("models")
    return models if isinstance(models, dict) else {}


def _totals(stats: dict[str, Any]) -> Totals:
    if "total_tokens" in stats:
        given, total = (reading.tokens(stats.get(name), name) for name in ("input_tokens", "total_tokens"))
        if total < given:
            raise ValueError("gives parts that are more than the whole")
        return Totals(given, reading.tokens_or_none_told(stats.get("cached"), "cached"), total - given, None)
    used = Totals(cost_usd=None)
    for name, model in reading.mapping(stats.get("models"), "models").items():
        told = reading.mapping(reading.mapping(model, name).get("tokens"), "tokens")
        given, answered = (reading.tokens(told.get(part), part) for part in ("prompt", "candidates"))
        cached, thoughts, tool = (
            reading.tokens_or_none_told(told.get(part), part) for part in ("cached", "thoughts", "tool")
        )
        used = used.plus(Totals(given + tool, cached, answered + thoughts, None))
    return used

"""What `codex exec --json` prints, and the rollout file that Codex keeps of each thread."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from scidex.agent.endings import Ending, Window, Word
from scidex.agent.meters import reading
from scidex.agent.meters.said import Count, Said, Totals, all_used, session_of
from scidex.agent.provider_answers import of_answer, of_unix_time

_METER = "codex"
_MARKS = ("turn.completed", "thread.started")
_TURN_ENDS = ("turn.completed", "turn.failed", "error")


def usage(text: str) -> Said:
    """
    Return what a run used by its turns. Raises ValueError.

    Each turn gives the usage of its whole thread so far, so the last one of a thread counts. It gives no costs.
    """
    events = reading.objects(text, marks=_MARKS)
    if not any(event.get("type") == "turn.completed" for event in events):
        raise ValueError("holds no turn.completed")
    counts: dict[str, list[Count]] = {}
    thread_id, unfinished = "", set()
    for event in events:
        match event.get("type"):
            case "thread.started":
                thread_id = reading.text(event.get("thread_id"))
            case "turn.started" | "turn.failed":
                unfinished.add(thread_id)
            case "turn.completed":
                # The total of the thread holds its earlier turns, however those ended.
                unfinished.discard(thread_id)
                counts.setdefault(thread_id, []).append(Count(_totals(event.get("usage"))))
    if unfinished:
        raise ValueError("holds a turn that was not completed, whose usage it does not give")
    sessions = tuple(session_of(name, told) for name, told in counts.items())
    return Said(all_used(sessions).usage(_METER), sessions)


def threads(text: str) -> list[str]:
    """Return the ids of the threads that a run began or resumed."""
    told = (one for one in reading.documents(text) if isinstance(one, dict) and one.get("type") == "thread.started")
    return list(dict.fromkeys(filter(None, (reading.text(event.get("thread_id")) for event in told))))


def of_rollouts(rollouts: dict[str, str], note: str = "") -> Said:
    """Return what a run used by the rollouts of its threads, which hold more than it printed. Raises ValueError."""
    sessions = tuple(session_of(thread_id, _counts_of_rollout(text)) for thread_id, text in rollouts.items())
    return Said(all_used(sessions).usage(_METER, note), sessions)


def _counts_of_rollout(text: str) -> list[Count]:
    counts = [info for event in _token_counts(text) if isinstance(info := event.get("info"), dict)]
    # Only the last counts: a rollout holds the whole thread, earlier runs and all.
    return [Count(_totals(info.get("total_token_usage"))) for info in counts[-1:]]


def windows_of_rollout(text: str, ended_at: datetime) -> tuple[Window, ...]:
    """Return what a thread last heard of the windows of its provider."""
    limits = [limits for event in _token_counts(text) if isinstance(limits := event.get("rate_limits"), dict)]
    found = []
    for name in ("primary", "secondary"):
        window = limits[-1].get(name) if limits else None
        if isinstance(window, dict):
            used = reading.share(window.get("used_percent"), 100)
            resets_at = of_unix_time(window.get("resets_at"), ended_at)
            found.append(Window(name, used, resets_at, is_shut=used is not None and used >= 1))
    return tuple(found)


def _token_counts(text: str) -> list[dict[str, Any]]:
    told = (one for one in reading.documents(text) if isinstance(one, dict))
    payloads = (payload for event in told if isinstance(payload := event.get("payload"), dict))
    return [payload for payload in payloads if payload.get("type") == "token_count"]


def word(text: str, errors: str, ended_at: datetime) -> Word:
    """Return how the last turn says that it ended."""
    events = [one for one in reading.documents(text) if isinstance(one, dict)]
    marks = [event for event in events if event.get("type") in ("turn.started", *_TURN_ENDS)]
    last = marks[-1] if marks else {"type": "turn.started"}
    if last["type"] == "turn.started":
        return Word()
    if last["type"] == "turn.completed":
        return Word(_completed(last))
    message = _message_of(last)
    refused = of_answer(None, message, ended_at)
    return Word(refused or Ending("agent_error", f"its last turn ended with {last['type']}: {message}".rstrip(": ")))


def _completed(event: dict[str, Any]) -> Ending:
    try:
        used = _totals(event.get("usage"))
    except ValueError:
        return Ending("done")
    return Ending("nothing_done", "its turn used nothing") if used.is_empty else Ending("done")


def _message_of(event: dict[str, Any]) -> str:
    error = event.get("error")
    return reading.text(error.get("message") if isinstance(error, dict) else event.get("message"))


def _totals(told: Any) -> Totals:
    found = reading.mapping(told, "usage")
    return Totals(
        reading.tokens(found.get("input_tokens"), "input_tokens"),
        reading.tokens_or_none_told(found.get("cached_input_tokens"), "cached_input_tokens"),
        reading.tokens(found.get("output_tokens"), "output_tokens"),
        None,
    )

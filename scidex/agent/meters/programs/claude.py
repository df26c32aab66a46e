"""What `claude -p` of Claude Code prints with `--output-format json` or `stream-json`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from scidex.agent.endings import Ending, Window, Word
from scidex.agent.meters import reading
from scidex.agent.meters.said import Count, Said, Totals, all_used, session_of
from scidex.agent.provider_answers import of_answer, of_unix_time

_METER = "claude"
_MARKS = ('"result"', '"modelUsage"')
_UNFINISHED = "a session did not end: counted by its messages, whose output is not told in full"


def usage(text: str) -> Said:
    """
    Return what a run used by the results of its sessions. Raises ValueError.

    `modelUsage` is added up, since `usage` leaves out what subagents used. It is a running total of its session. Of a
    session that was ended before its result, what each of its messages used counts. The costs are the client's own
    estimate.
    """
    events = reading.objects(text, marks=_MARKS)
    if not any(_is_result(event) or _is_message(event) for event in events):
        raise ValueError("holds no result")
    sessions, is_finished = [], True
    for session_id, told in _by_session(events).items():
        session = session_of(session_id, [_count(event) for event in told if _is_result(event)])
        rest = _of_messages(told)
        is_finished &= rest.is_empty
        sessions.append(session._replace(used=session.used.plus(rest), total=session.total.plus(rest)))
    used = all_used(sessions)
    told_by = ("", "reported") if is_finished else (_UNFINISHED, "estimated")
    models = [model for event in events if _is_result(event) for model in event["modelUsage"]]
    return Said(used.usage(_METER, *told_by, models), tuple(sessions))


def word(text: str, errors: str, ended_at: datetime) -> Word:
    """Return how the last session says that it ended, and what it heard of its provider's windows."""
    events = [event for event in reading.documents(text) if isinstance(event, dict)]
    return Word(_ending(events, ended_at), _windows(events, ended_at))


def _is_result(event: dict[str, Any]) -> bool:
    return event.get("type") == "result"


def _is_message(event: dict[str, Any]) -> bool:
    message = event.get("message")
    return event.get("type") == "assistant" and isinstance(message, dict) and message.get("model") != "<synthetic>"


def _by_session(events: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    sessions: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        if _is_result(event) or _is_message(event):
            sessions.setdefault(reading.text(event.get("session_id")), []).append(event)
    return sessions


def _count(result: dict[str, Any]) -> Count:
    """Return a result's total, and what its own turn used at least. Raises ValueError."""
    models = reading.mapping(result.get("modelUsage"), "modelUsage")
    told = reading.mapping(result.get("usage", {}), "usage")
    turn = Totals(*_of_turn(told))
    if not models and not (turn.is_empty and not result.get("total_cost_usd")):
        raise ValueError("gives no model's usage")
    total = Totals()
    for name, model in models.items():
        part = reading.mapping(model, f"modelUsage of {name}")
        total = total.plus(Totals(*_of_model(part), reading.usd(part.get("costUSD"), "costUSD")))
    return Count(total, turn if total.covers(turn) else Totals())


def _of_model(told: dict[str, Any]) -> tuple[int, int, int]:
    """Return input in all, what of it was read from a cache, and output. Raises ValueError."""
    plain, answered = (reading.tokens(told.get(name), name) for name in ("inputTokens", "outputTokens"))
    cached, written = (
        reading.tokens_or_none_told(told.get(name), name)
        for name in ("cacheReadInputTokens", "cacheCreationInputTokens")
    )
    return plain + cached + written, cached, answered


def _of_turn(told: dict[str, Any]) -> tuple[int, int, int]:
    """Return the same of one turn of the main loop, or of one message. Raises ValueError."""
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
    plain, cached, written, answered = (reading.tokens_or_none_told(told.get(name), name) for name in names)
    return plain + cached + written, cached, answered


def _of_messages(told: list[dict[str, Any]]) -> Totals:
    """Return what the messages after a session's last result used; a message may be printed in several parts."""
    used: dict[str, Totals] = {}
    for event in told:
        if _is_result(event):
            used = {}
            continue
        message = event["message"]
        parts = Totals(*_of_turn(reading.mapping(message.get("usage", {}), "usage")))
        name = reading.text(message.get("id")) or f"message {len(used)}"
        used[name] = parts._replace(output_tokens=max(parts.output_tokens, used.get(name, Totals()).output_tokens))
    total = Totals()
    for one in used.values():
        total = total.plus(one._replace(cost_usd=None))
    return total


# --- how it ended


def _ending(events: list[dict[str, Any]], ended_at: datetime) -> Ending | None:
    results = [place for place, event in enumerate(events) if _is_result(event)]
    after = events[results[-1] + 1 :] if results else events
    if not results or any(_is_message(event) for event in after):
        return _shut_out(after, ended_at)
    result = events[results[-1]]
    if result.get("subtype") == "success" and result.get("is_error") is False:
        return _success(result)
    limit = _LIMITS.get(reading.text(result.get("subtype"))) or _LIMITS.get(reading.text(result.get("terminal_reason")))
    message = _message_of(result)
    if limit is not None:
        return Ending(limit, message)
    before = events[results[-2] + 1 if len(results) > 1 else 0 : results[-1]]
    if (refused := _refused(result, message, before, ended_at)) is not None:
        return refused
    facts = f"its result is {result.get('subtype')!r} with is_error {result.get('is_error')!r}"
    return Ending("agent_error", f"{facts}: {message}" if message else facts)


_LIMITS = {
    "error_max_turns": "turn_limit",
    "max_turns": "turn_limit",
    "error_max_budget_usd": "budget",
    "budget_exhausted": "budget",
}


def _success(result: dict[str, Any]) -> Ending:
    try:
        count = _count(result)
    except ValueError:
        return Ending("done")
    return Ending("nothing_done", f"it used nothing: {_message_of(result)}") if count.total.is_empty else Ending("done")


def _message_of(result: dict[str, Any]) -> str:
    errors = result.get("errors")
    told = [reading.text(one) for one in errors] if isinstance(errors, list) else []
    return "; ".join(filter(None, (*told, reading.text(result.get("result")))))


def _refused(result: dict[str, Any], message: str, before: list[dict[str, Any]], ended_at: datetime) -> Ending | None:
    """Return what refused a session's call, by the result's status, its message, and the events before it."""
    kind = next((_ERRORS[name] for name in _kinds_of_error(before) if name in _ERRORS), None)
    status = result.get("api_error_status")
    known = status if type(status) is int else None
    if known is None and kind is None and reading.text(result.get("terminal_reason")) not in _BY_THE_API:
        return None
    found = of_answer(known, message, ended_at)
    shut = [window for window in _windows(before, ended_at) if window.is_shut]
    if shut and (found is None or found.reason in ("quota", "rate_limit")):
        return Ending("quota", message or f"window {shut[-1].name} is used up", shut[-1].resets_at)
    if found is None and kind is not None:
        return Ending(kind, message)
    return found


_BY_THE_API = ("api_error", "model_error", "blocking_limit", "")
_ERRORS = {
    "authentication_failed": "login",
    "oauth_org_not_allowed": "login",
    "account_on_hold": "login",
    "verification_required": "login",
    "cloud_credential_error": "login",
    "model_not_found": "login",
    "billing_error": "quota",
    "rate_limit": "rate_limit",
    "overloaded": "overload",
    "server_error": "provider_error",
}


def _kinds_of_error(events: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the kinds of error that the last of a session's messages names."""
    for event in reversed(events):
        if event.get("type") == "assistant":
            yield reading.text(event.get("error"))
            return


def _shut_out(events: list[dict[str, Any]], ended_at: datetime) -> Ending | None:
    """Return what a session was waiting for that was ended before its result: a window, or a call's next attempt."""
    for event in reversed(events):
        if _is_message(event):
            return None
        if event.get("type") == "rate_limit_event":
            shut = [window for window in _windows([event], ended_at) if window.is_shut]
            return Ending("quota", f"window {shut[0].name} is used up", shut[0].resets_at) if shut else None
        if event.get("type") == "system" and event.get("subtype") == "api_retry":
            status = event.get("error_status")
            message = f"{reading.text(event.get('error'))}, tried again until the run was ended"
            kind = "network" if status is None else _ERRORS.get(reading.text(event.get("error")))
            found = of_answer(status if type(status) is int else None, message, ended_at)
            return found or (None if kind is None else Ending(kind, message))
    return None


def _windows(events: list[dict[str, Any]], ended_at: datetime) -> tuple[Window, ...]:
    """Return the last that was heard of each window."""
    found: dict[str, Window] = {}
    for event in events:
        told = event.get("rate_limit_info")
        if event.get("type") != "rate_limit_event" or not isinstance(told, dict):
            continue
        name = reading.text(told.get("rateLimitType")) or "unknown"
        is_shut = told.get("status") == "rejected" and told.get("isUsingOverage") is not True
        resets_at = of_unix_time(told.get("resetsAt"), ended_at)
        found[name] = Window(name, reading.share(told.get("utilization"), 1), resets_at, is_shut)
    return tuple(found.values())

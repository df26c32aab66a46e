"""What the trajectory of mini-swe-agent (`mini -o trajectory.json`) says, which is saved after every step."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from scidex.agent.endings import Ending, Word
from scidex.agent.meters import reading
from scidex.agent.meters.said import Said, Totals
from scidex.agent.provider_answers import of_answer
from scidex.records import Usage

_METER = "mini-swe-agent"


def usage(text: str) -> Said:
    """
    Return what a run used by the answers that its trajectory holds, and what it says that they cost. Raises ValueError.

    The costs are its own estimate. Of a trajectory without the answers themselves, only those are known.
    """
    trajectory = _trajectory(text)
    stats = reading.mapping(reading.mapping(trajectory.get("info"), "info").get("model_stats"), "model_stats")
    cost = reading.usd(stats.get("instance_cost"), "instance_cost")
    calls = reading.tokens(stats.get("api_calls"), "api_calls")
    answers = list(_usages(trajectory))
    if not answers and calls and not _was_refused(trajectory):
        if not cost:
            # A model whose price it does not know costs it nothing; that is not what it cost.
            raise ValueError(f"gives no instance_cost for {calls} calls")
        return Said(Usage(meter=_METER, provenance="estimated", cost_usd=cost, cost_provenance="estimated"))
    used = Totals(cost_usd=cost)
    for answer in answers:
        used = used.plus(_totals(answer))
    return Said(used.usage(_METER, models=[_model(trajectory)]))


def word(text: str, errors: str, ended_at: datetime) -> Word:
    """Return how the trajectory says that the run ended: submitted, at a limit, or by an exception."""
    try:
        trajectory = _trajectory(text)
    except ValueError:
        return Word()
    info = trajectory.get("info")
    status = reading.text(info.get("exit_status")) if isinstance(info, dict) else ""
    if not status:
        return Word()
    if status == "Submitted":
        return Word(Ending("done"))
    if status in _LIMITS:
        return Word(Ending(_LIMITS[status], status))
    message = _exception(trajectory)
    refused = of_answer(None, f"{status} {message}", ended_at) if status in _OF_THE_PROVIDER else None
    return Word(refused or Ending("agent_error", f"{status} {message}".strip()))


_LIMITS = {"LimitsExceeded": "budget", "TimeExceeded": "time_limit"}
# What litellm raises where a provider refuses.
_OF_THE_PROVIDER = (
    "AuthenticationError", "PermissionDeniedError", "RateLimitError", "BudgetExceededError", "ServiceUnavailableError",
    "InternalServerError", "APIConnectionError", "APIError", "Timeout", "NotFoundError", "BadGatewayError",
)  # fmt: skip


def _model(trajectory: dict[str, Any]) -> str:
    found: Any = trajectory
    for name in ("info", "config", "model", "model_name"):
        found = found.get(name) if isinstance(found, dict) else None
    return reading.text(found)


def _trajectory(text: str) -> dict[str, Any]:
    found = [one for one in reading.documents(text) if isinstance(one, dict) and "info" in one]
    if not found:
        raise ValueError("holds no trajectory")
    return found[-1]


def _messages(trajectory: dict[str, Any]) -> list[dict[str, Any]]:
    messages = trajectory.get("messages")
    return [one for one in messages if isinstance(one, dict)] if isinstance(messages, list) else []


def _usages(trajectory: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what each call used: the trajectory keeps the model's whole answer beside its message."""
    for message in _messages(trajectory):
        extra = message.get("extra")
        response = extra.get("response") if isinstance(extra, dict) else None
        if isinstance(response, dict) and response.get("usage") is not None:
            yield reading.mapping(response["usage"], "usage")


def _was_refused(trajectory: dict[str, Any]) -> bool:
    info = trajectory.get("info")
    return isinstance(info, dict) and info.get("exit_status") in _OF_THE_PROVIDER


def _exception(trajectory: dict[str, Any]) -> str:
    for message in reversed(_messages(trajectory)):
        extra = message.get("extra")
        if isinstance(extra, dict) and "exit_status" in extra:
            return reading.text(extra.get("exception_str"))
    return ""


def _totals(told: dict[str, Any]) -> Totals:
    """Return one answer's tokens, by OpenAI's names or by Anthropic's."""
    if "prompt_tokens" in told:
        details = told.get("prompt_tokens_details")
        cached = details.get("cached_tokens") if isinstance(details, dict) else None
        names = (("prompt_tokens", told["prompt_tokens"]), ("completion_tokens", told.get("completion_tokens")))
        given, answered = (reading.tokens(value, name) for name, value in names)
        return Totals(given, min(given, reading.tokens_or_none_told(cached, "cached_tokens")), answered)
    given, answered = (reading.tokens(told.get(name), name) for name in ("input_tokens", "output_tokens"))
    details = told.get("input_tokens_details")
    part = details.get("cached_tokens") if isinstance(details, dict) else None
    read, written = (
        reading.tokens_or_none_told(told.get(name), name)
        for name in ("cache_read_input_tokens", "cache_creation_input_tokens")
    )
    return Totals(given + read + written, read + reading.tokens_or_none_told(part, "cached_tokens"), answered)

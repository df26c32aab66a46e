"""What coding agents print of their own usage, one pure function for each; tokens count cached input as input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scidex.agent.meters import reading
from scidex.records import Usage

Reader = Callable[[str], Usage]


def claude(text: str) -> Usage:
    """
    Return what `claude -p --output-format json`, or `stream-json`, says. Raises ValueError.

    `modelUsage` is added up, since `usage` leaves out what subagents used. The costs are the client's own estimate.
    """
    models = reading.mapping(_claude_result(text).get("modelUsage"), "modelUsage")
    if not models:
        raise ValueError("gives no model's usage")
    parts = [reading.mapping(model, f"modelUsage of {name}") for name, model in models.items()]

    def total(name: str) -> int:
        return sum(reading.tokens_or_none_told(part.get(name), name) for part in parts)

    for part in parts:
        reading.tokens(part.get("inputTokens"), "inputTokens")
        reading.tokens(part.get("outputTokens"), "outputTokens")
    cached = total("cacheReadInputTokens")
    return _reported(
        "claude",
        input_tokens=total("inputTokens") + cached + total("cacheCreationInputTokens"),
        cached_input_tokens=cached,
        output_tokens=total("outputTokens"),
        cost_usd=_sum([reading.usd(part.get("costUSD"), "costUSD") for part in parts]),
    )


def codex(text: str) -> Usage:
    """
    Return what `codex exec --json` says. Raises ValueError.

    Each turn tells the usage of the whole session so far, so the last one counts. It tells no costs.
    """
    turns = [event for event in reading.events(text) if event.get("type") == "turn.completed"]
    if not turns:
        raise ValueError("holds no turn.completed")
    usage = reading.mapping(turns[-1].get("usage"), "usage")
    return _reported(
        "codex",
        input_tokens=reading.tokens(usage.get("input_tokens"), "input_tokens"),
        cached_input_tokens=reading.tokens_or_none_told(usage.get("cached_input_tokens"), "cached_input_tokens"),
        output_tokens=reading.tokens(usage.get("output_tokens"), "output_tokens"),
        note="" if _is_last_turn_told(text) else "the last turn did not end, and is not counted",
    )


def gemini(text: str) -> Usage:
    """Return what `gemini -p --output-format json`, or `stream-json`, says. Raises ValueError. It tells no costs."""
    found = reading.whole_or_last(text)
    stats = reading.mapping(found.get("stats"), "stats")
    if "total_tokens" in stats:
        return _reported(
            "gemini",
            input_tokens=reading.tokens(stats.get("input_tokens"), "input_tokens"),
            cached_input_tokens=reading.tokens_or_none_told(stats.get("cached"), "cached"),
            output_tokens=reading.tokens(stats.get("total_tokens"), "total_tokens")
            - reading.tokens(stats.get("input_tokens"), "input_tokens"),
        )
    models = reading.mapping(stats.get("models"), "models")
    if not models:
        raise ValueError("gives no model's tokens")
    told = [reading.mapping(reading.mapping(model, name).get("tokens"), "tokens") for name, model in models.items()]

    def total(name: str) -> int:
        return sum(reading.tokens_or_none_told(tokens.get(name), name) for tokens in told)

    for tokens in told:
        reading.tokens(tokens.get("prompt"), "prompt")
        reading.tokens(tokens.get("candidates"), "candidates")
    return _reported(
        "gemini",
        input_tokens=total("prompt") + total("tool"),
        cached_input_tokens=total("cached"),
        output_tokens=total("candidates") + total("thoughts"),
    )


def opencode(text: str) -> Usage:
    """
    Return what `opencode run --format json` says, added up over its steps. Raises ValueError.

    What its subagents use is not told. The costs are its own estimate.
    """
    steps = [
        reading.mapping(event.get("part"), "part")
        for event in reading.events(text)
        if event.get("type") == "step_finish"
    ]
    if not steps:
        raise ValueError("holds no step_finish")
    told = [reading.mapping(step.get("tokens"), "tokens") for step in steps]
    caches = [reading.mapping(tokens.get("cache", {}), "cache") for tokens in told]
    read = sum(reading.tokens_or_none_told(cache.get("read"), "cache.read") for cache in caches)
    written = sum(reading.tokens_or_none_told(cache.get("write"), "cache.write") for cache in caches)
    return _reported(
        "opencode",
        input_tokens=sum(reading.tokens(tokens.get("input"), "input") for tokens in told) + read + written,
        cached_input_tokens=read,
        output_tokens=sum(
            reading.tokens(tokens.get("output"), "output")
            + reading.tokens_or_none_told(tokens.get("reasoning"), "reasoning")
            for tokens in told
        ),
        cost_usd=_sum([reading.usd(step.get("cost"), "cost") for step in steps]),
        note="subagents are not counted",
    )


def mini_swe_agent(text: str) -> Usage:
    """
    Return what a trajectory of mini-swe-agent says. Raises ValueError.

    It is saved after every step, so it tells of runs that were killed too. It tells costs by its own estimate, and no
    tokens.
    """
    info = reading.mapping(reading.whole_or_last(text).get("info"), "info")
    stats = reading.mapping(info.get("model_stats"), "model_stats")
    cost = reading.usd(stats.get("instance_cost"), "instance_cost")
    calls = reading.tokens(stats.get("api_calls"), "api_calls")
    if cost is None or (cost == 0 and calls > 0):
        # A model whose price it does not know costs it nothing; that is not what it cost.
        raise ValueError(f"gives no instance_cost for {calls} calls")
    return Usage(meter="mini-swe-agent", provenance="estimated", cost_usd=cost, cost_provenance="estimated")


def reported_by_itself(found: dict[str, Any]) -> Usage:
    """
    Return what a usage file says: `tokens`, or input and output tokens by their own or OpenTelemetry's names.

    Raises ValueError.
    """
    cost = reading.usd(found.get("cost_usd"), "cost_usd")
    if "tokens" in found:
        used = reading.tokens(found["tokens"], "tokens")
        return Usage("file", "reported", tokens=used, cost_usd=cost, cost_provenance=_of(cost, "reported"))
    names = _SEMANTIC if any(name in found for name in _SEMANTIC) else _PLAIN
    given, answered, cached = (found.get(name) for name in names)
    usage = _reported(
        "file",
        input_tokens=reading.tokens(given, names[0]),
        cached_input_tokens=None if cached is None else reading.tokens(cached, names[2]),
        output_tokens=reading.tokens(answered, names[1]),
        cost_usd=cost,
    )
    return usage._replace(cost_provenance=_of(cost, "reported"))


# Agents that print their usage, by the name of their program.
PRINTING: dict[str, Reader] = {"claude": claude, "codex": codex, "gemini": gemini, "opencode": opencode}

# Names of OpenTelemetry's conventions for generative AI, which still change.
_SEMANTIC = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.usage.cache_read.input_tokens")
_PLAIN = ("input_tokens", "output_tokens", "cached_input_tokens")


def claude_succeeded(text: str) -> tuple[bool, str]:
    """
    Return whether a session says that it did its work, and what speaks against it.

    `is_error` and `subtype` must both say so: a refused call can come as a success with an error, and a spent budget as
    no error. Raises ValueError where there is no result.
    """
    result = _claude_result(text)
    subtype, is_error = result.get("subtype"), result.get("is_error")
    if subtype == "success" and is_error is False:
        return True, ""
    return False, f"its result is {subtype!r} with is_error {is_error!r}"


def codex_succeeded(text: str) -> tuple[bool, str]:
    """Return whether the last turn of `codex exec --json` was completed, and what speaks against it, or ValueError."""
    ends = [event for event in reading.events(text) if event.get("type") in _TURN_ENDS]
    if not ends:
        raise ValueError("holds no turn that ended")
    if ends[-1]["type"] == "turn.completed":
        return True, ""
    return False, f"its last turn ended with {ends[-1]['type']}"


_TURN_ENDS = ("turn.completed", "turn.failed", "error")


def _is_last_turn_told(text: str) -> bool:
    kinds = [event.get("type") for event in reading.events(text)]
    marks = [kind for kind in kinds if kind in ("turn.started", "turn.completed")]
    return not marks or marks[-1] == "turn.completed"


def _claude_result(text: str) -> dict[str, Any]:
    found = reading.whole_or_last(text)
    if found.get("type") != "result":
        found = {}
        for event in reading.events(text):
            found = event if event.get("type") == "result" else found
    if not found:
        raise ValueError("holds no result")
    return found


def _reported(
    meter: str,
    *,
    input_tokens: int,
    cached_input_tokens: int | None,
    output_tokens: int,
    cost_usd: float | None = None,
    note: str = "",
) -> Usage:
    if output_tokens < 0 or (cached_input_tokens or 0) > input_tokens:
        raise ValueError("gives parts that are more than the whole")
    if cost_usd == 0 and input_tokens + output_tokens > 0:
        # A client that does not know a model's price takes it for 0.
        cost_usd = None
    return Usage(
        meter=meter,
        provenance="reported",
        tokens=reading.tokens(input_tokens + output_tokens, "tokens in all"),
        input_tokens=input_tokens,
        cached_input_tokens=cached_input_tokens,
        output_tokens=output_tokens,
        cost_usd=cost_usd,
        cost_provenance=_of(cost_usd, "estimated"),
        note=note,
    )


def _of(cost: float | None, provenance: str) -> str:
    return "none" if cost is None else provenance


def _sum(costs: list[float | None]) -> float | None:
    # The sum of what is known would pass for all of it.
    return None if None in costs else sum(cost for cost in costs if cost is not None)

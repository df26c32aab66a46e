"""What coding agents print, in the shapes of their own output, for the tests of those that read it."""

from __future__ import annotations

import json
from typing import Any


def lines(*events: dict[str, Any]) -> str:
    return "\n".join(json.dumps(event) for event in events)


def claude_result(models: dict[str, Any] | None = None, **others: Any) -> dict[str, Any]:
    model = {
        "inputTokens": 10, "outputTokens": 300, "cacheReadInputTokens": 5_000, "cacheCreationInputTokens": 700,
        "costUSD": 0.25,
    }  # fmt: skip
    told = {"type": "result", "subtype": "success", "is_error": False, "total_cost_usd": 9.0}
    usage = {"input_tokens": 1, "output_tokens": 1}
    return {**told, "usage": usage, "modelUsage": {"large": model} if models is None else models, **others}


def claude_session(session_id: str, given: int, answered: int, usd: float | None, **others: Any) -> dict[str, Any]:
    """Return the result of a session whose total is this."""
    model = {"inputTokens": given, "outputTokens": answered, "costUSD": usd}
    return claude_result({"large": model}, session_id=session_id, **others)


def claude_message(session_id: str, message_id: str, given: int, answered: int, **others: Any) -> dict[str, Any]:
    usage = {"input_tokens": given, "output_tokens": answered}
    message = {"id": message_id, "role": "assistant", "model": "large", "content": [], "usage": usage}
    return {"type": "assistant", "message": message, "session_id": session_id, **others}


def codex_thread(thread_id: str) -> dict[str, Any]:
    return {"type": "thread.started", "thread_id": thread_id}


def codex_turn(**usage: Any) -> dict[str, Any]:
    return {"type": "turn.completed", "usage": {"input_tokens": 0, "output_tokens": 0, **usage}}


def codex_rollout(*totals: tuple[int, int], **limits: Any) -> str:
    counts = [{"total_token_usage": {"input_tokens": given, "output_tokens": out}} for given, out in totals]
    payloads = [{"type": "token_count", "info": info, "rate_limits": limits or None} for info in counts]
    meta = {"type": "session_meta", "payload": {"id": "t"}}
    return lines(meta, *({"type": "event_msg", "payload": payload} for payload in payloads)) + "\n"


def gemini_stats(**tokens: Any) -> dict[str, Any]:
    return {"response": "done", "stats": {"models": {"pro": {"tokens": {"prompt": 0, "candidates": 0, **tokens}}}}}


def gemini_stream(given: int, total: int, status: str = "success", **others: Any) -> list[dict[str, Any]]:
    stats = {"total_tokens": total, "input_tokens": given, "output_tokens": total - given, "cached": 0}
    return [
        {"type": "init", "session_id": "s", "model": "pro"},
        {"type": "result", "status": status, "stats": stats, **others},
    ]


def opencode_step(cost: Any = 0.5, **tokens: Any) -> dict[str, Any]:
    told = {"input": 100, "output": 20, "reasoning": 5, "cache": {"read": 1_000, "write": 50}, **tokens}
    return {"type": "step_finish", "part": {"type": "step-finish", "cost": cost, "tokens": told}}


def opencode_error(name: str, message: str, status: int | None = None) -> dict[str, Any]:
    return {"type": "error", "error": {"name": name, "data": {"message": message, "statusCode": status}}}


def mini_trajectory(cost: Any, *usages: dict[str, Any], calls: int | None = None, status: str = "Submitted") -> str:
    messages: list[dict[str, Any]] = [{"role": "system", "content": "You are…"}]
    messages += [{"role": "assistant", "content": "…", "extra": {"response": {"usage": usage}}} for usage in usages]
    messages.append(
        {"role": "exit", "content": "", "extra": {"exit_status": status, "exception_str": "Incorrect API key"}}
    )
    count = len(usages) if calls is None else calls
    info = {"model_stats": {"instance_cost": cost, "api_calls": count}, "exit_status": status}
    return json.dumps({"info": info, "messages": messages, "trajectory_format": "mini-swe-agent-1.1"}, indent=2)


def aider_message(given: Any, answered: Any, cost: Any) -> dict[str, Any]:
    told = {"prompt_tokens": given, "completion_tokens": answered, "cost": cost}
    return {"event": "message_send", "properties": {"main_model": "large", **told}, "user_id": "u", "time": 1}


SAYS = {
    "claude": json.dumps(claude_result()),
    "codex": lines(codex_turn(input_tokens=900, cached_input_tokens=400, output_tokens=50)),
    "gemini": json.dumps(gemini_stats(prompt=70, candidates=7, cached=30, thoughts=3, tool=10)),
    "opencode": lines(opencode_step(), opencode_step()),
    "mini": mini_trajectory(0.75, {"prompt_tokens": 900, "completion_tokens": 60}),
    "aider": lines(aider_message(900, 50, 0.25), aider_message(1_000, 60, 0.5)),
}
"""What each says of one small run."""

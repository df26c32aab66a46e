"""How a run ended, by the word of its own program; and what that heard of its provider's windows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from scidex.agent.endings import Window
from scidex.agent.meters.programs import PROGRAMS, codex
from tests.agent.printed import (
    SAYS,
    claude_message,
    claude_result,
    claude_session,
    codex_rollout,
    codex_turn,
    gemini_stats,
    gemini_stream,
    lines,
    mini_trajectory,
    opencode_error,
    opencode_step,
)

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
RESETS_AT = datetime(2026, 11, 30, 15, 0, tzinfo=UTC)
NOTHING: dict[str, Any] = {"modelUsage": {}, "usage": {"input_tokens": 0, "output_tokens": 0}, "total_cost_usd": 0}
REFUSED = NOTHING | {"is_error": True}


def reason(name: str, text: str, errors: str = "") -> str | None:
    ending = PROGRAMS[name].word(text, errors, NOW).ending
    return None if ending is None else ending.reason


@pytest.mark.parametrize("name", SAYS)
def test_a_run_that_did_its_work_says_so_and_silence_says_nothing(name):
    said = SAYS[name] + "\nTokens: 2.1k sent, 300 received. Cost: $0.01 message.\n"

    assert reason(name, said) == "done"
    assert reason(name, "all good\n") is None
    assert reason(name, "") is None


# --- Claude Code


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({}, "done"),
        ({"is_error": True}, "agent_error"),
        ({"subtype": None}, "agent_error"),
        ({"is_error": 0}, "agent_error"),
        ({"is_error": None}, "agent_error"),
        ({"subtype": "error_during_execution", "is_error": True}, "agent_error"),
        ({"subtype": "error_max_budget_usd"}, "budget"),  # a spent budget, reported as no error
        ({"subtype": "error_max_turns", "is_error": True}, "turn_limit"),
        ({"is_error": True, "terminal_reason": "max_turns"}, "turn_limit"),
        (NOTHING | {"num_turns": 0, "result": "Unknown command: /nonsuch"}, "nothing_done"),
        # Refused calls, reported as a success.
        (REFUSED | {"api_error_status": 401, "result": "Invalid API key · Fix external API key"}, "login"),
        (REFUSED | {"api_error_status": 429, "result": "API Error: Request rejected (429)"}, "rate_limit"),
        (REFUSED | {"api_error_status": 400, "result": "Credit balance is too low"}, "quota"),
        (REFUSED | {"api_error_status": 529, "result": "API Error: Overloaded"}, "overload"),
        (REFUSED | {"api_error_status": 400, "result": "API Error: prompt is too long"}, "agent_error"),
        (REFUSED | {"result": "API Error: Unable to connect to API (ECONNREFUSED)"}, "network"),
        (REFUSED | {"result": "Claude AI usage limit reached|1796050800"}, "quota"),
        ({"is_error": True, "errors": ["rate limit of a tool"], "terminal_reason": "hook_stopped"}, "agent_error"),
    ],
)  # fmt: skip
def test_claude_says_how_it_ended(told, said):
    assert reason("claude", json.dumps(claude_result(**told))) == said


def test_claude_says_when_the_window_opens_again():
    told = {
        "status": "rejected",
        "resetsAt": int(RESETS_AT.timestamp()),
        "rateLimitType": "five_hour",
        "utilization": 1,
    }
    shut = {"type": "rate_limit_event", "rate_limit_info": told}
    refused = claude_result(is_error=True, result="You've hit your limit", api_error_status=429, **NOTHING)

    for text in (lines(shut, refused), lines(shut)):
        word = PROGRAMS["claude"].word(text, "", NOW)
        assert word.ending is not None
        assert (word.ending.reason, word.ending.retry_at) == ("quota", RESETS_AT)
        assert word.windows == (Window("five_hour", 1.0, RESETS_AT, is_shut=True),)
    assert PROGRAMS["claude"].word(lines(shut, claude_result()), "", NOW).ending.reason == "done"


def test_the_last_that_was_heard_of_a_window_counts():
    def heard(**told: Any) -> dict[str, Any]:
        return {
            "type": "rate_limit_event",
            "rate_limit_info": {"status": "allowed", "rateLimitType": "seven_day", **told},
        }

    text = lines(
        heard(utilization=0.5), heard(utilization=0.75), heard(rateLimitType=5, utilization="much", resetsAt=1)
    )

    assert PROGRAMS["claude"].word(text, "", NOW).windows == (Window("seven_day", 0.75), Window("unknown"))


def test_the_last_session_says_how_the_run_ended():
    refused = claude_result(is_error=True, result="Invalid API key", api_error_status=401, session_id="b", **NOTHING)
    done = claude_session("a", 100, 10, 0.1)

    assert reason("claude", lines(done, refused)) == "login"
    assert reason("claude", lines(refused, done)) == "done"
    assert reason("claude", lines(refused, claude_message("c", "m", 1, 1))) is None


def test_a_call_that_is_tried_again_until_the_end_was_refused():
    retry = {"type": "system", "subtype": "api_retry", "attempt": 4}

    assert reason("claude", lines({**retry, "error_status": 529, "error": "overloaded"})) == "overload"
    assert reason("claude", lines({**retry, "error_status": None, "error": "unknown"})) == "network"
    assert reason("claude", lines({**retry, "error_status": 529}, claude_message("s", "m", 1, 1))) is None


# --- Codex


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("unexpected status 401 Unauthorized: Incorrect API key provided, url: http://127.0.0.1/v1/responses", "login"),
        ("You’ve hit your usage limit. Visit settings to purchase more credits or try again at 3:05 PM.", "quota"),
        ("Quota exceeded. Check your plan and billing details.", "quota"),
        ("exceeded retry limit, last status: 429 Too Many Requests", "rate_limit"),
        ("unexpected status 503 Service Unavailable: overloaded", "overload"),
        ("stream disconnected before completion: error sending request", "network"),
        ("shared rollout token budget exhausted", "agent_error"),
        ("", "agent_error"),
    ],
)
def test_codex_says_how_its_last_turn_ended(message, said):
    failed = {"type": "turn.failed", "error": {"message": message}}
    error = {"type": "error", "message": message}

    assert reason("codex", lines(codex_turn(input_tokens=1), {"type": "turn.started"}, error, failed)) == said
    assert reason("codex", lines(error)) == said
    assert reason("codex", lines(failed, codex_turn(input_tokens=1))) == "done"
    assert reason("codex", lines(failed, {"type": "turn.started"})) is None
    assert reason("codex", lines(codex_turn())) == "nothing_done"


def test_a_rollout_says_how_full_the_windows_are():
    resets = int(RESETS_AT.timestamp())
    text = codex_rollout(
        (1, 1), primary={"used_percent": 100.0, "resets_at": resets}, secondary={"used_percent": 40, "resets_at": None}
    )

    assert codex.windows_of_rollout(text, NOW) == (
        Window("primary", 1.0, RESETS_AT, is_shut=True),
        Window("secondary", 0.4),
    )
    assert codex.windows_of_rollout(codex_rollout((1, 1), primary=None, secondary=5), NOW) == ()
    assert codex.windows_of_rollout("", NOW) == ()


# --- Gemini


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ({"message": '[API Error: {"error":{"code":401,"message":"API key not valid."}}]'}, "login"),
        ({"message": '[API Error: {"error":{"code":400,"message":"API key not valid."}}]'}, "login"),
        ({"message": "[API Error: You have exhausted your daily quota on this model.]"}, "quota"),
        ({"message": "no", "code": 41}, "login"),
        ({"message": "Reached max session turns", "code": 53}, "turn_limit"),
        ({"message": "not trusted", "code": 55}, "machine"),
        ({"message": "API key not valid", "code": 401}, "login"),
        ({"message": "it gave up"}, "agent_error"),
        ({}, "agent_error"),
    ],
)
def test_gemini_says_how_it_failed_on_standard_error_or_in_its_stream(error, said):
    whole = json.dumps({"session_id": "s", "error": error}, indent=2)

    assert reason("gemini", "", f"Warning: no color\n  status: 401\n}}\n{whole}\n") == said
    assert reason("gemini", lines(*gemini_stream(0, 0, "error", error=error))) == said


def test_a_gemini_session_that_used_nothing_did_nothing():
    assert reason("gemini", json.dumps(gemini_stats())) == "nothing_done"
    assert reason("gemini", lines(*gemini_stream(0, 0))) == "nothing_done"
    assert reason("gemini", lines(*gemini_stream(5, 9), {"type": "init"})) is None


# --- OpenCode, mini-swe-agent, aider


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (opencode_error("APIError", "Incorrect API key", 401), "login"),
        (opencode_error("APIError", "Rate limit reached", 429), "rate_limit"),
        (opencode_error("APIError", "This model's maximum context length is 8192 tokens", 400), "agent_error"),
        (opencode_error("ProviderAuthError", "Unauthorized"), "login"),
        (opencode_error("MessageOutputLengthError", "rate limit"), "agent_error"),
        ({"type": "error"}, "agent_error"),
        ({"type": "step_start"}, None),
        (opencode_step(), "done"),
    ],
)
def test_opencode_says_how_it_ended(event, said):
    assert reason("opencode", lines(opencode_step(), event)) == said


def test_an_opencode_session_that_used_nothing_did_nothing():
    assert reason("opencode", lines(opencode_step(input=0, output=0, reasoning=0, cache={}))) == "nothing_done"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("Submitted", "done"),
        ("LimitsExceeded", "budget"),
        ("TimeExceeded", "time_limit"),
        ("AuthenticationError", "login"),
        ("RateLimitError", "rate_limit"),
        ("KeyError", "agent_error"),
        ("", None),
    ],
)
def test_a_trajectory_says_how_the_run_ended(status, said):
    usage = {"prompt_tokens": 9, "completion_tokens": 1}
    text = mini_trajectory(0.1, usage, status=status)
    text = text if status != "RateLimitError" else text.replace("Incorrect API key", "Too many requests")

    assert reason("mini", text) == said


def test_aider_prints_what_its_provider_refused():
    error = "litellm.AuthenticationError: AuthenticationError: OpenAIException - Incorrect API key provided"

    assert reason("aider", f"Aider v0.86.2\n{error}\nThe API provider is not able to authenticate you.\n") == "login"
    assert reason("aider", f"{error}\nTokens: 2.1k sent, 300 received. Cost: $0.01 message.\n") == "done"

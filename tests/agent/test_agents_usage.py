"""What coding agents say of their usage is read by their own formats; what they do not say stays unknown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.agent.executors import RunResult
from scidex.agent.meters import agents
from scidex.agent.meters.agents import (
    claude,
    claude_succeeded,
    codex,
    codex_succeeded,
    gemini,
    mini_swe_agent,
    opencode,
    reported_by_itself,
)
from scidex.agent.meters.printed import PrintedMeter
from scidex.agent.meters.wall_clock import WallClockMeter
from scidex.agent.workplace import Workplace
from scidex.records import Usage
from tests.agent.work import ASSIGNMENT, result

READERS = {**agents.PRINTING, "mini-swe-agent": mini_swe_agent}


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


def codex_turn(**usage: Any) -> dict[str, Any]:
    return {"type": "turn.completed", "usage": {"input_tokens": 0, "output_tokens": 0, **usage}}


def gemini_stats(**tokens: Any) -> dict[str, Any]:
    return {"response": "done", "stats": {"models": {"pro": {"tokens": {"prompt": 0, "candidates": 0, **tokens}}}}}


def opencode_step(cost: Any = 0.5, **tokens: Any) -> dict[str, Any]:
    told = {"input": 100, "output": 20, "reasoning": 5, "cache": {"read": 1_000, "write": 50}, **tokens}
    return {"type": "step_finish", "part": {"type": "step-finish", "cost": cost, "tokens": told}}


SAYS = {
    "claude": json.dumps(claude_result()),
    "codex": lines(codex_turn(input_tokens=900, cached_input_tokens=400, output_tokens=50)),
    "gemini": json.dumps(gemini_stats(prompt=70, candidates=7, cached=30, thoughts=3, tool=10)),
    "opencode": lines(opencode_step(), opencode_step()),
    "mini-swe-agent": json.dumps({"info": {"model_stats": {"instance_cost": 0.75, "api_calls": 9}}}),
}


# --- what each says


def test_claude_counts_every_model_and_cached_input_as_input():
    small = {"inputTokens": 5, "outputTokens": 6, "costUSD": 0.05}
    usage = claude(json.dumps(claude_result({**claude_result()["modelUsage"], "small": small})))

    assert usage == Usage("claude", "reported", 6_021, 5_715, 5_000, 306, 0.3, "estimated")


def test_claude_says_the_same_in_every_output_format():
    events = [{"type": "system", "subtype": "init"}, {"type": "assistant", "message": {}}, claude_result()]
    whole = claude(json.dumps(claude_result()))

    assert whole.tokens == 6_010
    assert claude(lines(*events)) == whole
    assert claude(json.dumps(events)) == whole
    assert claude("a warning\n" + json.dumps(claude_result()) + "\n") == whole


def test_the_usage_of_the_main_loop_alone_is_no_usage():
    with pytest.raises(ValueError, match="modelUsage"):
        claude(json.dumps({**claude_result(), "modelUsage": None}))
    with pytest.raises(ValueError, match="no model's usage"):
        claude(json.dumps(claude_result({})))


def test_a_cost_that_one_model_does_not_tell_is_not_known_in_all():
    models = {**claude_result()["modelUsage"], "own": {"inputTokens": 5, "outputTokens": 6}}

    usage = claude(json.dumps(claude_result(models)))

    assert (usage.tokens, usage.cost_usd, usage.cost_provenance) == (6_021, None, "none")


def test_a_price_of_nothing_for_tokens_is_a_price_that_is_not_known():
    models = {"local": {"inputTokens": 5, "outputTokens": 6, "costUSD": 0}}

    assert claude(json.dumps(claude_result(models))).cost_usd is None
    assert opencode(lines(opencode_step(cost=0))).cost_usd is None


def test_codex_tells_the_session_so_far_so_the_last_turn_counts():
    first = codex_turn(input_tokens=900, cached_input_tokens=400, output_tokens=50)
    second = codex_turn(input_tokens=2_000, cached_input_tokens=1_500, output_tokens=80, reasoning_output_tokens=30)

    usage = codex(lines({"type": "thread.started", "thread_id": "t"}, first, {"type": "item.completed"}, second))

    assert usage == Usage("codex", "reported", 2_080, 2_000, 1_500, 80)


def test_codex_that_was_interrupted_tells_that_a_turn_is_missing():
    usage = codex(lines({"type": "turn.started"}, codex_turn(input_tokens=9), {"type": "turn.started"}))

    assert (usage.tokens, usage.note) == (9, "the last turn did not end, and is not counted")


def test_gemini_adds_thoughts_to_output_and_what_tools_read_to_input():
    assert gemini(SAYS["gemini"]) == Usage("gemini", "reported", 90, 80, 30, 10)


def test_gemini_says_the_same_as_a_stream():
    stats = {"total_tokens": 90, "input_tokens": 80, "output_tokens": 7, "cached": 30}

    assert gemini(lines({"type": "init"}, {"type": "result", "stats": stats})) == gemini(SAYS["gemini"])


def test_opencode_adds_up_its_steps_and_says_what_is_missing():
    usage = opencode("note\n" + lines({"type": "text"}, opencode_step(), opencode_step()))

    assert usage == Usage(
        "opencode", "reported", 2_350, 2_300, 2_000, 50, 1.0, "estimated", "subagents are not counted"
    )


def test_a_trajectory_tells_costs_and_no_tokens():
    usage = mini_swe_agent(SAYS["mini-swe-agent"])

    assert (usage.provenance, usage.tokens, usage.cost_usd) == ("estimated", None, 0.75)
    assert usage.cost_tokens(1_000) == 750


def test_a_trajectory_of_a_model_without_a_price_is_not_free():
    with pytest.raises(ValueError, match="no instance_cost for 9 calls"):
        mini_swe_agent(json.dumps({"info": {"model_stats": {"instance_cost": 0.0, "api_calls": 9}}}))


def test_a_usage_file_may_use_the_names_of_open_telemetry():
    told = {
        "gen_ai.usage.input_tokens": 900,
        "gen_ai.usage.output_tokens": 100,
        "gen_ai.usage.cache_read.input_tokens": 300,
        "cost_usd": 0.5,
    }

    assert reported_by_itself(told) == Usage("file", "reported", 1_000, 900, 300, 100, 0.5, "reported")


def test_wall_clock_is_an_estimate_at_the_operators_rate(tmp_path):
    place = Workplace(tmp_path, ASSIGNMENT)
    meter = WallClockMeter(tokens_per_hour=3_600)

    assert meter.read(place, result(seconds=12.5)) == Usage("clock", "estimated", 13)
    assert meter.read(place, RunResult.without_output("not_started", "could not start")).provenance == "none"


# --- success


@pytest.mark.parametrize(
    ("told", "succeeded"),
    [
        ({}, True),
        ({"is_error": True}, False),  # a refused call, reported as a success with exit code 0
        ({"subtype": "error_max_budget_usd"}, False),  # a spent budget, reported as no error
        ({"subtype": "error_during_execution", "is_error": True}, False),
        ({"subtype": None}, False),
        ({"is_error": 0}, False),
        ({"is_error": None}, False),
    ],
)
def test_claude_succeeded_where_subtype_and_is_error_both_say_so(told, succeeded):
    did, why = claude_succeeded(json.dumps(claude_result(**told)))

    assert (did, bool(why)) == (succeeded, not succeeded)


def test_codex_succeeded_where_its_last_turn_was_completed():
    failed = {"type": "turn.failed", "error": {"message": "no"}}

    assert codex_succeeded(lines(failed, codex_turn())) == (True, "")
    assert codex_succeeded(lines(codex_turn(), failed)) == (False, "its last turn ended with turn.failed")
    assert codex_succeeded(lines(codex_turn(), {"type": "error"})) == (False, "its last turn ended with error")


@pytest.mark.parametrize("heed", [claude_succeeded, codex_succeeded])
def test_saying_nothing_is_no_success(heed):
    with pytest.raises(ValueError, match="holds no"):
        heed("all good\n")


# --- nonsense

NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70), st.floats(), st.just(10**400), st.booleans(), st.none(), st.text(max_size=5)
)
NONSENSE = st.recursive(
    NUMBERS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


def read(name: str, text: str) -> Usage:
    """Read as an agent does, and hold whatever comes of it to the promises of a usage."""
    usage = PrintedMeter(name, READERS[name]).read(Workplace.__new__(Workplace), result(stdout=text))
    counts = (usage.tokens, usage.input_tokens, usage.cached_input_tokens, usage.output_tokens)
    assert all(count is None or (type(count) is int and 0 <= count < 2**53) for count in counts)
    assert usage.cost_usd is None or 0 <= usage.cost_usd <= 1e9 * 10
    assert (usage.provenance == "none") == (usage.tokens is None and usage.cost_usd is None)
    assert (usage.cost_provenance == "none") == (usage.cost_usd is None)
    if usage.provenance == "none":
        assert usage.note
    return usage


@pytest.mark.parametrize("name", READERS)
def test_what_is_cut_short_is_unknown_and_says_why(name):
    whole = read(name, SAYS[name])
    assert whole.provenance != "none"
    for end in range(len(SAYS[name]) - 1):
        usage = read(name, SAYS[name][:end])
        # A stream may be cut between two whole lines: then it says less, and never something else.
        assert usage.provenance == "none" or "\n" in SAYS[name]


@pytest.mark.parametrize("name", READERS)
@given(text=st.text())
def test_any_text_is_read_without_a_fault(name, text):
    read(name, text)


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
def test_nonsense_in_any_place_is_unknown_or_a_number(name, data):
    """Replace one value, anywhere in what an agent says, by something else."""
    said = [json.loads(line) for line in SAYS[name].splitlines()]
    holder: Any = said
    key: Any = data.draw(st.sampled_from(range(len(said))))
    while isinstance(holder[key], (dict, list)) and holder[key] and data.draw(st.integers(0, 4)):
        holder = holder[key]
        key = data.draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
    holder[key] = data.draw(NONSENSE)

    read(name, lines(*said))


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("number", [-1, 1.5, float("nan"), float("inf"), True, "12", 2**53, 10**400, [], {}])
def test_a_number_that_is_none_is_never_taken_for_one(name, number):
    said = {
        "claude": lambda: json.dumps(claude_result({"m": {"inputTokens": number, "outputTokens": 1}})),
        "codex": lambda: lines(codex_turn(input_tokens=number)),
        "gemini": lambda: json.dumps(gemini_stats(prompt=number)),
        "opencode": lambda: lines(opencode_step(), opencode_step(input=number)),
        "mini-swe-agent": lambda: json.dumps({"info": {"model_stats": {"instance_cost": 1.0, "api_calls": number}}}),
    }[name]

    usage = read(name, said())

    assert (usage.provenance, usage.tokens, usage.cost_usd) == ("none", None, None)
    assert "whole number" in usage.note


@given(NONSENSE)
def test_any_usage_file_is_read_or_refused(found):
    told = {"input_tokens": 1, "output_tokens": found, "cost_usd": 1.0}
    try:
        usage = reported_by_itself(told)
    except ValueError:
        return
    assert type(found) is int
    assert usage.tokens == 1 + found


# --- where the text is


def test_output_of_which_a_part_was_not_kept_is_not_added_up(tmp_path):
    text = lines(opencode_step()) + "\n[… 12 bytes left out …]\n" + lines(opencode_step())
    place = Workplace(tmp_path, ASSIGNMENT)

    partial = PrintedMeter("opencode", opencode, needs_all=True).read(place, result(stdout=text))
    last = PrintedMeter("codex", codex).read(place, result(stdout="[… 12 bytes left out …]\n" + SAYS["codex"]))

    assert (partial.provenance, last.tokens) == ("none", 950)
    assert "longer than what was kept" in partial.note


def test_a_command_may_write_its_stream_to_a_file(tmp_path):
    place = Workplace(tmp_path, ASSIGNMENT)
    meter = PrintedMeter("opencode", opencode, "stream.jsonl", needs_all=True)

    assert meter.read(place, result()).note == "the file stream.jsonl was not written"
    (tmp_path / "stream.jsonl").write_text(SAYS["opencode"])
    assert meter.read(place, result()).tokens == 2_350

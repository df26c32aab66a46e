"""What programs say of their usage is read by their own formats; what they do not say stays unknown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.agent.meters.printed import PrintedMeter
from scidex.agent.meters.programs import PROGRAMS, aider, claude, codex, gemini, mini, opencode
from scidex.agent.meters.said import Count, Totals, charged_once, session_of
from scidex.agent.meters.sessions import SessionBook
from scidex.agent.workplace import Workplace
from scidex.records import Usage
from tests.agent.printed import (
    SAYS,
    aider_message,
    claude_message,
    claude_result,
    claude_session,
    codex_rollout,
    codex_thread,
    codex_turn,
    gemini_stats,
    gemini_stream,
    lines,
    mini_trajectory,
    opencode_step,
)
from tests.agent.work import ASSIGNMENT, result

TITLE = "\x1b]0;claude\x07"


def tokens_of(program: Any, text: str) -> int | None:
    return program.usage(text).usage.tokens


# --- Claude Code


def test_claude_counts_every_model_and_cached_input_as_input():
    small = {"inputTokens": 5, "outputTokens": 6, "costUSD": 0.05}
    usage = claude.usage(json.dumps(claude_result({**claude_result()["modelUsage"], "small": small}))).usage

    assert usage == Usage("claude", "reported", 6_021, 5_715, 5_000, 306, 0.3, "estimated", model="large+small")


def test_claude_says_the_same_in_every_output_format():
    events = [{"type": "system", "subtype": "init"}, {"type": "user", "message": {}}, claude_result()]
    whole = claude.usage(json.dumps(claude_result())).usage

    assert whole.tokens == 6_010
    for text in (
        lines(*events),
        json.dumps(events),
        json.dumps(events, indent=2),
        json.dumps(claude_result(), indent=1),
    ):
        assert claude.usage(f"Cloning into 'tool'…\n{text}\n2 files changed\n").usage == whole


def test_a_text_that_holds_the_end_of_a_line_of_unicode_is_one_line():
    said = claude_result(result="one\u2028two\u2029three\u0085four")

    assert tokens_of(claude, json.dumps(said, ensure_ascii=False)) == 6_010


def test_the_usage_of_the_main_loop_alone_is_no_usage():
    with pytest.raises(ValueError, match="modelUsage"):
        claude.usage(json.dumps({**claude_result(), "modelUsage": None}))
    with pytest.raises(ValueError, match="no model's usage"):
        claude.usage(json.dumps(claude_result({})))


def test_a_cost_that_one_model_does_not_tell_is_not_known_in_all():
    models = {**claude_result()["modelUsage"], "own": {"inputTokens": 5, "outputTokens": 6}}

    usage = claude.usage(json.dumps(claude_result(models))).usage

    assert (usage.tokens, usage.cost_usd, usage.cost_provenance) == (6_021, None, "none")


def test_a_price_of_nothing_for_tokens_is_a_price_that_is_not_known():
    models = {"local": {"inputTokens": 5, "outputTokens": 6, "costUSD": 0}}

    assert claude.usage(json.dumps(claude_result(models))).usage.cost_usd is None
    assert opencode.usage(lines(opencode_step(cost=0))).usage.cost_usd is None


def test_nothing_used_and_nothing_charged_is_known():
    refused = claude_result({}, usage={"input_tokens": 0, "output_tokens": 0}, total_cost_usd=0, is_error=True)

    usage = claude.usage(json.dumps(refused)).usage

    assert (usage.tokens, usage.cost_usd, usage.cost_provenance) == (0, 0.0, "estimated")


def test_several_sessions_of_a_run_are_added():
    said = [claude_session(f"s{n}", 100 * n, 10, 0.1 * n) for n in (1, 2, 3)]

    usage = claude.usage(lines(*said)).usage

    assert (usage.tokens, round(usage.cost_usd or 0, 9)) == (630, 0.6)


def test_a_session_that_was_gone_on_with_gives_its_running_total():
    said = [claude_session("s", 100, 10, 0.1), claude_session("other", 7, 3, 0.1), claude_session("s", 300, 25, 0.25)]

    usage = claude.usage(lines(*said)).usage

    assert (usage.tokens, round(usage.cost_usd or 0, 9)) == (335, 0.35)


def test_a_session_that_was_resumed_without_its_total_is_added():
    """As older versions do: the total of the second is all that its own turn used."""
    turn = {"input_tokens": 300, "output_tokens": 25}
    said = [claude_session("s", 100, 10, 0.1), claude_session("s", 300, 25, 0.25, usage=turn)]

    assert tokens_of(claude, lines(*said)) == 435


def test_an_empty_account_does_not_erase_a_full_one():
    nothing = {"usage": {"input_tokens": 0, "output_tokens": 0}, "total_cost_usd": 0, "session_id": "s"}
    said = [claude_session("s", 100, 10, 0.1), claude_result({}, is_error=True, **nothing)]

    usage = claude.usage(lines(*said)).usage

    assert (usage.tokens, usage.cost_usd) == (110, 0.1)
    assert tokens_of(claude, lines(*said, claude_session("s", 150, 15, 0.2))) == 165


def test_a_session_that_was_killed_is_counted_by_its_messages():
    said = [
        claude_session("done", 100, 10, 0.1),
        claude_message("killed", "m1", 50, 1),
        claude_message("killed", "m1", 50, 4),  # the same message, another part of it
        claude_message("killed", "m2", 60, 2, parent_tool_use_id="toolu_1"),
    ]

    usage = claude.usage(lines(*said)).usage

    assert (usage.tokens, usage.input_tokens, usage.provenance, usage.cost_usd) == (226, 210, "estimated", None)
    assert "did not end" in usage.note


def test_a_result_that_is_cut_off_leaves_the_sum_unknown():
    with pytest.raises(ValueError, match="cannot be read"):
        claude.usage(lines(claude_session("s1", 100, 10, 0.1)) + '\n{"type": "result", "subtype": "succ')


# --- Codex


def test_codex_tells_the_session_so_far_so_the_last_turn_counts():
    first = codex_turn(input_tokens=900, cached_input_tokens=400, output_tokens=50)
    second = codex_turn(input_tokens=2_000, cached_input_tokens=1_500, output_tokens=80, reasoning_output_tokens=30)

    usage = codex.usage(lines(codex_thread("t"), first, {"type": "item.completed"}, second)).usage

    assert usage == Usage("codex", "reported", 2_080, 2_000, 1_500, 80)


def test_codex_threads_are_added():
    said = lines(
        codex_thread("a"),
        codex_turn(input_tokens=100, output_tokens=10),
        codex_thread("b"),
        codex_turn(input_tokens=200, output_tokens=20),
        codex_thread("a"),
        codex_turn(input_tokens=150, output_tokens=15),
    )

    assert tokens_of(codex, said) == 165 + 220


@pytest.mark.parametrize(
    "last",
    [
        [{"type": "turn.started"}],
        [{"type": "turn.started"}, {"type": "turn.failed", "error": {"message": "no"}}],
        [codex_thread("other"), {"type": "turn.started"}],
    ],
)
def test_a_codex_turn_that_was_not_completed_leaves_the_sum_unknown(last):
    said = [codex_thread("t"), {"type": "turn.started"}, codex_turn(input_tokens=9)]

    with pytest.raises(ValueError, match="was not completed"):
        codex.usage(lines(*said, *last))


def test_a_later_total_holds_a_turn_that_failed():
    said = lines(
        {"type": "turn.started"}, {"type": "turn.failed"}, {"type": "turn.started"}, codex_turn(input_tokens=9)
    )

    assert tokens_of(codex, said) == 9


def test_a_rollout_tells_what_was_not_printed(tmp_path, monkeypatch):
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    folder = tmp_path / "sessions" / "2026" / "11" / "30"
    folder.mkdir(parents=True)
    text = codex_rollout((100, 5), (1_800, 125), primary={"used_percent": 40.0, "resets_at": 1})
    (folder / "rollout-2026-11-30T20-47-47-thread-1.jsonl").write_text(text)
    meter = printed("codex")
    killed = lines(codex_thread("thread-1"), {"type": "turn.started"})
    unfindable = lines(codex_thread("thread-1"), codex_thread("thread-2"), {"type": "turn.started"})

    assert meter.read(place_at(tmp_path), result(-9, killed)).tokens == 1_925
    assert meter.read(place_at(tmp_path), result(-9, unfindable)).provenance == "none"
    assert meter.read(place_at(tmp_path), result(-9, lines(codex_thread("../../x")))).provenance == "none"


# --- Gemini, OpenCode, aider


def test_gemini_adds_thoughts_to_output_and_what_tools_read_to_input():
    assert gemini.usage(SAYS["gemini"]).usage == Usage("gemini", "reported", 90, 80, 30, 10, model="pro")


def test_gemini_says_the_same_as_a_stream():
    stats = {"total_tokens": 90, "input_tokens": 80, "output_tokens": 7, "cached": 30, "models": {"pro": {}}}

    assert gemini.usage(lines({"type": "init"}, {"type": "result", "stats": stats})) == gemini.usage(SAYS["gemini"])


def test_a_result_on_several_lines_is_found_among_other_output():
    said = json.dumps(gemini_stats(prompt=100, candidates=3), indent=2)

    assert tokens_of(gemini, f"Cloning into 'tool'…\n{said}\n[main 1234] Fix it\n") == 103
    assert tokens_of(gemini, f"{said}\n{said}\n") == 206


def test_a_gemini_session_that_failed_gives_its_usage_as_a_stream_and_one_that_was_killed_does_not():
    failed = gemini_stream(100, 110, "error", error={"message": "no"})

    assert tokens_of(gemini, lines(*failed)) == 110
    with pytest.raises(ValueError, match="did not end"):
        gemini.usage(lines(*failed, {"type": "init"}))


def test_opencode_adds_up_its_steps_and_says_what_is_missing():
    usage = opencode.usage("note\n" + lines({"type": "text"}, opencode_step(), opencode_step())).usage

    assert usage == Usage(
        "opencode", "reported", 2_350, 2_300, 2_000, 50, 1.0, "estimated", "subagents are not counted"
    )


def test_a_part_of_a_sum_counts_whatever_stands_before_it():
    said = lines(opencode_step(), opencode_step()).split("\n")

    assert tokens_of(opencode, f"{said[0]}\n{TITLE}{said[1]}\n") == 2_350
    assert tokens_of(opencode, f"{said[0]}{said[1]}") == 2_350


def test_a_part_of_a_sum_that_is_printed_twice_counts_once():
    step = opencode_step()
    step["part"]["id"] = "prt_1"

    assert tokens_of(opencode, lines(step, step)) == 1_175


@pytest.mark.parametrize(
    "broken", ['{"type": "step_finish", "part": {"cos', '"part": {"type": "step-finish"}}', '{"ty']
)
def test_a_part_of_a_sum_that_cannot_be_read_leaves_the_sum_unknown(broken):
    with pytest.raises(ValueError, match="cannot be read"):
        opencode.usage(f"{lines(opencode_step())}\n{broken}\n{lines(opencode_step())}")


def test_aider_adds_up_its_messages():
    usage = aider.usage(SAYS["aider"]).usage

    assert usage[:8] == ("aider", "estimated", 2_010, 1_900, 0, 110, 0.75, "estimated")
    assert (usage.note, usage.model) == ("unless it ran with --no-stream, its tokens are aider's own count", "large")
    assert aider.usage(lines(aider_message(1, 1, None))).usage.cost_usd is None


# --- mini-swe-agent


def test_a_trajectory_tells_costs_and_the_tokens_of_its_answers():
    openai = {"prompt_tokens": 900, "completion_tokens": 60, "prompt_tokens_details": {"cached_tokens": 400}}
    anthropic = {"input_tokens": 10, "cache_read_input_tokens": 500, "output_tokens": 7}

    usage = mini.usage(mini_trajectory(0.75, openai, anthropic)).usage

    assert usage == Usage("mini-swe-agent", "reported", 1_477, 1_410, 900, 67, 0.75, "estimated")


def test_a_trajectory_without_its_answers_tells_costs_alone():
    usage = mini.usage(json.dumps({"info": {"model_stats": {"instance_cost": 0.75, "api_calls": 9}}})).usage

    assert (usage.provenance, usage.tokens, usage.cost_usd) == ("estimated", None, 0.75)
    assert usage.cost_tokens(1_000) == 750


def test_a_trajectory_of_a_model_without_a_price_is_not_free():
    with pytest.raises(ValueError, match="no instance_cost for 9 calls"):
        mini.usage(json.dumps({"info": {"model_stats": {"instance_cost": 0.0, "api_calls": 9}}}))
    assert mini.usage(mini_trajectory(0.0, {"prompt_tokens": 9, "completion_tokens": 1})).usage.cost_usd is None


def test_a_trajectory_whose_only_call_was_refused_used_nothing():
    usage = mini.usage(mini_trajectory(0.0, calls=1, status="AuthenticationError")).usage

    assert (usage.tokens, usage.cost_usd) == (0, 0.0)


def test_the_last_whole_state_of_a_trajectory_is_remembered(tmp_path):
    """A run that is killed while it saves leaves an empty file."""
    meter, place = printed("mini"), place_at(tmp_path)
    file = tmp_path / "trajectory.json"
    with meter.watching(place, 60):
        file.write_text(mini_trajectory(0.75, {"prompt_tokens": 900, "completion_tokens": 60}))
        while place.directory not in meter._whole:
            pass
        file.write_text("")

        assert meter.read(place, result(-9)).tokens == 960
    assert meter.read(place, result(-9)).provenance == "none"


# --- sessions over several runs

TOTALS = st.builds(Totals, st.integers(0, 500), st.just(0), st.integers(0, 50), st.none() | st.floats(0, 9))


def test_a_resumed_sessions_total_is_charged_once(tmp_path):
    meter = printed("codex", SessionBook(tmp_path / "sessions"))
    first = lines(codex_thread("t"), codex_turn(input_tokens=1_000, output_tokens=60))
    second = lines(codex_thread("t"), codex_turn(input_tokens=1_800, output_tokens=125))
    other = lines(codex_thread("u"), codex_turn(input_tokens=5, output_tokens=1))

    def used(run_id: str, text: str) -> int | None:
        return meter.read(place_at(tmp_path, run_id), result(stdout=text)).tokens

    assert [used("run-1", first), used("run-2", second), used("run-2", second)] == [1_060, 865, 865]
    assert [used("run-3", other), used("run-4", second + "\n" + other)] == [6, 0]


def test_a_resumed_session_is_charged_once_by_claude_too(tmp_path):
    meter = printed("claude", SessionBook(tmp_path / "sessions"))
    runs = [lines(claude_session("s", 100 * n, 10 * n, 0.1 * n)) for n in (1, 3, 4)]

    usages = [meter.read(place_at(tmp_path, f"run-{n}"), result(stdout=text)) for n, text in enumerate(runs)]

    assert [usage.tokens for usage in usages] == [110, 220, 110]
    assert [round(usage.cost_usd or 0, 9) for usage in usages] == [0.1, 0.2, 0.1]
    assert "earlier runs" in usages[1].note


def test_a_total_that_began_anew_is_charged_whole(tmp_path):
    meter = printed("codex", SessionBook(tmp_path / "sessions"))
    said = [lines(codex_thread("t"), codex_turn(input_tokens=n, output_tokens=1)) for n in (500, 200)]

    usages = [meter.read(place_at(tmp_path, f"run-{n}"), result(stdout=text)) for n, text in enumerate(said)]

    assert [usage.tokens for usage in usages] == [501, 201]


def test_a_book_that_cannot_be_kept_or_read_does_no_harm(tmp_path):
    nowhere = tmp_path / "file"
    nowhere.write_text("")
    meter = printed("codex", SessionBook(nowhere))

    assert meter.read(place_at(tmp_path), result(stdout=SAYS["codex"])).tokens == 950
    said = lines(codex_thread("t"), codex_turn(input_tokens=9))
    assert meter.read(place_at(tmp_path), result(stdout=said)).tokens == 9
    book = SessionBook(tmp_path / "sessions")
    printed("codex", book).read(place_at(tmp_path), result(stdout=said))
    for file in book.folder.iterdir():
        file.write_text('["run", 5, [[]]]')
    assert printed("codex", book).read(place_at(tmp_path, "run-2"), result(stdout=said)).tokens == 9


@given(st.lists(TOTALS, max_size=5))
def test_running_totals_come_to_the_last_one(totals):
    """Whatever a growing total was printed in between, the run used what it came to in the end."""
    growing = [Totals(), *totals]
    running = [sum((t[0] for t in growing[: n + 1]), 0) for n in range(len(growing))]
    counts = [Count(Totals(given, 0, 0, None)) for given in running]

    assert session_of("s", counts).used.input_tokens == running[-1]


@given(st.lists(st.integers(1, 100), min_size=2, max_size=6), st.data())
def test_the_runs_of_a_session_are_charged_its_total_however_it_is_cut_into_runs(steps, data):
    totals = [sum(steps[: n + 1]) for n in range(len(steps))]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(totals) - 1))))
    charged = 0
    before: dict[str, Totals] = {}
    for begin, end in zip([0, *cuts], [*cuts, len(totals)], strict=True):
        text = lines(codex_thread("t"), *(codex_turn(input_tokens=total) for total in totals[begin:end]))
        said = codex.usage(text)
        charged += charged_once(said, before).tokens or 0
        before = {session.session_id: session.total for session in said.sessions}

    assert charged == totals[-1]


# --- nonsense

NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70), st.floats(), st.just(10**400), st.booleans(), st.none(), st.text(max_size=5)
)
NONSENSE = st.recursive(
    NUMBERS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


def printed(name: str, sessions: SessionBook | None = None) -> PrintedMeter:
    from scidex.agent.meters.printed import CodexMeter, TrajectoryMeter

    kind = {"codex": CodexMeter, "mini": TrajectoryMeter}.get(name, PrintedMeter)
    meter: PrintedMeter = kind(
        PROGRAMS[name], PROGRAMS[name].file, **({} if sessions is None else {"sessions": sessions})
    )
    return meter


def place_at(directory: Any, run_id: str = "run-1") -> Workplace:
    return Workplace(directory, ASSIGNMENT._replace(assignment_id=run_id))


def read(name: str, text: str, errors: str = "") -> Usage:
    """Read as an agent does, and hold whatever comes of it to the promises of a usage and of a word."""
    program = PROGRAMS[name]
    ended = result(stdout=text, stderr=errors)
    word = PrintedMeter(program).word(Workplace.__new__(Workplace), ended)
    assert all(window.used is None or window.used >= 0 for window in word.windows)
    try:
        usage = program.usage(text).usage
    except ValueError as error:
        return Usage(program.meter, "none", note=str(error))
    counts = (usage.tokens, usage.input_tokens, usage.cached_input_tokens, usage.output_tokens)
    assert all(count is None or (type(count) is int and 0 <= count < 2**53) for count in counts)
    assert usage.cost_usd is None or 0 <= usage.cost_usd <= 1e9
    assert usage.provenance != "none"
    assert usage.tokens is not None or usage.cost_usd is not None
    assert (usage.cost_provenance == "none") == (usage.cost_usd is None)
    return usage


@pytest.mark.parametrize("name", SAYS)
def test_what_is_cut_short_is_unknown(name):
    """Unless it is cut behind a whole line: then all that was printed until then is read."""
    whole = SAYS[name]
    assert read(name, whole).provenance != "none"
    for end in range(len(whole)):
        is_a_line = "\n" in whole[end - 1 : end + 1] and name != "mini"
        assert (read(name, whole[:end]).provenance != "none") == is_a_line, whole[:end]


@pytest.mark.parametrize("name", SAYS)
@given(text=st.text(), errors=st.text())
def test_any_text_is_read_without_a_fault(name, text, errors):
    read(name, text, errors)


@pytest.mark.parametrize("name", SAYS)
@given(data=st.data())
def test_broken_bytes_make_no_other_number(name, data):
    """Replace some bytes: the run is unknown, or the number that digits which were not touched still give."""
    raw = bytearray(SAYS[name].encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        if not chr(raw[at]).isdigit():
            raw[at] = data.draw(st.sampled_from(b'\x00\xff"{}\n,'))
    tokens = read(name, raw.decode(errors="replace")).tokens
    assert tokens is None or tokens <= (read(name, SAYS[name]).tokens or 0)


@pytest.mark.parametrize("name", SAYS)
@given(data=st.data())
def test_nonsense_in_any_place_is_unknown_or_a_number(name, data):
    """Replace one value, anywhere in what an agent says, by something else."""
    said = [json.loads(SAYS[name])] if name == "mini" else [json.loads(line) for line in SAYS[name].splitlines()]
    holder: Any = said
    key: Any = data.draw(st.sampled_from(range(len(said))))
    while isinstance(holder[key], (dict, list)) and holder[key] and data.draw(st.integers(0, 4)):
        holder = holder[key]
        key = data.draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
    holder[key] = data.draw(NONSENSE)

    read(name, lines(*said), lines(*said))


@pytest.mark.parametrize("name", SAYS)
@pytest.mark.parametrize("number", [-1, 1.5, float("nan"), float("inf"), True, "12", 2**53, 10**400, [], {}])
def test_a_number_that_is_none_is_never_taken_for_one(name, number):
    said = {
        "claude": lambda: json.dumps(claude_result({"m": {"inputTokens": number, "outputTokens": 1}})),
        "codex": lambda: lines(codex_turn(input_tokens=number)),
        "gemini": lambda: json.dumps(gemini_stats(prompt=number)),
        "opencode": lambda: lines(opencode_step(), opencode_step(input=number)),
        "mini": lambda: json.dumps({"info": {"model_stats": {"instance_cost": 1.0, "api_calls": number}}}),
        "aider": lambda: lines(aider_message(1, 1, 1.0), aider_message(number, 1, 1.0)),
    }[name]

    usage = read(name, said())

    assert (usage.provenance, usage.tokens, usage.cost_usd) == ("none", None, None)
    assert "whole number" in usage.note


# --- where the text is


def test_output_of_which_a_part_was_not_kept_is_unknown(tmp_path):
    cut = "[… 12 bytes left out …]\n"

    for name in ("claude", "codex", "opencode"):
        usage = printed(name).read(place_at(tmp_path), result(stdout=cut + SAYS[name]))
        assert (usage.provenance, usage.note) == ("none", "the output is longer than what was kept of it")


def test_a_command_may_write_its_stream_to_a_file(tmp_path):
    meter = PrintedMeter(PROGRAMS["opencode"], "stream.jsonl", SessionBook(tmp_path / "s"))

    assert meter.read(place_at(tmp_path), result()).note == "the file stream.jsonl was not written"
    (tmp_path / "stream.jsonl").write_text(SAYS["opencode"])
    assert meter.read(place_at(tmp_path), result()).tokens == 2_350

"""How a run ended is told by its place, its exit code, and what its program said; and when to try again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.agent.endings import NOT_NOW_EXIT_CODE, REASONS, Ending, ending_of, within_budget
from scidex.agent.executors import RunResult
from scidex.agent.executors.runs import Ended
from scidex.agent.provider_answers import MOST_AHEAD, of_answer, of_unix_time, retry_at_in, retry_at_of
from tests.agent.work import result

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=2)

DONE = Ending("done")
QUOTA = Ending("quota", "the window is used up", LATER)
ERROR = Ending("agent_error", "it gave up")
NOTHING = Ending("nothing_done", "Unknown skill")


def ended(how: Ended) -> RunResult:
    return RunResult.without_output(how, f"it {how}")


# --- the end of a run


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("stopped", "stopped"),
        ("lost", "machine"),
        ("not_started", "machine"),
        ("timed_out", "time_limit"),
        ("flooded", "output_limit"),
        ("swollen", "memory_limit"),
    ],
)
def test_what_ends_a_run_from_outside_is_its_reason(how, reason):
    assert ending_of(ended(how)).reason == reason
    assert ending_of(ended(how), DONE, is_heeded=True).reason == reason


@pytest.mark.parametrize(
    ("exit_code", "word", "is_heeded", "reason"),
    [
        (0, None, False, "done"),
        (0, DONE, True, "done"),
        (0, None, True, "unread"),
        (0, ERROR, False, "done"),  # a script may make good what its agent did not
        (0, ERROR, True, "agent_error"),
        (0, QUOTA, False, "done"),
        (0, QUOTA, True, "quota"),
        (0, NOTHING, False, "nothing_done"),
        (1, None, False, "exit_code"),
        (1, DONE, True, "exit_code"),  # the script's own tests failed
        (1, ERROR, False, "agent_error"),
        (1, QUOTA, False, "quota"),
        (-9, None, False, "exit_code"),
        (NOT_NOW_EXIT_CODE, None, True, "not_now"),
        (NOT_NOW_EXIT_CODE, DONE, True, "not_now"),
        (NOT_NOW_EXIT_CODE, ERROR, False, "not_now"),
        (NOT_NOW_EXIT_CODE, QUOTA, False, "quota"),
    ],
)
def test_an_exit_code_and_an_agents_word_make_an_end(exit_code, word, is_heeded, reason):
    assert ending_of(result(exit_code), word, is_heeded=is_heeded).reason == reason


def test_an_agent_that_waits_for_its_quota_until_its_time_is_up_was_interrupted():
    assert ending_of(ended("timed_out"), QUOTA) == QUOTA


def test_a_command_that_says_not_now_may_name_the_time():
    named = ending_of(result(NOT_NOW_EXIT_CODE), retry_at=NOW)

    assert (named.kind, named.retry_at) == ("interrupted", NOW)
    assert ending_of(result(NOT_NOW_EXIT_CODE), QUOTA, retry_at=NOW).retry_at == NOW
    assert ending_of(result(NOT_NOW_EXIT_CODE), QUOTA).retry_at == LATER


WORDS = st.none() | st.builds(Ending, st.sampled_from(sorted(REASONS)))
RESULTS = st.builds(result, st.integers(-64, 255)) | st.builds(
    ended, st.sampled_from(["stopped", "lost", "not_started", "timed_out", "flooded", "swollen"])
)


@given(found=RESULTS, word=WORDS, is_heeded=st.booleans())
def test_only_an_exit_code_of_0_is_a_success_and_only_a_clean_start_is_a_failure(found, word, is_heeded):
    ending = ending_of(found, word, is_heeded=is_heeded)

    if ending.kind == "succeeded":
        assert (found.ended, found.exit_code) == ("exited", 0)
        assert not is_heeded or word.kind == "succeeded"
    if found.ended in ("stopped", "lost", "not_started") or found.exit_code == NOT_NOW_EXIT_CODE:
        assert ending.kind == "interrupted"


def test_a_detail_is_one_printable_line_of_bounded_length():
    ending = Ending("network", "\x1b[31mno\nroute " + "x" * 500)

    assert ending.detail.startswith("[31mno route x")
    assert len(ending.detail) == 200
    assert str(Ending("quota", "used up")) == "quota: used up"


def test_a_reason_that_is_none_is_refused():
    with pytest.raises(ValueError, match="'bored' is not a reason"):
        Ending("bored")


# --- what providers answer


@pytest.mark.parametrize(
    ("status", "message", "reason"),
    [
        (401, "invalid x-api-key", "login"),
        (403, "Request not allowed", "login"),
        (402, "Insufficient credits", "quota"),
        (429, "This request would exceed your organization's rate limit", "rate_limit"),
        (429, "You exceeded your current quota, please check your plan and billing details.", "quota"),
        (400, "Your credit balance is too low to access the Anthropic API.", "quota"),
        (400, "API key not valid. Please pass a valid API key.", "login"),
        (404, "model: claude-nope", "login"),
        (500, "Internal server error", "provider_error"),
        (520, "", "provider_error"),
        (529, "Overloaded", "overload"),
        (503, "The model is overloaded. Please try again later.", "overload"),
        (504, "Gateway time-out", "network"),
        (400, "prompt is too long: 210000 tokens > 200000 maximum", None),
        (413, "Request exceeds the maximum size", None),
        (None, "You’ve hit your usage limit. Upgrade to Pro or try again at Sep 21st, 2026 2:13 PM.", "quota"),
        (None, "exceeded retry limit, last status: 429 Too Many Requests", "rate_limit"),
        (None, "unexpected status 401 Unauthorized: Incorrect API key provided", "login"),
        (None, "stream disconnected before completion: error sending request for url", "network"),
        (None, "Unable to connect to API (ECONNREFUSED)", "network"),
        (400, "Budget has been exceeded! Current cost: 2.1, Max budget: 2.0", "quota"),
        (422, "Budget has been exceeded! Current cost: 2.1, Max budget: 2.0", "quota"),
        (403, "Key limit exceeded (total limit). Manage it using https://openrouter.ai/settings/keys", "quota"),
        (None, "litellm.BudgetExceededError: Budget has been exceeded! Current cost: 2.1, Max budget: 2.0", "quota"),
        (None, "shared rollout token budget exhausted", None),
        (None, "the tests of the task failed", None),
    ],
)  # fmt: skip
def test_a_refusal_means_what_its_status_and_message_say(status, message, reason):
    ending = of_answer(status, message, NOW)

    assert (None if ending is None else ending.reason) == reason
    assert ending is None or ending.kind == "interrupted"


@pytest.mark.parametrize(
    ("detail", "most_usd", "reason"),
    [
        ("Budget has been exceeded! Current cost: 2.1, Max budget: 2.0", 2.0, "budget"),
        ("Budget has been exceeded! Current cost: 210, Max budget: 200.0", 2.0, "quota"),  # that of the whole proxy
        ("Budget has been exceeded! Current cost: 2.1, Max budget: 2.0", None, "quota"),
        ("API status 403 Key limit exceeded (total limit).", 2.0, "budget"),
        ("You exceeded your current quota", 2.0, "quota"),
    ],
)
def test_a_run_that_spent_its_own_keys_budget_has_failed(detail, most_usd, reason):
    assert within_budget(Ending("quota", detail), most_usd).reason == reason
    assert within_budget(DONE, most_usd) == DONE


@given(status=st.none() | st.integers(-5, 1_000), message=st.text())
def test_any_answer_is_read_without_a_fault(status, message):
    ending = of_answer(status, message, NOW)

    assert ending is None or (ending.kind == "interrupted" and len(ending.detail) <= 200)


# --- when to try again


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-30T14:00:00Z\n", LATER),
        ("2026-11-30T15:00:00+01:00", LATER),
        (str(int(LATER.timestamp())), LATER),
        (f"{LATER.timestamp():.3f}", LATER),
        ("7200", LATER),
        ("7200.0", LATER),
        ("0", NOW),
        ("Mon, 30 Nov 2026 14:00:00 GMT", LATER),
        ("2026-11-30T14:00:00", None),  # whose time?
        ("2099-01-01T00:00:00Z", None),  # no window is that long
        ("soon", None),
        ("", None),
        ("-5", None),
        ("1e9", None),
        ("nan", None),
        ("٣٦٠٠", None),
        ("9" * 90, None),
    ],
)
def test_a_command_leaves_a_time_in_its_file(text, at):
    assert retry_at_of(text, NOW) == at


@pytest.mark.parametrize(
    ("message", "at"),
    [
        ("Please try again in 11.054s.", NOW + timedelta(seconds=11.054)),
        ("Please try again in 250ms.", NOW + timedelta(seconds=0.25)),
        ("try again in 2 hours", LATER),
        ("try again in 1 hour 59 minutes and 60 seconds", LATER),
        ("Your quota will reset after 1h59m60s.", LATER),
        ('"retryDelay": "7200s"', LATER),
        (f"Claude AI usage limit reached|{int(LATER.timestamp())}", LATER),
        ("try again in 400 days", None),
        ("in 3 files the tests fail", None),
        ("try again later", None),
    ],
)
def test_a_message_may_say_when(message, at):
    assert retry_at_in(message, NOW) == at


def test_a_time_of_the_clock_is_that_of_the_machine_it_was_printed_on(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert retry_at_in("or try again at 9:00 AM.", NOW) == LATER
        assert retry_at_in("or try again at 7:00 AM.", NOW) == NOW + timedelta(days=1)
        assert retry_at_in("try again at Dec 2nd, 2026 2:13 PM.", NOW) == datetime(2026, 12, 2, 19, 13, tzinfo=UTC)
        assert retry_at_in("try again at Feb 31st, 2027 2:13 PM.", NOW) is None
        assert retry_at_in("try again at 25:99 PM", NOW) is None
    finally:
        monkeypatch.undo()
        time.tzset()


@given(text=st.text() | st.from_regex(r"\d{1,120}(\.\d+)?") | st.datetimes().map(str) | st.binary().map(repr))
def test_no_time_lies_further_ahead_than_any_window_is_long(text):
    for found in (retry_at_of(text, NOW), retry_at_in(text, NOW), retry_at_in(f"try again in {text} hours", NOW)):
        assert found is None or (found.tzinfo is not None and found <= NOW + MOST_AHEAD)


@pytest.mark.parametrize(
    ("seconds", "is_read"),
    [(LATER.timestamp(), True), (int(LATER.timestamp()), True), (0, False), ("1796047200", False)]
    + [(seconds, False) for seconds in (True, None, float("nan"), float("inf"), 10**400, -1, 1e13)],
)
def test_a_unix_time_that_is_none_is_not_taken_for_one(seconds, is_read):
    assert (of_unix_time(seconds, NOW) == LATER) == is_read

"""A usage file may use several programs' names for the same thing; a name that none of them uses is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.agent.meters.usage_file import _KNOWN, usage_in
from scidex.records import Usage


@pytest.mark.parametrize(
    "told",
    [
        {"input_tokens": 900, "cached_input_tokens": 300, "output_tokens": 100},
        {"input_tokens": 900, "cached_input_tokens": 300, "output_tokens": 100, "reasoning_output_tokens": 40},
        {"input_tokens": 100, "cache_read_input_tokens": 300, "cache_creation_input_tokens": 500, "output_tokens": 100},
        {"input_tokens": 900, "input_tokens_details": {"cached_tokens": 300}, "output_tokens": 100, "tokens": 1_000},
        {"prompt_tokens": 900, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 300}, "model": "m"},
        {
            "gen_ai.usage.input_tokens": 900,
            "gen_ai.usage.output_tokens": 100,
            "gen_ai.usage.cache_read.input_tokens": 300,
        },
    ],
)  # fmt: skip
def test_a_usage_file_may_use_names_of_others(told):
    usage = usage_in({**told, "cost_usd": 0.5})

    assert usage == Usage("file", "reported", 1_000, 900, 300, 100, 0.5, "reported", model=told.get("model", ""))


def test_what_is_null_was_left_out():
    told = {"input_tokens": 9, "output_tokens": 1, "cached_input_tokens": None, "tokens": None, "cost_usd": None}

    assert usage_in(told) == Usage("file", "reported", 10, 9, None, 1)


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        ({"tokens": 5, "cache_reads": 900}, '"cache_reads", which is not a name of usage'),
        ({"input_tokens": 5, "output_tokens": 1, "cached_tokens": 9}, '"cached_tokens", which is not'),
        ({"input_tokens": 5, "prompt_tokens": 5, "output_tokens": 1}, "both input_tokens and prompt_tokens"),
        ({"tokens": 5, "total_tokens": 5}, "both tokens and total_tokens"),
        (
            {"input_tokens": 5, "output_tokens": 1, "cached_input_tokens": 2, "cache_read_input_tokens": 2},
            "both cached_input_tokens and cache_read_input_tokens",
        ),
        ({"input_tokens": 5, "cached_input_tokens": 6, "output_tokens": 1}, "more than the whole"),
        ({"tokens": 7, "input_tokens": 5, "output_tokens": 1}, "tokens that are not the sum of its parts: 7"),
        ({"input_tokens": "5", "output_tokens": 1}, 'no whole number of input_tokens: "5"'),
        ({"input_tokens": 5, "output_tokens": 1, "cache_read_input_tokens": "3"}, 'cache_read_input_tokens: "3"'),
        ({"input_tokens": 5}, "output_tokens: nothing"),
        ({"tokens": 5, "cost_usd": "0.1"}, "no amount of cost_usd"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(told, complaint):
    with pytest.raises(ValueError, match=complaint):
        usage_in(told)


VALUES = st.one_of(st.integers(-5, 2**55), st.none(), st.text(max_size=3), st.floats(), st.booleans(), st.just({}))
FILES = st.dictionaries(st.sampled_from(sorted(_KNOWN)) | st.text(max_size=8), VALUES, max_size=6)


@given(FILES)
def test_any_usage_file_is_understood_whole_or_refused(told: dict[str, Any]):
    try:
        usage = usage_in(told)
    except ValueError:
        return
    assert set(told) <= _KNOWN
    on_top = [told.get(name) or 0 for name in ("cache_read_input_tokens", "cache_creation_input_tokens")]
    if usage.input_tokens is not None:
        assert usage.tokens == usage.input_tokens + (usage.output_tokens or 0)
        assert usage.input_tokens >= sum(on_top)
    else:
        assert usage.tokens in (told.get("tokens"), told.get("total_tokens"))

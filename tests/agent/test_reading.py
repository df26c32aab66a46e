"""JSON is found wherever it stands among other output, and what is broken is never taken for nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.agent.meters.reading import Broken, documents, objects

EVENT = {"type": "event", "n": 1}
TEXT = json.dumps(EVENT)


def found(text: str) -> list[dict[str, object]]:
    return [one for one in documents(text) if isinstance(one, dict)]


def broken(text: str) -> list[str]:
    return [one.text for one in documents(text) if isinstance(one, Broken)]


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        TEXT + "\r\n",
        f"\ufeff{TEXT}",
        f"Cloning into 'tool'…\n{TEXT}\ndone in {{3}} s\n",
        f"12:00:01 agent | {TEXT}",
        f"data: {TEXT}",
        f"[info] {TEXT}",
        f"[{TEXT}]",
        f"[\n{TEXT}\n]",
        json.dumps(EVENT, indent=2),
        f"Cloning…\n{json.dumps(EVENT, indent=2)}\nnext line",
        f"\x1b]0;a title\x07{TEXT}",
        f"\x1b]0;a title\x1b\\\x1b[2K\x1b[1;31m{TEXT}\x1b[0m",
        f"\x1b]0;a title that never ends{TEXT}",
        f"\x1b]2;{{braces}}\x07{TEXT}",
        f"10 %\r20 %\r{TEXT}",
        f"\x00\x07{TEXT}",
    ],
)  # fmt: skip
def test_an_event_is_found_among_other_output(text):
    assert (found(text), broken(text)) == ([EVENT], [])


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e"])
def test_only_a_line_feed_ends_a_line(character):
    said = {"result": f"one{character}two"}
    # JSON escapes control characters, and leaves the others as they are.
    text = json.dumps(said, ensure_ascii=False)

    assert found(f"{text}\n{TEXT}") == [said, EVENT]


def test_several_on_a_line_are_several():
    assert found(f"{TEXT}{TEXT} and {TEXT}") == [EVENT] * 3


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "event", "n": ',
        '{"type": "event", "n": 1',
        '{"type": "ev',
        '{"type": "event", "n": 1, }',
        '"type": "event", "n": 1}',
        'ent", "part": {"n": 1}}',
        f'{{"type": "event", "text": "{TEXT}"}}',
        '{"type": "event", {"n": 1}}',
        '{"type": "event", "text": "a raw\ttab"}',
    ],
)
def test_a_broken_event_is_said_to_be_broken_and_its_neighbours_are_read(text):
    around = f"{TEXT}\n{text}\n{TEXT}"

    assert [one for one in found(around) if one == EVENT][-1] == EVENT
    assert len(broken(around)) == 1
    assert broken(around)[0] in around


def test_a_broken_event_may_be_one_of_those_that_it_names_or_did_not_come_to_name():
    def may(text: str) -> bool:
        return Broken(text).may_hold(["step_finish"])

    assert may('{"type": "step_finish", "part"')
    assert may('{"ty')
    assert may('ep_finish"}') is False  # a mark that is cut itself stands at the end of what was lost
    assert may('{"type": "text", "part"') is False
    assert may("in {stage}") is False


def test_a_broken_one_that_counts_is_refused():
    with pytest.raises(ValueError, match="a part that cannot be read"):
        objects(f'{TEXT}\n{{"type": "event", "n":\n{TEXT}', marks=["event"])
    assert objects(f'{TEXT}\n{{"type": "text", "n":\n{TEXT}', marks=["event"]) == [EVENT, EVENT]


def test_deep_nesting_ends_soon():
    assert found('{"a":' * 200_000) == []
    assert found('{"a":\n' * 20_000) == []
    assert found("{\n" * 50_000 + TEXT + "\n") in ([], [EVENT])
    assert found("[" * 200_000 + "\n" + TEXT) in ([], [EVENT])


@given(st.text())
def test_any_text_is_read(text):
    list(documents(text))


@given(st.text(alphabet='{}[]":, \n\\atype1\x1b\x07\u2028'))
def test_any_text_of_brackets_is_read(text):
    list(documents(text))


# What terminals are told is taken out wherever it stands, and halves of surrogate pairs are no text.
WORDS = st.text(st.characters(exclude_characters="\x9b\ufeff", exclude_categories=["Cs"]), max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
EVENTS = st.lists(st.dictionaries(WORDS, JSON, min_size=1, max_size=4), max_size=5)
# Lines of other programs, which hold no bracket.
NOISE = st.text(st.characters(exclude_characters="{}[]\n\x1b\x9b", exclude_categories=["Cs"]), max_size=20)


@given(events=EVENTS, data=st.data())
def test_events_are_found_whatever_stands_between_them_and_however_they_are_written(events, data):
    parts = []
    for event in events:
        indent, escapes = data.draw(st.sampled_from([None, 1, 2, "\t"])), data.draw(st.booleans())
        parts += [data.draw(NOISE), json.dumps(event, indent=indent, ensure_ascii=escapes)]
    text = "\n".join([*parts, data.draw(NOISE)])

    assert (found(text), broken(text)) == (events, [])

"""A circle of waiting tasks is found, and nothing else is taken for one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scidex.mechanism.dependencies import find_cycle

graphs = st.dictionaries(st.sampled_from("abcdefg"), st.lists(st.sampled_from("abcdefg"), max_size=3), max_size=7)


def test_a_chain_is_no_circle():
    assert find_cycle({"a": ["b", "c"], "b": ["c"], "c": []}) == []


def test_a_circle_is_named_in_its_order():
    assert find_cycle({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]}) == ["a", "b", "c"]


def test_a_task_that_waits_for_itself_is_a_circle():
    assert find_cycle({"a": ["a"]}) == ["a"]


def test_a_chain_longer_than_any_stack_is_walked():
    chain = {f"t{n:06}": [f"t{n + 1:06}"] for n in range(50_000)}

    assert find_cycle(chain) == []
    assert len(find_cycle({**chain, "t050000": ["t000000"]})) == 50_001


@given(graphs)
def test_what_is_found_is_a_circle_and_is_found_where_there_is_one(waits):
    circle = find_cycle(waits)

    for task, following in zip(circle, [*circle[1:], *circle[:1]], strict=True):
        assert following in waits[task]
    assert bool(circle) == (not can_be_done_in_some_order(waits))


def can_be_done_in_some_order(waits):
    todo = {name: set(names) for name, names in waits.items()}
    for names in waits.values():
        for name in names:
            todo.setdefault(name, set())
    while ready := {name for name, names in todo.items() if not names}:
        todo = {name: names - ready for name, names in todo.items() if name not in ready}
    return not todo

"""What holds of the clairvoyant optimum."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scidex.lab.optimum import best_fit, clairvoyant
from scidex.lab.worlds import WorldSpec, draw

CYCLES = 4
tasks = st.lists(
    st.tuples(st.integers(1, 30), st.integers(0, CYCLES - 1), st.integers(0, CYCLES - 1)).map(
        lambda task: (task[0], min(task[1:]), max(task[1:]))
    ),
    max_size=6,
)


def arrays(tasks):
    value, first, last = zip(*tasks, strict=True) if tasks else ((), (), ())
    return np.array(value, dtype=float), np.array(first, dtype=np.int64), np.array(last, dtype=np.int64)


def fits(tasks, slots):
    """Whether every task can have a cycle of its own window, by trying all ways."""
    windows = [range(first, last + 1) for _, first, last in tasks]
    return any(all(cycles.count(one) <= slots for one in set(cycles)) for cycles in product(*windows))


def best_by_trying(tasks, slots):
    subsets = (subset for size in range(len(tasks) + 1) for subset in combinations(tasks, size))
    return max(sum(value for value, _, _ in subset) for subset in subsets if fits(subset, slots))


@settings(deadline=None, max_examples=150)
@given(tasks=tasks, slots=st.integers(1, 2))
def test_no_set_of_tasks_that_fits_is_worth_more(tasks, slots):
    value, first, last = arrays(tasks)

    chosen = best_fit(value, first, last, cycles=CYCLES, slots=slots)

    assert fits([tasks[place] for place in chosen], slots)
    assert value[chosen].sum() == best_by_trying(tasks, slots)


def test_a_better_task_that_comes_later_is_waited_for():
    value, first, last = arrays([(5, 0, 0), (3, 0, 1), (9, 1, 1)])

    assert sorted(best_fit(value, first, last, cycles=2, slots=1)) == [0, 2]


def test_the_best_set_of_a_whole_world_can_be_run():
    world = draw(WorldSpec(days=3), 1)
    chosen = clairvoyant(world)

    left = list(chosen)
    for cycle in range(world.spec.cycles):
        due = sorted((place for place in left if world.arrives[place] <= cycle), key=lambda place: world.last[place])
        for place in due[: world.spec.slots]:
            assert world.last[place] >= cycle
            left.remove(place)
    assert left == []

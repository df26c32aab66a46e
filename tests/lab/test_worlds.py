"""What holds of the worlds that are drawn."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from scidex.errors import InvalidArgument
from scidex.lab.worlds import WorldSpec, draw

USUAL = WorldSpec()


def logs(numbers):
    return np.log(numbers)


def test_a_seed_draws_the_same_world_each_time_and_another_seed_another():
    first, again, other = draw(USUAL, 3), draw(USUAL, 3), draw(USUAL, 4)

    for one in fields(first):
        assert np.array_equal(getattr(first, one.name), getattr(again, one.name)), one.name
    assert len(first.value) != len(other.value) or not np.array_equal(first.value, other.value)


def test_a_world_is_what_its_spec_says():
    worlds = [draw(USUAL, seed) for seed in range(20)]
    tasks = np.mean([len(world.value) for world in worlds])
    spread_in_quests = np.mean([np.std(logs(w.value[w.tasks_of(q)])) for w in worlds for q in range(12)])
    life = np.concatenate([world.last - world.arrives + 1 for world in worlds])

    assert tasks == pytest.approx(USUAL.load * USUAL.slots * USUAL.cycles, rel=0.03)
    assert spread_in_quests == pytest.approx(1.2, rel=0.03)
    assert np.mean([np.std(logs(w.realised / w.value)) for w in worlds]) == pytest.approx(0.3, rel=0.02)
    assert life.max() == 96
    assert np.mean(life[life >= 24]) == pytest.approx(60, rel=0.03)


def test_tasks_come_in_order_and_end_with_the_world():
    world = draw(USUAL, 0)

    assert (np.diff(world.arrives) >= 0).all()
    assert (world.last >= world.arrives).all()
    assert world.last.max() == USUAL.cycles - 1


def test_inflators_change_claims_by_their_factor_and_nothing_else():
    honest, inflated = draw(USUAL, 5), draw(replace(USUAL, inflators=3), 5)

    ratio = inflated.claim / honest.claim
    assert inflated.inflates.sum() == 3
    assert np.allclose(ratio, np.where(inflated.inflates[inflated.quest], 3.0, 1.0))
    assert np.array_equal(honest.value, inflated.value)
    assert np.array_equal(honest.priority, inflated.priority)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("load", 0),
        ("load", float("nan")),
        ("load", "3"),
        ("quests", 0),
        ("quests", True),
        ("slots", 1.5),
        ("days", 367),
        ("inflators", 13),
        ("longest_life", 23),
        ("claim_noise", -0.1),
        ("inflation", 0),
    ],
)
def test_a_world_that_there_cannot_be_is_refused_by_the_name_of_the_field(field, value):
    with pytest.raises(InvalidArgument) as refused:
        replace(USUAL, **{field: value})

    assert refused.value.field == field

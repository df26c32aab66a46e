"""The most that anyone who knew all values and arrivals could get out of the slots: exact."""

from __future__ import annotations

import numpy as np

from scidex.lab.worlds import Floats, Integers, World


def clairvoyant(world: World) -> Integers:
    """Return the places of a set of tasks of the greatest total value that fits into a world's slots."""
    return best_fit(world.value, world.arrives, world.last, cycles=world.spec.cycles, slots=world.spec.slots)


def best_fit(value: Floats, first: Integers, last: Integers, *, cycles: int, slots: int) -> Integers:
    """
    Return the places of tasks of one cycle each that fit into `slots` machines, of the greatest total value.

    A task runs in one cycle of `first` to `last`. Sets of such tasks that fit are a matroid, so that taking the best
    task that still fits, again and again, is optimal (Edmonds 1971; scheduling: Horn 1974). A set fits if and only if
    no stretch of cycles has to hold more tasks than it has slots (Hall 1935): `spare[s, t]` counts the slots of the
    cycles s to t that no accepted task confined to them needs.
    """
    length = np.arange(cycles)[None, :] - np.arange(cycles)[:, None] + 1
    spare = np.where(length > 0, slots * length, np.iinfo(np.int32).max).astype(np.int32)
    taken = []
    for task in np.argsort(-value, kind="stable"):
        around = spare[: first[task] + 1, last[task] :]
        if around.min() > 0:
            around -= 1
            taken.append(task)
    return np.array(taken, dtype=np.int64)

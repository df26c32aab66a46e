"""Which bids may compete in a round, and why the others may not."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from scidex.mechanism.tie_breaking import Standing

OWN_ASK = "own_ask"
SUPERSEDED = "superseded"
TASK_RUNNING = "task_running"


class Sifted(NamedTuple):
    """The bids that compete, best first; why each other one does not; and the tasks passed over since they run."""

    competing: list[Standing]
    passed_over: dict[int, str]
    running: frozenset[str] = frozenset()


def sift(
    ranked: Iterable[Standing],
    *,
    provider_owners: Collection[str],
    running: Collection[str],
    most: int | None = None,
) -> Sifted:
    """
    Split ranked bids into those that compete and those that are passed over in this round.

    A task wins one slot at a time, so its best bid alone competes, and none while it runs. An owner that offers a slot
    of this round for its own proceeds may not bid in it: neither shill nor wash trade. Once `most` compete, no more are
    looked at: of what is passed over and runs already, that is all that decides the round.
    """
    competing: list[Standing] = []
    passed_over: dict[int, str] = {}
    tasks: set[str] = set()
    run_already: set[str] = set()
    for bid in ranked:
        if len(competing) == most:
            break
        if bid.task in running:
            passed_over[bid.id] = TASK_RUNNING
            run_already.add(bid.task)
        elif bid.owner in provider_owners:
            passed_over[bid.id] = OWN_ASK
        elif bid.task in tasks:
            passed_over[bid.id] = SUPERSEDED
        else:
            tasks.add(bid.task)
            competing.append(bid)
    return Sifted(competing, passed_over, frozenset(run_already))

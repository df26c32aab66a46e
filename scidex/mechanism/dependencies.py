"""What tasks wait for must have no circle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def find_cycle(waits: Mapping[str, Sequence[str]]) -> list[str]:
    """
    Return the tasks of one circle, each waiting for the next and the last for the first; empty where there is none.

    `waits` has what each task waits for. The circle found is the same whatever the order of `waits`.
    """
    finished: set[str] = set()
    for start in sorted(waits):
        if start not in finished and (circle := _circle_from(start, waits, finished)):
            return circle
    return []


def _circle_from(start: str, waits: Mapping[str, Sequence[str]], finished: set[str]) -> list[str]:
    # A stack of its own, since chains of tasks can be longer than Python's.
    path = [start]
    places = {start: 0}
    pending = [iter(sorted(waits.get(start, ())))]
    while path:
        following = next(pending[-1], None)
        if following is None:
            done = path.pop()
            del places[done]
            pending.pop()
            finished.add(done)
        elif following in places:
            return path[places[following] :]
        elif following not in finished:
            places[following] = len(path)
            path.append(following)
            pending.append(iter(sorted(waits.get(following, ()))))
    return []

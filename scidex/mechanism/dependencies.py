"""What tasks wait for: circles in it, and an order in which each task follows what it waits for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence


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


def in_order(waits: Mapping[str, Sequence[str]]) -> tuple[list[str], list[tuple[str, ...]]]:
    """
    Return the tasks so that each follows what it waits for, and the sets of those that wait for each other in circles.

    Those of a circle stand together, in the order of their names. Strongly connected components (Tarjan 1972), found
    with a stack of its own.
    """
    order: list[str] = []
    circles: list[tuple[str, ...]] = []
    for component in _components(waits):
        order.extend(component)
        if len(component) > 1 or component[0] in waits[component[0]]:
            circles.append(component)
    return order, circles


def _components(waits: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, ...]]:
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_names: list[str] = []
    is_open: set[str] = set()
    for root in waits:
        path = [] if root in number else [(root, iter(waits[root]))]
        while path:
            name, pending = path[-1]
            if name not in number:
                number[name] = lowest[name] = len(number)
                open_names.append(name)
                is_open.add(name)
            following = next((one for one in pending if one in waits), None)
            if following is not None:
                if following not in number:
                    path.append((following, iter(waits[following])))
                elif following in is_open:
                    lowest[name] = min(lowest[name], number[following])
                continue
            path.pop()
            if path:
                lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[name])
            if lowest[name] == number[name]:
                component = [open_names.pop()]
                while component[-1] != name:
                    component.append(open_names.pop())
                is_open.difference_update(component)
                yield tuple(sorted(component))

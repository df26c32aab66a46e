"""Did you mean: an id that is not known, answered with the one most like it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from scidex.errors import (
    ScidexError,
    UnknownAccount,
    UnknownDependency,
    UnknownId,
    UnknownPool,
    UnknownQuest,
    UnknownTask,
    shown,
)

if TYPE_CHECKING:
    from scidex.market import Market

_PAGE = 1_000
# Whoever mistypes in a larger market is not kept waiting for it to be read.
_MOST_READ = 10_000
# Half of the letters are the same: q7 is like q1, and ada like agent:ada.
_LIKENESS = 0.5

_NOUNS: dict[type[UnknownId], tuple[str, str]] = {
    UnknownAccount: ("account", "account_id"),
    UnknownQuest: ("quest", "quest_id"),
    UnknownTask: ("task", "task_id"),
    UnknownDependency: ("task", "depends_on"),
    UnknownPool: ("pool", "pool"),
}


@contextmanager
def suggesting(market: Market) -> Iterator[None]:
    """Add to an error of the block that knows no such id a note that names it, and one like it that there is."""
    try:
        yield
    except UnknownId as error:
        if type(error) in _NOUNS:
            error.add_note(_sentence(error, market))
        raise


def _sentence(error: UnknownId, market: Market) -> str:
    noun, field = _NOUNS[type(error)]
    wanted = str(error.facts[field])
    like = get_close_matches(wanted, _known(noun, market), n=1, cutoff=_LIKENESS)
    if like:
        return f"no {noun} {shown(wanted)}; did you mean {shown(like[0])}?"
    remedy = "; open it with: scidex pool create" if noun == "pool" else ""
    return f"no {noun} {shown(wanted)}{remedy}"


def _known(noun: str, market: Market) -> list[str]:
    """Return ids of a kind, as many as may be read; none where the key may not read them."""
    pages: dict[str, tuple[Callable[..., list[Any]], str]] = {
        "account": (market.list_wallets, "account_id"),
        "quest": (market.list_quests, "quest_id"),
        "task": (market.list_tasks, "task_id"),
    }
    try:
        if noun == "pool":
            return [pool.pool for pool in market.list_pools()]
        return list(_paged(*pages[noun]))
    except ScidexError:
        return []


def _paged(read: Callable[..., list[Any]], field: str) -> Iterator[str]:
    after = ""
    for _ in range(_MOST_READ // _PAGE):
        page = [getattr(one, field) for one in read(after=after, limit=_PAGE)]
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1]

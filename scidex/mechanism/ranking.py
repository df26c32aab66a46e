"""The order in which bids and asks are served, the same however they were listed."""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import TypeVar

from scidex.mechanism.values import Ask, Bid

Row = TypeVar("Row", Bid, Ask)


def rank_bids(bids: Iterable[Bid]) -> list[Bid]:
    """Return bids from the highest price down; ties go by sequence, then by id."""
    bids = list(bids)
    sequences = set(map(attrgetter("sequence"), bids))
    # One key a pass: stable sorts on plain numbers are quicker than one sort on tuples.
    ranked = sorted(bids if len(sequences) == len(bids) else _by_id(bids), key=attrgetter("sequence"))
    ranked.sort(key=attrgetter("price"), reverse=True)
    return ranked


def rank_asks(asks: Iterable[Ask]) -> list[Ask]:
    """Return asks from the lowest reserve up; ties go by id."""
    return sorted(_by_id(list(asks)), key=attrgetter("reserve"))


def _by_id(rows: Sequence[Row]) -> list[Row]:
    if set(map(type, map(attrgetter("id"), rows))) in ({int}, {str}):
        return sorted(rows, key=attrgetter("id"))
    return sorted(rows, key=lambda row: (type(row.id).__name__, str(row.id)))

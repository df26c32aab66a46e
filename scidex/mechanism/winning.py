"""What it takes to win: of a round that was held, of the book as it stands, and of the next round by recent ones."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Mapping, Sequence
from math import ceil, inf
from typing import Any

from scidex.mechanism.registry import clear, named
from scidex.mechanism.values import Ask, Bid

_WINDOW = 100
# So many rounds make a record of how often a level wins; fewer would make it jump.
_RECORD = 20
_STEP = 0.03


def price_to_win(
    mechanism: str, lowest: int | None, second: int | None = None, unsold_reserve: int | None = None
) -> int | None:
    """
    Return the least bid that would have won a slot of a round for certain, or None where none is known to.

    `lowest` and `second` are the lowest winning bid and the one above it, `unsold_reserve` that of the cheapest slot
    left over. A rule that gives up a trade may give up the newcomer's: above the second-lowest winner it cannot, and
    under McAfee's not where its price meets the newcomer's bid.
    """
    outbids = None if lowest is None else lowest + 1
    if named(mechanism).sells_all:
        return min((price for price in (outbids, unsold_reserve) if price is not None), default=None)
    if lowest is None or mechanism != "mcafee":
        return outbids
    above_second = None if second is None else second + 1
    meets_price = None if unsold_reserve is None else max(lowest + 1, ceil((lowest + unsold_reserve) / 2))
    return min((price for price in (above_second, meets_price) if price is not None), default=None)


def price_to_beat(
    mechanism: str, bids: Sequence[int], reserves: Sequence[int], *, most: int, **parameters: Any
) -> int | None:
    """
    Return the least bid, up to `most`, that wins one of these slots against these bids, or None where none does.

    Bids and reserves are sorted, best first. Of a rule that gives up trades it is found by halving, as no rule lets a
    higher bid lose what a lower one wins.
    """
    if named(mechanism).sells_all:
        # To be the n-th best bid it must exceed the present one, and it must meet the n-th reserve.
        outbids = [*(bid + 1 for bid in bids), *[0] * len(reserves)]
        return min(map(max, outbids, reserves), default=None)
    if not reserves or not _wins(mechanism, bids, reserves, most, parameters):
        return None
    loses, wins = 0, most
    while wins - loses > 1:
        middle = (loses + wins) // 2
        loses, wins = (loses, middle) if _wins(mechanism, bids, reserves, middle, parameters) else (middle, wins)
    return wins


def _wins(
    mechanism: str, bids: Sequence[int], reserves: Sequence[int], price: int, parameters: Mapping[str, Any]
) -> bool:
    newcomer = len(bids)
    book = [Bid(place, place, bid, place) for place, bid in enumerate([*bids, price])]
    asks = [Ask(place, f"provider {place}", reserve) for place, reserve in enumerate(reserves)]
    return any(trade.bid_id == newcomer for trade in clear(mechanism, book, asks, **parameters).trades)


def quoted(prices: Sequence[int | None], probability: float) -> int | None:
    """
    Return a bid that wins the next round with a probability, by what recent rounds took, the oldest first.

    None stands for a round that no bid was known to win; the answer is None where such rounds are too many.

    An order statistic of the last 100 rounds, with one added for the unknown next one, of a level that follows its own
    record: each round that it would have lost raises the level, each that it would have won lowers it, so that it wins
    as often as it says while prices drift too (adaptive conformal inference: Gibbs, Candès 2021).
    """
    window: deque[float] = deque()
    ranked: list[float] = []
    level = probability
    for price in (inf if price is None else float(price) for price in prices):
        if len(ranked) >= _RECORD:
            level += _STEP * (probability - (_at(ranked, level) >= price))
        if len(window) == _WINDOW:
            del ranked[bisect_left(ranked, window.popleft())]
        window.append(price)
        insort(ranked, price)
    answer = _at(ranked, level) if ranked else inf
    return None if answer == inf else int(answer)


def _at(ranked: Sequence[float], level: float) -> float:
    place = ceil(min(max(level, 0.0), 1.0) * (len(ranked) + 1))
    return ranked[min(max(place, 1), len(ranked)) - 1]

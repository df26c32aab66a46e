"""The rank cap: a quest may bid high for its best tasks, and can still never owe more than its wallet."""

from __future__ import annotations

from collections.abc import Sequence


def rank_cap(prices: Sequence[int], wallet_tokens: int) -> list[int]:
    """
    Return the bids with the r-th best of them at most wallet / r, rounded down, in their own order.

    Whoever wins m slots at one price wins them with its m best bids and pays at most m times the m-th: no more than its
    wallet, whatever others do. `prices` are a quest's bids in all pools together; of equal ones the earlier ranks
    first.
    """
    capped = list(prices)
    wallet = max(0, wallet_tokens)
    best_first = sorted(range(len(prices)), key=lambda place: -prices[place])
    for rank, place in enumerate(best_first, start=1):
        capped[place] = min(prices[place], wallet // rank)
    return capped

"""How many tokens to set aside for a bidder's open bids, and which bids a number of tokens covers."""

from collections.abc import Iterator, Sequence
from itertools import accumulate, count
from operator import mul

from scidex.mechanism.registry import named
from scidex.mechanism.validation import check_prices


def most_owed(name: str, prices: Sequence[int]) -> int:
    """
    Return the most that one bidder with bids at these prices can owe after a round of this mechanism.

    Whoever wins m slots pays at most m times its m-th best bid, whatever others bid: the largest of these
    products is the bound, and opponents exist that attain it. Under pay-as-bid it is the sum.
    Raises UnknownMechanism for a name that is none, and InvalidArgument for a price that is no price.
    """
    check_prices("prices", prices)
    if _is_sum(name):
        return sum(prices)
    return max(map(mul, sorted(prices, reverse=True), count(1)), default=0)


def covered(name: str, prices: Sequence[int], tokens: int, *, beside: Sequence[int] = ()) -> list[bool]:
    """
    Return which bids of one bidder at these prices a number of tokens covers, beside others that stand.

    The bids are taken best first, of equal ones in the order given. One is covered where the most that can be owed with
    it, with those covered before it and with the others is no more than `tokens`. A bid that is too high for the wallet
    keeps out no lower one. Raises UnknownMechanism and InvalidArgument as `most_owed` does.
    """
    check_prices("prices", prices)
    best_first = sorted(range(len(prices)), key=prices.__getitem__, reverse=True)
    ranked = [prices[place] for place in best_first]
    flags = [False] * len(prices)
    if most_owed(name, beside) <= tokens:
        taken = _taken_in_sum(ranked, tokens - sum(beside)) if _is_sum(name) else _taken_by_rank(ranked, tokens, beside)
        for place, is_taken in zip(best_first, taken, strict=True):
            flags[place] = is_taken
    return flags


def _is_sum(name: str) -> bool:
    return named(name).name == "pay_as_bid"


def _taken_in_sum(ranked: Sequence[int], tokens: int) -> Iterator[bool]:
    for price in ranked:
        is_taken = price <= tokens
        tokens -= price * is_taken
        yield is_taken


def _taken_by_rank(ranked: Sequence[int], tokens: int, beside: Sequence[int]) -> Iterator[bool]:
    others = sorted((price for price in beside if price), reverse=True)
    # How many bids may come before one of the others: it and all below it move down a rank by each.
    bearable = [tokens // price - rank for rank, price in enumerate(others, start=1)]
    least_bearable = [*list(accumulate(reversed(bearable), min))[::-1], len(ranked)]
    above = kept = 0
    for price in ranked:
        while above < len(others) and others[above] >= price:
            above += 1
        is_taken = price * (above + kept + 1) <= tokens and kept < least_bearable[above]
        kept += is_taken
        yield is_taken

"""How many tokens to set aside for a bidder's open bids."""

from collections.abc import Sequence
from itertools import count
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
    if named(name).name == "pay_as_bid":
        return sum(prices)
    return max(map(mul, sorted(prices, reverse=True), count(1)), default=0)

"""The (k+1)-th price: every winner pays the best losing price."""

from collections.abc import Iterable

from scidex.mechanism.margin import Margin, MarginTerms, clear_at_margin
from scidex.mechanism.values import Ask, Bid, Clearing


def uniform_price(bids: Iterable[Bid], asks: Iterable[Ask]) -> Clearing:
    """
    Sell to the best bids; each pays max(a_q, b_{q+1}), the lowest market-clearing price, to its provider.

    Honest bidding is dominant for a bidder with one bid (Vickrey 1961); with several, a bidder may gain by
    asking for less (Ausubel, Cramton, Pycia, Rostek, Weretka 2014).
    Raises InvalidArgument for a bid or an ask that no rule can clear.
    """
    return clear_at_margin(uniform_terms, bids, asks)


def uniform_terms(margin: Margin) -> MarginTerms:
    """Return the terms of the lowest market-clearing price."""
    price = margin.lowest_price()
    return MarginTerms(margin.quantity, price, price)

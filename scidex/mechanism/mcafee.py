"""McAfee's double auction: one price for all if it suits the marginal pair, else one trade less."""

from collections.abc import Iterable

from scidex.mechanism.margin import Margin, MarginTerms, clear_at_margin
from scidex.mechanism.prices import HALF, blend
from scidex.mechanism.trade_reduction import reduced_terms
from scidex.mechanism.values import Ask, Bid, Clearing, Price


def mcafee(bids: Iterable[Bid], asks: Iterable[Ask]) -> Clearing:
    """
    Trade at p0 = (b_{q+1} + a_{q+1}) / 2 if both exist and a_q <= p0 <= b_q; else reduce trade by one.

    Honest for buyers and providers of one slot each, and never in deficit (McAfee 1992).
    Raises InvalidArgument for a bid or an ask that no rule can clear.
    """
    return clear_at_margin(mcafee_terms, bids, asks)


def mcafee_terms(margin: Margin) -> MarginTerms:
    """Return the terms of p0 where it suits the marginal pair, else those of trade reduction."""
    if margin.next_bid is None or margin.next_ask is None:
        return reduced_terms(margin)
    price = blend(margin.next_bid, margin.next_ask, HALF)
    if not _lies_between(margin.ask, price, margin.bid):
        return reduced_terms(margin)
    return MarginTerms(margin.quantity, price, price)


def _lies_between(lower: Price, price: Price, upper: Price) -> bool:
    return max(lower, price) == price == min(price, upper)

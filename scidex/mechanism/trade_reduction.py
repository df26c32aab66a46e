"""Trade reduction: give up the last trade, and let it set honest prices for the others."""

from collections.abc import Iterable

from scidex.mechanism.margin import Margin, MarginTerms, clear_at_margin
from scidex.mechanism.values import Ask, Bid, Clearing


def trade_reduction(bids: Iterable[Bid], asks: Iterable[Ask]) -> Clearing:
    """
    Make q - 1 trades: their buyers pay b_q, their providers get a_q, and the market keeps the difference.

    Honest for buyers and providers of one slot each, never in deficit (McAfee 1992; Babaioff, Nisan 2004).
    Raises InvalidArgument for a bid or an ask that no rule can clear.
    """
    return clear_at_margin(reduced_terms, bids, asks)


def reduced_terms(margin: Margin) -> MarginTerms:
    """Return the terms that the given-up pair sets for the trades before it."""
    return MarginTerms(margin.quantity - 1, margin.bid, margin.ask)

"""The Vickrey-Clarke-Groves double auction: honest on both sides, at the market's expense."""

from collections.abc import Iterable

from scidex.mechanism.margin import Margin, MarginTerms, clear_at_margin
from scidex.mechanism.values import Ask, Bid, Clearing


def vcg_double(bids: Iterable[Bid], asks: Iterable[Ask]) -> Clearing:
    """
    Make every efficient trade: buyers pay max(a_q, b_{q+1}), providers get min(b_q, a_{q+1}).

    Honest for buyers and providers of one slot each (Vickrey 1961; Clarke 1971; Groves 1973). Providers can
    get more than buyers pay: the market bears the deficit, as someone must (Myerson, Satterthwaite 1983).
    Raises InvalidArgument for a bid or an ask that no rule can clear.
    """
    return clear_at_margin(pivotal_terms, bids, asks)


def pivotal_terms(margin: Margin) -> MarginTerms:
    """Return the terms at which each side pays or gets its critical value."""
    return MarginTerms(margin.quantity, margin.lowest_price(), margin.highest_price())

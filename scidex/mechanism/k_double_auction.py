"""The k-double auction: a point of the interval of all market-clearing prices."""

from collections.abc import Iterable
from fractions import Fraction
from functools import partial

from scidex.mechanism.margin import Margin, MarginTerms, clear_at_margin
from scidex.mechanism.prices import HALF, blend, theta_as_fraction
from scidex.mechanism.values import Ask, Bid, Clearing, Price


def k_double_auction(bids: Iterable[Bid], asks: Iterable[Ask], *, theta: Price = HALF) -> Clearing:
    """
    Sell to the best bids at θ · upper + (1 - θ) · lower end of the interval of all market-clearing prices.

    The interval is [max(a_q, b_{q+1}), min(b_q, a_{q+1})] (Rustichini, Satterthwaite, Williams 1994).
    The price is exact: a Fraction where θ makes it one.
    Raises InvalidArgument unless θ lies in [0, 1], and for a bid or an ask that no rule can clear.
    """
    return clear_at_margin(partial(interval_terms, theta=theta_as_fraction(theta)), bids, asks)


def interval_terms(margin: Margin, *, theta: Fraction) -> MarginTerms:
    """Return the terms of the price at θ between the lowest and the highest market-clearing price."""
    price = blend(margin.lowest_price(), margin.highest_price(), theta)
    return MarginTerms(margin.quantity, price, price)

"""The marginal pair: a price between the last bid and the last ask that trade."""

from collections.abc import Iterable
from fractions import Fraction
from functools import partial

from scidex.mechanism.margin import Margin, MarginTerms, clear_at_margin
from scidex.mechanism.prices import HALF, blend, theta_as_fraction
from scidex.mechanism.values import Ask, Bid, Clearing, Price


def marginal_pair(bids: Iterable[Bid], asks: Iterable[Ask], *, theta: Price = HALF) -> Clearing:
    """
    Sell to the best bids at θ · b_q + (1 - θ) · a_q; θ = 1/2 is the average of the marginal pair.

    The price can fail to clear the market: a losing bid above it, or a spare ask below it, is left willing.
    The rule of Chatterjee and Samuelson (1983), applied to the marginal pair of a call market.
    Raises InvalidArgument unless θ lies in [0, 1], and for a bid or an ask that no rule can clear.
    """
    return clear_at_margin(partial(pair_terms, theta=theta_as_fraction(theta)), bids, asks)


def pair_terms(margin: Margin, *, theta: Fraction) -> MarginTerms:
    """Return the terms of the price at θ between the marginal ask and the marginal bid."""
    price = blend(margin.ask, margin.bid, theta)
    return MarginTerms(margin.quantity, price, price)

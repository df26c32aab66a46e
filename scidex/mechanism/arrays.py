"""The one-price rules on arrays of integers, for rounds by the thousand; ties go by place in the array."""

from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scidex.errors import InvalidArgument
from scidex.mechanism import hold
from scidex.mechanism.k_double_auction import interval_terms
from scidex.mechanism.margin import Margin, MarginTerms, Rule
from scidex.mechanism.marginal_pair import pair_terms
from scidex.mechanism.mcafee import mcafee_terms
from scidex.mechanism.prices import HALF, theta_as_fraction
from scidex.mechanism.trade_reduction import reduced_terms
from scidex.mechanism.uniform_price import uniform_terms
from scidex.mechanism.values import Price
from scidex.mechanism.vcg_double import pivotal_terms

Integers: TypeAlias = NDArray[np.int64]


class ArrayClearing(NamedTuple):
    """Prices of buyers and of providers, None if nothing trades; the indices that trade, the best first."""

    price: Price | None
    provider_price: Price | None
    winners: Integers
    sellers: Integers


def covered(prices: Integers, bidder: Integers, tokens: Integers) -> Integers:
    """
    Return bids without those that their bidders' tokens do not cover, as `hold.covered` says; these become 0.

    `bidder` is the place of each bid's bidder in `tokens`, for a mechanism in which all winners pay one price.
    """
    order = np.lexsort((-prices, bidder))
    mine = bidder[order]
    rank = np.arange(1, len(mine) + 1) - np.searchsorted(mine, mine)
    kept = prices.copy()
    # The bids of most bidders are covered all together.
    for one in np.unique(mine[prices[order] * rank > tokens[mine]]):
        places = np.flatnonzero(bidder == one)
        flags = hold.covered("uniform_price", prices[places].tolist(), int(tokens[one]))
        kept[places] = np.where(flags, prices[places], 0)
    return kept


def uniform_price(prices: ArrayLike, reserves: ArrayLike) -> ArrayClearing:
    """
    Clear arrays as the rule of this name clears bids and asks.

    Raises InvalidArgument for anything but non-negative 64-bit integers.
    """
    return _clear(uniform_terms, prices, reserves)


def k_double_auction(prices: ArrayLike, reserves: ArrayLike, *, theta: Price = HALF) -> ArrayClearing:
    """
    Clear arrays as the rule of this name clears bids and asks.

    Raises InvalidArgument for anything but non-negative 64-bit integers, or for a θ outside [0, 1].
    """
    return _clear(partial(interval_terms, theta=theta_as_fraction(theta)), prices, reserves)


def marginal_pair(prices: ArrayLike, reserves: ArrayLike, *, theta: Price = HALF) -> ArrayClearing:
    """
    Clear arrays as the rule of this name clears bids and asks.

    Raises InvalidArgument for anything but non-negative 64-bit integers, or for a θ outside [0, 1].
    """
    return _clear(partial(pair_terms, theta=theta_as_fraction(theta)), prices, reserves)


def mcafee(prices: ArrayLike, reserves: ArrayLike) -> ArrayClearing:
    """
    Clear arrays as the rule of this name clears bids and asks.

    Raises InvalidArgument for anything but non-negative 64-bit integers.
    """
    return _clear(mcafee_terms, prices, reserves)


def trade_reduction(prices: ArrayLike, reserves: ArrayLike) -> ArrayClearing:
    """
    Clear arrays as the rule of this name clears bids and asks.

    Raises InvalidArgument for anything but non-negative 64-bit integers.
    """
    return _clear(reduced_terms, prices, reserves)


def vcg_double(prices: ArrayLike, reserves: ArrayLike) -> ArrayClearing:
    """
    Clear arrays as the rule of this name clears bids and asks.

    Raises InvalidArgument for anything but non-negative 64-bit integers.
    """
    return _clear(pivotal_terms, prices, reserves)


def _clear(rule: Rule, prices: ArrayLike, reserves: ArrayLike) -> ArrayClearing:
    bids, asks = _integers("prices", prices), _integers("reserves", reserves)
    bid_order, ask_order = np.argsort(-bids, kind="stable"), np.argsort(asks, kind="stable")
    bids, asks = bids[bid_order], asks[ask_order]
    depth = min(len(bids), len(asks))
    quantity = int(np.count_nonzero(bids[:depth] >= asks[:depth]))
    terms = rule(_margin(quantity, bids, asks)) if quantity else MarginTerms(0, 0, 0)
    winners, sellers = bid_order[: terms.quantity], ask_order[: terms.quantity]
    if not terms.quantity:
        return ArrayClearing(None, None, winners, sellers)
    return ArrayClearing(terms.buyer_pays, terms.provider_gets, winners, sellers)


def _margin(quantity: int, bids: Integers, asks: Integers) -> Margin:
    return Margin(
        quantity=quantity,
        bid=int(bids[quantity - 1]),
        ask=int(asks[quantity - 1]),
        next_bid=int(bids[quantity]) if quantity < len(bids) else None,
        next_ask=int(asks[quantity]) if quantity < len(asks) else None,
    )


def _integers(field: str, values: ArrayLike) -> Integers:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise InvalidArgument(field=field, value=values, fact="must be a flat array of integers")
    if array.size and (array.min() < 0 or array.max() > np.iinfo(np.int64).max):
        raise InvalidArgument(field=field, value=values, fact="must lie in [0, 2^63)")
    return array.astype(np.int64)

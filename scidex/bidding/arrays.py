"""Strategies, the rank cap and calibration on arrays: the bids of all quests at once, the same to the last token."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import floor
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scidex.bidding import haste, order
from scidex.bidding.calibration import FACTOR_LEAST, FACTOR_MOST, Calibration
from scidex.bidding.values import exact
from scidex.errors import UnknownStrategy
from scidex.profiles import Profile

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]

_DIGITS = 9
# Floating point errs by a few parts in 10^16; whatever comes this close to a step is decided by exact numbers.
_NEAR = 1e-12


class Positions(NamedTuple):
    """What a strategy may see, of all tasks of all quests in a pool: `Position` as arrays."""

    quest: Integers
    """Whose each task is, as a place in the arrays of quests below."""
    values: Floats
    """What each task is worth, in USD as it is written."""
    tokens_per_usd: int
    wallet_tokens: Integers
    open_tasks: Integers
    alpha: Floats


def bids(strategy: str, positions: Positions, profile: Profile) -> Integers:
    """Return a bid for each task, as the strategy of this name bids for one quest. Raises UnknownStrategy."""
    if strategy not in _STRATEGIES:
        raise UnknownStrategy(field="strategy", strategy=strategy, known=sorted(_STRATEGIES))
    return _STRATEGIES[strategy](positions, profile)


def rank_cap(prices: Integers, quest: Integers, wallet_tokens: Integers) -> Integers:
    """Return the bids with the r-th best one of each quest at most its wallet / r, rounded down."""
    order, rank = _ranks(prices, quest)
    capped = np.empty_like(prices)
    capped[order] = np.minimum(prices[order], np.maximum(wallet_tokens, 0)[quest[order]] // rank)
    return capped


def calibrated(claims: Floats, bidder: Integers, calibrations: Sequence[Calibration]) -> Floats:
    """Return what each claim is worth by its bidder's calibration, as `Calibration.value` says, to nine digits."""
    slope = np.array([one.slope for one in calibrations])[bidder]
    intercept = np.array([one.intercept for one in calibrations])[bidder]
    claimed = np.where(claims > 0, claims, 1.0)
    worth = np.exp(intercept + slope * np.log(claimed))
    bounded = np.minimum(np.maximum(worth, FACTOR_LEAST * claimed), FACTOR_MOST * claimed)
    values, is_near = _nine_digits(bounded)
    for place in np.flatnonzero(is_near | (claims <= 0)):
        values[place] = calibrations[bidder[place]].value(float(claims[place]))
    return values


def scored(claims: Floats, bidder: Integers, windows: Sequence[Floats]) -> Floats:
    """Return how high each claim stands in its bidder's window, which is in rising order, as `order.score` says."""
    counts = np.array([len(window) for window in windows])
    # Complex numbers are ordered by their real part first: one search finds each claim in its own bidder's window.
    ordered = np.repeat(np.arange(len(windows)), counts) + 1j * np.concatenate([*windows, np.empty(0)])
    below, up_to = (np.searchsorted(ordered, bidder + 1j * claims, side=side) for side in ("left", "right"))
    above = np.cumsum(counts)[bidder] - up_to + (up_to - below) / 2 + 0.5
    parts = np.minimum(1.0, above / np.maximum(counts, 1)[bidder])
    scores, is_near = _decimals(np.sqrt(-2 * np.log(np.where(counts[bidder] > 0, parts, 1.0))))
    for place in np.flatnonzero(is_near):
        scores[place] = order.score(float(claims[place]), windows[bidder[place]].tolist())
    return scores


def worths(scores: Floats, bidder: Integers, of_bidders: Sequence[order.Worth]) -> Floats:
    """Return what tasks of these scores are worth, as `Worth.value` says, to nine digits."""
    slope = np.array([one.slope for one in of_bidders])[bidder]
    level = np.array([one.level for one in of_bidders])[bidder]
    values, is_near = _nine_digits(np.exp(level + slope * scores))
    for place in np.flatnonzero(is_near):
        values[place] = of_bidders[bidder[place]].value(float(scores[place]))
    return values


def hastes(hours_left: Floats, profile: Profile) -> Floats:
    """Return the haste of tasks, as `haste.haste` says."""
    if not profile.haste:
        return np.zeros(len(hours_left))
    part = np.minimum(1.0, np.maximum(0.0, 1 - hours_left / profile.haste_hours))
    hastes, is_near = _decimals(profile.haste * part)
    for place in np.flatnonzero(is_near):
        hastes[place] = haste.haste(float(hours_left[place]), profile)
    return hastes


def hurried(values: Floats, hastes: Floats) -> Floats:
    """Return worths raised by their haste, as `haste.hurried` says."""
    raised = values.copy()
    in_haste = np.flatnonzero((hastes > 0) & (values > 0))
    raised[in_haste], is_near = _nine_digits(values[in_haste] * np.exp(hastes[in_haste]))
    for place in in_haste[is_near]:
        raised[place] = haste.hurried(float(values[place]), float(hastes[place]))
    return raised


def _clamp(positions: Positions, profile: Profile) -> Integers:
    most = np.maximum(positions.wallet_tokens, 0) // np.maximum(positions.open_tasks, 1)
    capped: Integers = np.minimum(_share(positions, profile.share_bid), most[positions.quest])
    return capped


def _paced(positions: Positions, profile: Profile) -> Integers:
    return _share(positions, np.minimum(positions.alpha, profile.alpha_most)[positions.quest])


def _truthful(positions: Positions, _: Profile) -> Integers:
    return _share(positions, 1.0)


def _fixed(positions: Positions, profile: Profile) -> Integers:
    return _share(positions, profile.alpha_start)


_STRATEGIES: Mapping[str, Callable[[Positions, Profile], Integers]] = {
    "clamp": _clamp,
    "paced": _paced,
    "truthful": _truthful,
    "fixed": _fixed,
}


def _share(positions: Positions, share: float | Floats) -> Integers:
    """Return a share of each value in whole tokens, rounded down as exact numbers would be."""
    shares = np.broadcast_to(share, positions.values.shape)
    products = np.maximum(shares * positions.values * positions.tokens_per_usd, 0.0)
    tokens = np.floor(products).astype(np.int64)
    is_near = np.abs(products - np.rint(products)) <= _NEAR * np.maximum(products, 1.0)
    for place in np.flatnonzero(is_near):
        value: Fraction = exact(float(positions.values[place])) * positions.tokens_per_usd
        tokens[place] = max(0, floor(exact(float(shares[place])) * value))
    return tokens


def _nine_digits(numbers: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return numbers above 0 to nine digits, and which of them lie too close to a half or a power of ten to tell."""
    exponent = np.floor(np.log10(numbers)).astype(np.int64) - (_DIGITS - 1)
    scale = 10.0 ** np.abs(exponent)
    scaled = np.where(exponent > 0, numbers / scale, numbers * scale)
    whole = np.rint(scaled)
    # The quotient and the product of two numbers that are exact are the nearest to the decimal that is meant.
    rounded = np.where(exponent > 0, whole * scale, whole / scale)
    is_near = np.abs(np.abs(scaled - np.floor(scaled)) - 0.5) <= 1e-5
    is_edge = (whole <= 10 ** (_DIGITS - 1)) | (whole >= 10**_DIGITS) | (np.abs(exponent) > 22)
    return rounded, is_near | is_edge


def _decimals(numbers: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return numbers rounded to nine decimals, and which of them lie too close to a half to tell."""
    scaled = numbers * 10.0**_DIGITS
    return np.rint(scaled) / 10.0**_DIGITS, np.abs(np.abs(scaled - np.floor(scaled)) - 0.5) <= 1e-4


def _ranks(prices: Integers, quest: Integers) -> tuple[Integers, Integers]:
    """Return the order of bids by quest, the best first, and each one's rank in its quest; earlier ones first."""
    order = np.lexsort((-prices, quest))
    sorted_quests = quest[order]
    return order, np.arange(len(order)) - np.searchsorted(sorted_quests, sorted_quests) + 1

"""What a clearing rule reads and answers: bids, asks, trades and the clearing that holds them."""

from collections.abc import Hashable
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple, TypeAlias

Price: TypeAlias = int | Fraction | float | Decimal
"""Integer tokens in the exchange; in the lab any number, of one kind within a round."""


class Bid(NamedTuple):
    """An offer to buy one slot for at most `price`; at one price the lowest `sequence` comes first."""

    id: Hashable
    owner: Hashable
    price: Price
    sequence: int


class Ask(NamedTuple):
    """An offer to sell one slot for at least `reserve`; at one reserve the lowest id comes first."""

    id: Hashable
    provider: Hashable
    reserve: Price


class Trade(NamedTuple):
    """One slot sold: what its buyer pays, and what its provider gets."""

    bid_id: Hashable
    ask_id: Hashable
    buyer_pays: Price
    provider_gets: Price


class Clearing(NamedTuple):
    """
    The outcome of a round: its trades, the best bid's first.

    `price` is what every winner pays, or None if nothing trades or each winner pays a price of its own;
    `runner_up` is the id of the best losing bid, or None if no bid lost.
    """

    trades: tuple[Trade, ...]
    price: Price | None
    runner_up: Hashable

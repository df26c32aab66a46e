"""The pure rules of the market: who wins a round, and what everyone pays."""

from scidex.mechanism.hold import covered, most_owed
from scidex.mechanism.registry import MECHANISMS, Mechanism, clear
from scidex.mechanism.values import Ask, Bid, Clearing, Price, Trade

__all__ = ["MECHANISMS", "Ask", "Bid", "Clearing", "Mechanism", "Price", "Trade", "clear", "covered", "most_owed"]

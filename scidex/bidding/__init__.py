"""Bids: how a quest turns what its tasks are worth to it into bids; one strategy a file, all by name."""

from scidex.bidding.clamp import clamp
from scidex.bidding.registry import STRATEGIES, Strategy, strategy_named

__all__ = ["STRATEGIES", "Strategy", "clamp", "strategy_named"]

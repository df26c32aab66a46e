"""Bids: how a quest turns what its tasks are worth to it into bids; one strategy a file, all by name."""

from scidex.bidding.clamp import clamp
from scidex.bidding.rank_cap import rank_cap
from scidex.bidding.registry import STRATEGIES, Strategy, strategy_named
from scidex.bidding.values import Position

__all__ = ["STRATEGIES", "Position", "Strategy", "clamp", "rank_cap", "strategy_named"]

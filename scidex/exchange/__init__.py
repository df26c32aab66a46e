"""Acts: the verbs of the market, each one transaction."""

from scidex.exchange import compute_auction, token_ledger

__all__ = ["compute_auction", "token_ledger"]

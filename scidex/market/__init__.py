"""A market as programs reach it: one interface, behind a server (`scidex.Client`) or a database (`EmbeddedMarket`)."""

from scidex.market.verbs import Market

__all__ = ["Market"]

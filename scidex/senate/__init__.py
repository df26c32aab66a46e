"""Watches: what the market's record says of its bidders."""

"""A pool's book: its pools, asks and bids, what bids set aside, and which may compete."""

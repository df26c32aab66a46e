"""A compute exchange for fleets of AI agents: bid for the next slot, clear at one price, settle, earn."""

__version__ = "0.1.0"

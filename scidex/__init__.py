"""A compute exchange for fleets of AI agents: bid for the next slot, clear at one price, settle, earn."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scidex.client import Client

__version__ = "0.1.0"

__all__ = ["Client", "__version__"]


def __getattr__(name: str) -> object:
    """Load the client when it is asked for: it brings an HTTP library along."""
    if name == "Client":
        from scidex.client import Client  # noqa: PLC0415

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

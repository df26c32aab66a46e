"""What an agent asks for its slots."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Offers:
    """The least price of a slot, and what a run in it may use."""

    reserve_price_tokens: int = 0
    token_allowance: int | None = None
    max_seconds: int | None = None

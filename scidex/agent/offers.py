"""An agent's slots on the market: as many on offer as it has idle seats."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from scidex.errors import AskNotOpen
from scidex.exchange import compute_auction
from scidex.settings import DEFAULT_POOL
from scidex.store import Database

_MOST_ASKS = 10_000


@dataclass(frozen=True)
class Offers:
    """What an agent asks for its slots, and what each allows; the proceeds are its own account's."""

    provider_id: str
    db: Database
    pool: str = DEFAULT_POOL
    reserve_price_tokens: int = 0
    token_allowance: int | None = None
    max_seconds: int | None = None

    def open_slots(self) -> list[str]:
        """Return the slots that are on offer now."""
        book = compute_auction.get_order_book(pool=self.pool, limit=_MOST_ASKS, db=self.db)
        return [ask["slot_id"] for ask in book["asks"] if ask["provider_id"] == self.provider_id]

    def keep(self, wanted: int, on_offer: list[str]) -> None:
        """Offer more slots, or withdraw some, until `wanted` are on offer."""
        if len(on_offer) < wanted:
            self._offer(wanted - len(on_offer))
        for slot_id in on_offer[max(0, wanted) :]:
            self._withdraw(slot_id)

    def withdraw_all(self) -> None:
        """Take every unsold slot off the market."""
        for slot_id in self.open_slots():
            self._withdraw(slot_id)

    def _offer(self, count: int) -> None:
        compute_auction.offer_slots(
            count,
            pool=self.pool,
            provider_id=self.provider_id,
            reserve_price_tokens=self.reserve_price_tokens,
            token_allowance=self.token_allowance,
            max_seconds=self.max_seconds,
            db=self.db,
        )

    def _withdraw(self, slot_id: str) -> None:
        with suppress(AskNotOpen):  # sold, or given to a task, in the meantime
            compute_auction.withdraw_slot(slot_id, db=self.db)

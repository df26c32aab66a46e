"""Opening pools and offering slots: what these verbs do inside their transaction."""

from __future__ import annotations

from datetime import datetime

from scidex.errors import AskNotOpen, InvalidTime, UnknownAccount, UnknownSlot
from scidex.exchange.book import market_settings
from scidex.exchange.book.pools import lock_pools
from scidex.money.reserve import reserve_price
from scidex.records import Ask
from scidex.settings import ISSUANCE, MOST_TOKENS, TREASURY
from scidex.store.db_writes import Work, effect

_RECENT_ROUNDS = 24


@effect("offer_slots")
def offer_slots(
    work: Work,
    *,
    count: int,
    pool: str,
    reserve_price_tokens: int,
    provider_id: str,
    available_at: datetime | None,
    expires_at: datetime | None,
    token_allowance: int | None,
    max_seconds: int | None,
    idempotency_key: str | None,
) -> list[Ask]:
    """Offer slots, each with an id of its own."""
    tx = work.tx
    lock_pools(tx, [pool])  # a slot is on offer before a round or after it, never while it is cleared
    if tx.row("account", account_id=provider_id) is None or provider_id == ISSUANCE:
        raise UnknownAccount(field="provider_id", account_id=provider_id)
    begins_at = available_at or work.now
    reserve = max(reserve_price_tokens, _reserve_by_utilisation(work, pool, provider_id))

    def act() -> list[Ask]:
        # Not before: an offer repeated after it has ended answers as it did.
        if expires_at is not None and expires_at <= max(begins_at, work.now):
            raise InvalidTime(field="expires_at", value=expires_at, fact="must lie after now and after available_at")
        asks = [
            Ask(
                slot_id=f"slot-{number}",
                pool=pool,
                provider_id=provider_id,
                reserve_price_tokens=reserve,
                available_at=begins_at,
                expires_at=expires_at,
                token_allowance=token_allowance,
                max_seconds=max_seconds,
                status="open",
                sequence=number,
                offered_at=work.now,
            )
            for number in work.numbers("slot_numbers", count)
        ]
        tx.run_many("insert_asks", [ask._asdict() for ask in asks])
        return asks

    asked = {
        "count": count,
        "pool": pool,
        "reserve_price_tokens": reserve_price_tokens,
        "available_at": available_at,
        "expires_at": expires_at,
        "token_allowance": token_allowance,
        "max_seconds": max_seconds,
    }
    return work.once(f"offer {provider_id}", idempotency_key, asked, act, lambda answer: [Ask(**ask) for ask in answer])


def _reserve_by_utilisation(work: Work, pool: str, provider_id: str) -> int:
    """Return the least that is asked in a pool whose profile ties that to how much it sold of late."""
    tx = work.tx
    profile = market_settings.configured(tx, pool)
    if profile is None or not profile.reserve_by_utilisation:
        return 0

    def reserve() -> int:
        rounds = tx.rows("recent_rounds", pool=pool, page=_RECENT_ROUNDS)
        slots, sold = (sum(row[name] for row in rounds) for name in ("slots", "sold"))
        return min(MOST_TOKENS, reserve_price(profile, slots=slots, sold=sold))

    if provider_id == TREASURY:
        return reserve()
    # In journals that leave it out this held for the treasury's slots alone.
    return 0 if work.leaves_out("reserve") else int(work.make_up("reserve", reserve))


@effect("withdraw_slot")
def withdraw_slot(work: Work, *, slot_id: str) -> Ask:
    """Take an unsold slot off the market."""
    tx = work.tx
    known = tx.row("ask", slot_id=slot_id)
    if known is None:
        raise UnknownSlot(field="slot_id", slot_id=slot_id)
    # A round that has read this slot either sells it before this looks again, or begins after it is gone.
    lock_pools(tx, [known["pool"]])
    tx.rows("lock_ask", slot_id=slot_id)
    row = tx.rows("ask", slot_id=slot_id)[0]
    if not tx.run("withdraw_ask", slot_id=slot_id):
        raise AskNotOpen(field="slot_id", slot_id=slot_id, status=row["status"])
    return Ask(**row)._replace(status="withdrawn")

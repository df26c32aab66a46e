"""Opening pools and offering slots: what these verbs do inside their transaction."""

from __future__ import annotations

import secrets
from datetime import datetime

from scidex.errors import AskNotOpen, InvalidTime, PoolExists, UnknownAccount, UnknownSlot
from scidex.exchange import market_settings
from scidex.exchange.book import lock_pools
from scidex.exchange.records import Ask, Pool
from scidex.mechanism.tie_breaking import commitment
from scidex.money.reserve import reserve_price
from scidex.settings import ISSUANCE, MOST_TOKENS, TREASURY
from scidex.store.database import Transaction
from scidex.store.db_writes import Work, effect

_RECENT_ROUNDS = 24


@effect("open_market")
def open_market(work: Work, *, pool: str) -> None:
    """Open the system's accounts and the default pool, where they are missing."""
    tx = work.tx
    added = [
        tx.run("add_account", account_id=account_id, kind="system", owner_id="system", created_at=work.now)
        for account_id in (ISSUANCE, TREASURY)
    ]
    missing = not tx.rows("pools_named", pools=[pool])
    if missing:
        create_pool(work, pool=pool, mechanism="uniform_price", theta=None, tie_rule="arrival")
    work.changed = any(added) or missing


@effect("create_pool")
def create_pool(work: Work, *, pool: str, mechanism: str, theta: str | None, tie_rule: str) -> Pool:
    """Open a pool and its first round."""
    if work.tx.rows("pools_named", pools=[pool]):
        raise PoolExists(field="pool", pool=pool)
    seed = work.make_up("seed", lambda: secrets.token_hex(16))
    opened = Pool(
        pool=pool,
        mechanism=mechanism,
        theta=theta,
        tie_rule=tie_rule,
        open_round_id=work.numbers("round_numbers", 1)[0],
        seed_commitment=commitment(seed),
        created_at=work.now,
    )
    row = opened._asdict()
    del row["seed_commitment"]
    if not work.tx.run("add_pool", **row, seed=seed):
        raise PoolExists(field="pool", pool=pool)
    return opened


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
    reserve = max(reserve_price_tokens, _reserve_by_utilisation(tx, pool, provider_id))

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


def _reserve_by_utilisation(tx: Transaction, pool: str, provider_id: str) -> int:
    """Return the least that the treasury asks in a pool whose profile ties that to how much it sold of late."""
    profile = market_settings.configured(tx, pool) if provider_id == TREASURY else None
    if profile is None or not profile.reserve_by_utilisation:
        return 0
    rounds = tx.rows("recent_rounds", pool=pool, page=_RECENT_ROUNDS)
    slots, sold = (sum(row[name] for row in rounds) for name in ("slots", "sold"))
    return min(MOST_TOKENS, reserve_price(profile, slots=slots, sold=sold))


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

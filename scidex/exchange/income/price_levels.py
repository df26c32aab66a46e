"""The price level of pools whose income is indexed: what slots would cost if no wallet limited any bid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from scidex.exchange.book import market_settings
from scidex.money.income import next_price_level, unconstrained_price
from scidex.profiles import Profile
from scidex.store.database import Transaction
from scidex.store.db_writes import Work


def note(work: Work, pools: Iterable[str], values: Mapping[str, Sequence[Fraction]]) -> bool:
    """
    Move the price levels of locked pools by what their tasks are worth now; return whether any moved.

    `values` are the calibrated expected values of each pool's tasks that quests bid for, in tokens.
    """
    profiles = market_settings.profiles_of(work.tx, pools)
    indexed = {pool: profile for pool, profile in profiles.items() if profile.income == "indexed"}
    if not indexed:
        return False
    # Tasks and offers change meanwhile, so that a replay could not find these prices again.
    found = work.make_up("unconstrained_prices", lambda: _found(work, indexed, values))
    for pool, price, bids, slots in found:
        _move(work, pool, indexed[pool], price=price, bids=bids, slots=slots)
    return bool(found)


def level_of(tx: Transaction, pool: str, profile: Profile) -> float:
    """Return a pool's price level, which begins where its profile says."""
    row = tx.row("price_level", pool=pool)
    return float(profile.price_level_start) if row is None else float(row["level_tokens"])


def _found(work: Work, indexed: Mapping[str, Profile], values: Mapping[str, Sequence[Fraction]]) -> list[list[Any]]:
    """Return [pool, price, bids, slots] of the pools with slots now and more tasks than slots."""
    found: list[list[Any]] = []
    for pool, profile in sorted(indexed.items()):
        slots = len(work.tx.rows("asks_on_offer", pool=pool, now=work.now))
        price = unconstrained_price(values.get(pool, ()), slots=slots, profile=profile) if slots else None
        if price is not None:
            found.append([pool, price, len(values[pool]), slots])
    return found


def _move(work: Work, pool: str, profile: Profile, *, price: int, bids: int, slots: int) -> None:
    tx = work.tx
    # Two cycles of a pool may be done at once, and each must move the level from where the other left it.
    tx.lock([f"price level {pool}"], shared=False)
    before = level_of(tx, pool, profile)
    level = next_price_level(before, price=price, bids=bids, slots=slots, profile=profile)
    tx.run("save_price_level", pool=pool, level_tokens=level, now=work.now)

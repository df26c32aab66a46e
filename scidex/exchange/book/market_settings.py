"""What each pool is set to: configuring it, inside the verb's transaction, and reading it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from scidex.exchange.book import pools as books
from scidex.profiles import PROFILES, Profile, profile_named, values_of
from scidex.records import MarketSettings
from scidex.store.database import Row, Transaction
from scidex.store.db_writes import Work, as_json, effect

BARE = "brief"
"""The profile of a pool that was never configured."""


@effect("configure_pool")
def configure_pool(work: Work, *, pool: str, profile: str, settings: dict[str, Any], only_new: bool) -> MarketSettings:
    """
    Set a pool to these values from its open round on, unless `only_new` and it is in use.

    Alone in the pool: nobody bids by one half of old settings and one half of new ones. Raises UnknownPool.
    """
    tx = work.tx
    books.lock_pools(tx, [pool], to_clear=True)
    standing = read(tx, pool)
    chosen = standing.changed_at is not None
    in_use = chosen or tx.values("rounds_of_pool", pool=pool)[0] > 0
    if (only_new and in_use) or (chosen and (standing.profile, standing.settings) == (profile, settings)):
        work.changed = False
        return standing
    tx.run("save_settings", pool=pool, profile=profile, settings=as_json(settings), changed_at=work.now)
    tx.run("set_tie_rule", pool=pool, tie_rule=settings["tie_rule"])
    return MarketSettings(pool, profile, settings, work.now)


def read(tx: Transaction, pool: str) -> MarketSettings:
    """Return what a pool is set to. Raises UnknownPool."""
    books.read_pools(tx, [pool])
    row = tx.row("settings_of_pools", pools=[pool])
    if row is None:
        return MarketSettings(pool, BARE, values_of(PROFILES[BARE]), None)
    return MarketSettings(pool, row["profile"], _values(row), row["changed_at"])


def profiles_of(tx: Transaction, pools: Iterable[str]) -> dict[str, Profile]:
    """Return what each of these pools is set to, for the rules to go by."""
    names = list(pools)
    given = {row["pool"]: _profile(row) for row in tx.rows("settings_of_pools", pools=names)}
    return {name: given.get(name, PROFILES[BARE]) for name in names}


def configured(tx: Transaction, pool: str) -> Profile | None:
    """Return what a pool was configured with, or None where it never was, so that a process's own settings hold."""
    row = tx.row("settings_of_pools", pools=[pool])
    return None if row is None else _profile(row)


def _profile(row: Row) -> Profile:
    return profile_named(row["profile"], **_values(row))


def _values(row: Row) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(row["settings"])
    return values

"""A pool's book: its locks, its counts, and reading the best bids of a round without reading the rest."""

from __future__ import annotations

import secrets
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from itertools import chain
from typing import Any

from scidex.errors import PoolExists, UnknownPool
from scidex.mechanism.eligibility import Sifted, sift
from scidex.mechanism.registry import MECHANISMS
from scidex.mechanism.tie_breaking import Standing, TieRule, commitment, rank
from scidex.records import Pool
from scidex.settings import ISSUANCE, TREASURY
from scidex.store.database import Transaction
from scidex.store.db_writes import Work, effect

RESTING = 0
"""The round number of bids that wait for any round."""

CLEARING = 2
"""The version of the rules by which a round is cleared now; a round of an earlier journal is replayed by its own."""

# One count of a pool would be a row for which all its bidders queue until each has committed: eight threads on
# PostgreSQL place 1.4 times as many bids with sixteen.
_STRIPES = 16
_SLACK = 64
_EVERYTHING = 2**62


@dataclass(frozen=True)
class OpenPool:
    """A pool as it is configured, and its open round."""

    pool: str
    mechanism: str
    theta: str | None
    tie_rule: TieRule
    open_round_id: int
    seed: str
    last_digest: str
    created_at: datetime

    @property
    def parameters(self) -> dict[str, Fraction]:
        """What the pool's mechanism takes beside the bids and the asks."""
        return {} if self.theta is None else {"theta": Fraction(self.theta)}

    def after_this_round(self) -> OpenPool:
        """Return this market with no open round, for what remains when the round has cleared: resting bids."""
        return replace(self, open_round_id=RESTING)


@dataclass(frozen=True)
class Counted:
    """A bid as the counts know it."""

    pool: str
    bidder_id: str
    round_id: int


def lock_pools(tx: Transaction, pools: Iterable[str], *, to_clear: bool = False) -> dict[str, OpenPool]:
    """
    Lock pools until the transaction ends, alone to clear them, else beside other bidders; return them by name.

    The round is read under the lock, so a bid belongs to exactly one round. Raises UnknownPool.
    """
    names = sorted(set(pools))
    lock_names(tx, names, to_clear=to_clear)
    return read_pools(tx, names)


def lock_names(tx: Transaction, pools: Iterable[str], *, to_clear: bool = False) -> None:
    """Lock pools, whether or not there are any of these names."""
    tx.lock([lock_name(name) for name in pools], shared=not to_clear)


def lock_name(pool: str) -> str:
    """Return the name of the lock of a pool."""
    return f"pool {pool}"


def read_pools(tx: Transaction, names: Iterable[str]) -> dict[str, OpenPool]:
    """Return pools by name. Raises UnknownPool."""
    wanted = list(names)
    found = markets_by_name(tx.rows("pools_named", pools=wanted))
    for name in wanted:
        if name not in found:
            raise UnknownPool(field="pool", pool=name)
    return found


def markets_by_name(rows: Iterable[Mapping[str, Any]]) -> dict[str, OpenPool]:
    """Return pools from their rows."""
    return {row["pool"]: OpenPool(**row) for row in rows}


def count(tx: Transaction, markets: dict[str, OpenPool], bids: Iterable[Counted]) -> None:
    """Count new bids into their pools' books."""
    tx.run_many("count_bids", _by_stripe(markets, bids))


def uncount(tx: Transaction, markets: dict[str, OpenPool], bids: Iterable[Counted]) -> None:
    """Count bids that ended out of their pools' books."""
    tx.run_many("uncount_bids", _by_stripe(markets, bids))


def stripe_of(bidder_id: str) -> int:
    """Return the stripe of a book's counts in which a bidder's bids are counted, in a replay too."""
    return zlib.crc32(bidder_id.encode()) % _STRIPES


def _by_stripe(markets: dict[str, OpenPool], bids: Iterable[Counted]) -> list[dict[str, Any]]:
    # Sorted, so that writers never deadlock.
    counts: Counter[tuple[str, int, bool]] = Counter()
    for bid in bids:
        counts[bid.pool, stripe_of(bid.bidder_id), bid.round_id == RESTING] += 1
    return [
        {
            "pool": pool,
            "stripe": stripe,
            "round_id": markets[pool].open_round_id,
            "round_bids": counts[pool, stripe, False],
            "resting_bids": counts[pool, stripe, True],
        }
        for pool, stripe in sorted({(pool, stripe) for pool, stripe, _ in counts})
    ]


def best_bids(
    tx: Transaction,
    market: OpenPool,
    *,
    slots: int,
    now: datetime,
    provider_owners: set[str],
    taken: Collection[str] = (),
    version: int = CLEARING,
) -> Sifted:
    """
    Return the bids that decide the open round, best first, and those passed over on the way.

    Bids for tasks that are `taken` are passed over as if these ran. Behind a resting bid whose owner sells in this
    round the others for its task are looked at, which had followed it. Version 1, for rounds of earlier journals, left
    them out, and passed over all that it happened to read.
    Of a pool whose mechanism looks at the margin alone, no more is read than the winners, one loser, and what ties
    with it; so the cost of a round grows with its slots and not with its losers.
    """
    whole = MECHANISMS[market.mechanism].reads_whole_book
    needed = slots + 1
    most = _EVERYTHING if whole else needed + _SLACK
    while True:
        running = set(taken)
        for_round = _range(tx, market, market.open_round_id, now, most, running)
        resting = _range(tx, market, RESTING, now, most, running)
        followers = _followers(tx, market, resting, provider_owners, now) if version > 1 else []
        ranked = rank(chain(for_round, resting, followers), tie_rule=market.tie_rule, seed=market.seed)
        decisive = None if whole or version == 1 else needed
        sifted = sift(ranked, provider_owners=provider_owners, running=running, most=decisive)
        if whole:
            return sifted
        unread = [bids[-1].price for bids in (for_round, resting) if len(bids) == most]
        # A bid that was not read yet could still tie with the last one needed.
        if not unread or (len(sifted.competing) >= needed and max(unread) < sifted.competing[needed - 1].price):
            return sifted._replace(competing=sifted.competing[:needed])
        most *= 4


def _range(
    tx: Transaction, market: OpenPool, round_id: int, now: datetime, most: int, running: set[str]
) -> list[Standing]:
    """Return the best bids of a round, and add to `running` those of their tasks that hold a slot."""
    resting = round_id == RESTING
    rows = tx.tuples("book_range", pool=market.pool, round_id=round_id, now=now, most=most)
    running.update([row[3] for row in rows if row[7] is not None])
    rest = (resting,)
    return [Standing._make(row[:7] + rest) for row in rows]


def _followers(
    tx: Transaction, market: OpenPool, resting: list[Standing], provider_owners: set[str], now: datetime
) -> list[Standing]:
    """Return the resting bids that follow one whose owner sells in this round, so that it does not compete."""
    tasks = sorted({bid.task for bid in resting if bid.owner in provider_owners})
    if not tasks:
        return []
    rows = tx.tuples("followers_for_tasks", pool=market.pool, task_ids=tasks, now=now)
    return [Standing._make((*row, True)) for row in rows]


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

"""The daily bucket: its proportional split and the income paid from it, inside their transaction."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from scidex.exchange.book import holds, market_settings, pools
from scidex.exchange.income import payday
from scidex.exchange.ledger import wallets
from scidex.exchange.ledger.wallets import Move
from scidex.money.split import proportional_split
from scidex.records import Allocation
from scidex.settings import ISSUANCE, MOST_TOKENS
from scidex.store.database import Transaction
from scidex.store.db_writes import Work, effect


def day_of(now: datetime) -> str:
    """Return the UTC day of an instant, as it is keyed."""
    return now.date().isoformat()


def allocations(tx: Transaction, now: datetime, bucket_tokens: int) -> list[Allocation]:
    """Return the day's bucket split by priority over the active quests with open tasks, and what they used of it."""
    quests = {row["quest_id"]: row["priority"] for row in tx.rows("quests_with_open_tasks", now=now)}
    used = {row["quest_id"]: row["used_tokens"] for row in tx.rows("allocations_of_day", day=day_of(now))}
    shares = proportional_split(bucket_tokens, quests)
    assert sum(shares.values()) in (0, bucket_tokens), "a bucket is split to the last token"
    return [Allocation(name, quests[name], share, used.get(name, 0)) for name, share in shares.items()]


@effect("allocate_budget")
def allocate_budget(work: Work, *, bucket_tokens: int) -> None:
    """Write down the day's split where it has changed."""
    day = day_of(work.now)
    # Others may change the backlog meanwhile, so that a replay could not find these shares again.
    shares = work.make_up("shares", lambda: _changed_shares(work, bucket_tokens))
    save(work, day, {quest_id: (allocated, 0) for quest_id, allocated in shares.items()})
    work.changed = bool(shares)


def _changed_shares(work: Work, bucket_tokens: int) -> dict[str, int]:
    rows = work.tx.rows("allocations_of_day", day=day_of(work.now))
    known = {row["quest_id"]: row["allocated_tokens"] for row in rows}
    split = allocations(work.tx, work.now, bucket_tokens)
    return {a.quest_id: a.allocated_tokens for a in split if known.get(a.quest_id) != a.allocated_tokens}


def save(work: Work, day: str, shares: dict[str, tuple[int, int]]) -> None:
    """Store quests' shares of a day's bucket, and what they use more of it: (allocated, used more) by quest."""
    rows = [
        {
            "day": day,
            "quest_id": quest_id,
            "allocated_tokens": allocated,
            "used_more_tokens": used_more,
            "updated_at": work.now,
        }
        for quest_id, (allocated, used_more) in sorted(shares.items())
    ]
    work.tx.run_many("save_allocations", rows)


@effect("pay_income")
def pay_income(work: Work, *, pool: str, bucket_tokens: int, keeps_parts: bool = False) -> int:
    """
    Pay the day's income of a pool, unless it was paid; return the tokens paid.

    A pool that was configured pays by its profile; any other pays `bucket_tokens` to its quests by priority. With
    `keeps_parts` what a later payment of the day goes by is kept.
    """
    day = day_of(work.now)
    # Alone in the pool: its settings, its rounds and the impact of its slots are as a replay finds them.
    pools.lock_names(work.tx, [pool], to_clear=True)
    profile = market_settings.configured(work.tx, pool)
    if profile is not None:
        return payday.pay(work, pool=pool, day=day, profile=profile, keeps_parts=keeps_parts)
    shares: list[tuple[str, int]] = work.make_up("shares", lambda: _income_shares(work, pool, bucket_tokens))
    paid = sum(tokens for _, tokens in shares)
    claim = {"pool": pool, "day": day, "bucket_tokens": bucket_tokens, "paid_tokens": paid, "paid_at": work.now}
    # A day on which there is nobody to pay yet is left open.
    work.changed = bool(shares) and work.tx.run("claim_income", **claim) == 1
    if not work.changed:
        return 0
    assert 0 <= paid <= bucket_tokens, "no more is paid than the bucket holds"
    locked = wallets.lock(work.tx, [ISSUANCE, *(account_id for account_id, _ in shares)])
    reason = f"income {pool} {day}"
    wallets.transfer(work, locked, [Move(ISSUANCE, account_id, tokens, reason) for account_id, tokens in shares])
    earners = sorted({account_id for account_id, _ in shares})
    holds.resume(work.tx, [locked[account_id] for account_id in earners])
    wallets.save(work.tx, locked.values())
    if keeps_parts:
        _keep_parts(work, pool, day, shares)
    return paid


def _keep_parts(work: Work, pool: str, day: str, shares: list[tuple[str, int]]) -> None:
    priorities = work.make_up("priorities", lambda: _priorities(work, pool))
    parts = Counter(dict.fromkeys(priorities, 0))
    for account_id, tokens in shares:
        parts[account_id] += tokens
    assert parts.total() == sum(tokens for _, tokens in shares), "each part is kept once"
    payday.keep_parts(work.tx, pool, day, priorities, parts)


def _priorities(work: Work, pool: str) -> dict[str, dict[str, int]]:
    return payday.priorities_of(work.tx.rows("earners_of_pool", pool=pool), per_owner=False)


def _income_shares(work: Work, pool: str, bucket_tokens: int) -> list[tuple[str, int]]:
    quests = {row["quest_id"]: row for row in work.tx.rows("quests_at_work", pool=pool)}
    bucket = min(bucket_tokens, MOST_TOKENS - work.tx.values("issued_tokens")[0])
    assert 0 <= bucket <= bucket_tokens, "supply bounds the bucket"
    split = proportional_split(bucket, {name: quest["priority"] for name, quest in quests.items()})
    return [(quests[name]["account_id"], tokens) for name, tokens in split.items() if tokens > 0]

"""Values the backlog: ranks its tasks, bids for them, and keeps the proportional split."""

from __future__ import annotations

from datetime import datetime

from scidex import settings as _settings
from scidex.bidding import strategy_named
from scidex.exchange import arguments as checked
from scidex.exchange.income import budget
from scidex.exchange.quests import submission, troubles
from scidex.records import Allocation, Bid, QuestTrouble, ScoredTask
from scidex.store import Database
from scidex.store.db_writes import execute_journaled

__all__ = ["get_quest_budget_allocation", "list_quest_troubles", "score_all", "submit_bids_for_tasks"]


def score_all(now: datetime | None = None, *, db: Database | None = None) -> list[ScoredTask]:
    """Return every active quest's unblocked tasks, the highest expected value first; nothing is written or spent."""
    database = checked.database(db)
    moment = checked.moment(now, database)
    with database.reading() as tx:
        return [ScoredTask(rank=place, **row) for place, row in enumerate(tx.rows("ranked_tasks", now=moment), start=1)]


def submit_bids_for_tasks(
    now: datetime | None = None,
    strategy: str | None = "clamp",
    *,
    pool: str | None = None,
    db: Database | None = None,
) -> list[Bid]:
    """
    Bid for every active quest's unblocked tasks in `pool` (in all pools unless given), in one write; return the bids.

    `clamp` bids clamp(0.6 × expected value in tokens, 0, wallet / open tasks): the wallet is its balance less what the
    slots it won hold, open tasks are the unblocked ones without a slot, in all pools, and a bid of 0 is not placed.
    With None each quest bids by the strategy that it chose or else its market's, as a cycle does, and pacing adapts.
    What else the market is set to (calibration, the rank cap) holds in both cases. USD become tokens by the setting
    `tokens_per_usd`. Each quest stands for itself: its bids that stand are amended where they changed, and cancelled
    where it no longer bids for the task or the wallet does not cover them. What was bid by hand stays, and where it
    leaves less than the others need, the best tasks bid. Returns all that stand. Raises UnknownStrategy, UnknownPool.
    """
    if strategy is not None:
        strategy_named(checked.identifier(strategy, "strategy"))
    given = _settings.from_environment()
    arguments = {
        "strategy": strategy,
        "pool": None if pool is None else checked.identifier(pool, "pool"),
        "tokens_per_usd": given.tokens_per_usd,
        "bid_hours": given.bid_hours,
        "most_open_bids": given.most_open_bids,
        "cycle_seconds": given.cycle_seconds,
        "cancels": True,
    }
    database = checked.database(db)
    return execute_journaled(database, submission.submit_bids, arguments, now=checked.moment(now, database))


def get_quest_budget_allocation(now: datetime | None = None, *, db: Database | None = None) -> list[Allocation]:
    """
    Return the proportional split of the daily bucket, and what each quest has used of its share today.

    The setting `daily_bucket_tokens` is shared by priority over the active quests with open tasks, to the last token;
    days are UTC days. This is what agents go by in the fallback; it moves no tokens.
    """
    bucket = _settings.from_environment().daily_bucket_tokens
    database = checked.database(db)
    moment = checked.moment(now, database)
    with database.reading() as tx:
        return budget.allocations(tx, moment, bucket)


def list_quest_troubles(now: datetime | None = None, *, db: Database | None = None) -> list[QuestTrouble]:
    """
    Return every active quest that has work and cannot bid for any of it, with why and the remedy, by id.

    A quest whose tasks run, or that bids once it is its pool's turn, is in no trouble.
    """
    given = _settings.from_environment()
    database = checked.database(db)
    moment = checked.moment(now, database)
    with database.reading() as tx:
        return troubles.find(tx, moment, tokens_per_usd=given.tokens_per_usd, cycle_seconds=given.cycle_seconds)

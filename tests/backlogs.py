"""A small backlog to tell stories with: quests with wallets, tasks at noon, and agents that do them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from scidex.exchange import backlog, services, token_ledger
from scidex.records import Assignment, Finished, Task
from scidex.store import Database
from tests.market import NOON

JUDGE = "evaluator:ci"


def quest(db: Database, quest_id: str = "q1", tokens: int = 0, **terms: Any) -> str:
    """Add a quest with so many tokens at noon; return its wallet's id."""
    added = backlog.add_quest(quest_id, **{"now": NOON, **terms}, db=db)
    if tokens:
        token_ledger.mint(added.account_id, tokens, now=NOON, db=db)
    return added.account_id


def task(db: Database, task_id: str, usd: float = 10.0, quest_id: str = "q1", **terms: Any) -> Task:
    """Add a task that claims to be worth so many USD, at noon."""
    return backlog.add_task(task_id, quest_id, expected_value_usd=usd, **{"now": NOON, **terms}, db=db)


def agents(db: Database, *agent_ids: str) -> None:
    """Open accounts for agents, and for the evaluator that judges their work."""
    for agent_id in agent_ids:
        token_ledger.create_account(agent_id, now=NOON, db=db)
    token_ledger.create_account(JUDGE, kind="evaluator", now=NOON, db=db)


def task_status(db: Database, task_id: str) -> str:
    """Where a task stands."""
    return backlog.get_task(task_id, db=db).status


def statuses(db: Database) -> dict[str, str]:
    """Where every task stands."""
    return {one.task_id: one.status for one in backlog.list_tasks(db=db)}


def run(db: Database, work: Assignment, impact: float | None = None, at: datetime = NOON, **result: Any) -> Finished:
    """Start an assignment and finish it, its impact attested by the judge where it has one."""
    services.start(work, now=at, db=db)
    terms = {"succeeded": True, "actual_cost_tokens": 100, "attested_by": None if impact is None else JUDGE, **result}
    return services.finish(work, actual_impact=impact, now=at, db=db, **terms)

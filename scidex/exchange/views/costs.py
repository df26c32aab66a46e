"""Adding up what runs cost: what is known is summed, what is not known is counted, and neither passes for the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from math import fsum
from typing import Any

from scidex.records import CostGroup, CostReport, TaskCost
from scidex.store.database import Row, Transaction

_GIVEN_BACK = ("voided", "given_back")


def report(tx: Transaction, since: datetime, until: datetime, charged_usd: float | None, by: str | None) -> CostReport:
    """Return what the runs that ended after `since` and not after `until` cost."""
    runs = tx.rows("runs_ended", since_at=since, until_at=until)
    pulls = tx.rows("pull_requests_of_runs_ended", since_at=since, until_at=until)
    tasks = [task_cost(task_id, list(group)) for task_id, group in groupby(runs, key=lambda run: run["task_id"])]
    merged = sum(pull["merged"] for pull in pulls)
    cost = _usd(runs)
    return CostReport(
        since_at=since,
        until_at=until,
        runs=len(runs),
        runs_unknown=sum(run["cost_usd"] is None for run in runs),
        tasks_dispatched=len(tasks),
        tasks_done=_tasks_done(runs),
        tokens=_tokens(runs),
        cost_usd=cost,
        **{f"{source}_usd": _usd(runs, cost_provenance=source) for source in ("billed", "reported", "estimated")},
        cost_given_back_usd=_usd([run for run in runs if run["status"] in _GIVEN_BACK]),
        pull_requests=len(pulls),
        pull_requests_merged=merged,
        usd_per_task_dispatched=_per(cost, len(tasks), runs),
        usd_per_merged_pull_request=_per(cost, merged, runs),
        charged_usd=charged_usd,
        unattributed_usd=None if charged_usd is None else charged_usd - cost,
        tasks=tuple(sorted(tasks, key=lambda task: (-task.cost_usd, -task.tokens, task.task_id))),
        groups=() if by is None else groups(runs, by),
    )


# What runs are grouped by, each with the name of a run's group; empty where nobody said.
GROUPS: dict[str, Callable[[Row], str]] = {
    "quest": lambda run: run["quest_id"] or "",
    "agent": lambda run: run["agent_id"],
    "model": lambda run: run["model"] or "",
    "day": lambda run: run["finished_at"].astimezone(UTC).date().isoformat(),
}


def groups(runs: Sequence[Row], by: str) -> tuple[CostGroup, ...]:
    """Return what the runs cost by their quests, agents, models or days: days in order, others the costliest first."""
    parts: dict[str, list[Row]] = {}
    for run in runs:
        parts.setdefault(GROUPS[by](run), []).append(run)
    found = [_group(name, part) for name, part in sorted(parts.items())]
    return tuple(found if by == "day" else sorted(found, key=lambda group: (-group.cost_usd, -group.tokens)))


def _group(name: str, runs: Sequence[Row]) -> CostGroup:
    impacts = [run["actual_impact"] for run in runs if run["actual_impact"] is not None]
    return CostGroup(
        name=name,
        runs=len(runs),
        runs_unknown=sum(run["cost_usd"] is None for run in runs),
        tasks_dispatched=len({run["task_id"] for run in runs}),
        tasks_done=_tasks_done(runs),
        tokens=_tokens(runs),
        cost_usd=_usd(runs),
        impact_usd=fsum(impacts) if impacts else None,
    )


def _tasks_done(runs: Sequence[Row]) -> int:
    return len({run["task_id"] for run in runs if _is_done(run)})


def _is_done(run: Row) -> bool:
    """Whether a run did its task; of one that nobody said how it ended, the task or its impact says so."""
    if run["ending"] is not None:
        return bool(run["ending"] == "succeeded")
    return run["status"] not in _GIVEN_BACK and (run["task_status"] == "done" or (run["actual_impact"] or 0) > 0)


def task_cost(task_id: str, runs: Sequence[Row]) -> TaskCost:
    """Return what the runs of one task used, and what came of them."""
    impacts = [run["actual_impact"] for run in runs if run["actual_impact"] is not None]
    return TaskCost(
        task_id=task_id,
        quest_id=runs[0]["quest_id"],
        runs=len(runs),
        runs_unknown=sum(run["cost_usd"] is None for run in runs),
        tokens=_tokens(runs),
        cost_usd=_usd(runs),
        impact_usd=fsum(impacts) if impacts else None,
    )


def _usd(runs: Sequence[Row], **of: Any) -> float:
    return fsum(run["cost_usd"] for run in runs if run["cost_usd"] is not None and of.items() <= run.items())


def _tokens(runs: Sequence[Row]) -> int:
    # A run that nobody metered may have been settled by a number of whoever settled it.
    known = (run["tokens"] if run["provenance"] else run["actual_cost_tokens"] for run in runs)
    return sum(tokens for tokens in known if tokens is not None)


def _per(cost: float, count: int, runs: Sequence[Row]) -> float | None:
    """Return the cost for each; None where there is none of them, or nothing is known of any cost."""
    return cost / count if count and any(run["cost_usd"] is not None for run in runs) else None

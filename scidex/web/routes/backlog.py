"""The backlog over HTTP: quests, tasks, their ranking, and the proportional split."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from scidex.exchange import backlog, ev_scorer
from scidex.exchange.records import Allocation, Imported, Quest, ScoredTask, Task
from scidex.web import schemas
from scidex.web.dependencies import Db, Limit, Name, router

routes = router("/api", "backlog")

After = Annotated[str, Query(max_length=200, description="Only those whose id comes after this.")]
Wanted = Annotated[str | None, Query(min_length=1, max_length=200)]


@routes.get("/quests", response_model=schemas.Quests)
def list_quests(db: Db, after: After = "", limit: Limit = 100) -> list[Quest]:
    """Return quests in the order of their ids."""
    return backlog.list_quests(after=after, limit=limit, db=db)


@routes.post("/quests", status_code=201, response_model=schemas.Quest)
def add_quest(quest: schemas.NewQuest, db: Db) -> Quest:
    """Add a quest, and open its wallet."""
    return backlog.add_quest(**quest.model_dump(), db=db)


@routes.get("/quests/{quest_id:id}", response_model=schemas.Quest)
def get_quest(quest_id: Name, db: Db) -> Quest:
    """Return a quest."""
    return backlog.get_quest(quest_id, db=db)


@routes.patch("/quests/{quest_id:id}", response_model=schemas.Quest)
def set_quest(quest_id: Name, change: schemas.QuestChange, db: Db) -> Quest:
    """Change a quest's title, priority or status; a paused one neither bids nor earns income."""
    return backlog.set_quest(quest_id, **change.model_dump(), db=db)


@routes.get("/quest-budget-allocations", response_model=schemas.Allocations)
def list_allocations(db: Db) -> list[Allocation]:
    """Return the proportional split of today's bucket, which agents go by in the fallback."""
    return ev_scorer.get_quest_budget_allocation(db=db)


@routes.get("/tasks", response_model=schemas.Tasks)
def list_tasks(
    db: Db,
    quest_id: Wanted = None,
    status: Wanted = None,
    pool: Wanted = None,
    after: After = "",
    limit: Limit = 100,
) -> list[Task]:
    """Return tasks in the order of their ids."""
    return backlog.list_tasks(quest_id=quest_id, status=status, pool=pool, after=after, limit=limit, db=db)


@routes.post("/tasks", status_code=201, response_model=schemas.Task)
def add_task(task: schemas.NewTask, db: Db) -> Task:
    """Add a task to a quest's backlog; it is blocked until all that it depends on is done."""
    return backlog.add_task(**task.model_dump(), db=db)


@routes.put("/tasks", response_model=schemas.Imported)
def put_tasks(given: schemas.Import, db: Db) -> Imported:
    """Add tasks, or change those that are there, all of them or none."""
    return backlog.put_tasks(_as_sent(given.tasks), quests=_as_sent(given.quests), db=db)


@routes.get("/tasks/{task_id:id}", response_model=schemas.Task)
def get_task(task_id: Name, db: Db) -> Task:
    """Return a task."""
    return backlog.get_task(task_id, db=db)


@routes.post("/tasks/{task_id:id}/status", response_model=schemas.Task)
def set_task_status(task_id: Name, to: schemas.NewStatus, db: Db) -> Task:
    """Take a task to another status by hand."""
    return backlog.set_task_status(task_id, to.status, db=db)


@routes.get("/task-ranking", response_model=schemas.ScoredTasks)
def rank_tasks(db: Db) -> list[ScoredTask]:
    """Return the unblocked tasks, the highest expected value first; nothing is spent."""
    return ev_scorer.score_all(db=db)


def _as_sent(items: list[Any]) -> list[dict[str, Any]]:
    return [item.model_dump(exclude_unset=True) for item in items]

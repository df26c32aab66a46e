"""The backlog over HTTP: quests, tasks, their ranking, and the proportional split."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request, Response

from scidex.errors import UnknownTask
from scidex.exchange import backlog, compute_auction, ev_scorer, ownership
from scidex.records import Allocation, Bid, Imported, Principal, Quest, QuestTrouble, ScoredTask, Task
from scidex.store import Database
from scidex.web import schemas
from scidex.web.access import allows
from scidex.web.dependencies import ANY, Before, Db, Limit, Name, Who, router
from scidex.web.paging import link_next

routes = router("/api", "backlog")

After = Annotated[str, Query(max_length=200, description="Only those whose id comes after this.")]
Wanted = Annotated[str | None, Query(min_length=1, max_length=200)]


@routes.get("/quests", response_model=schemas.Quests)
@allows(*ANY)
def list_quests(request: Request, response: Response, db: Db, after: After = "", limit: Limit = 100) -> list[Quest]:
    """Return quests in the order of their ids."""
    found = backlog.list_quests(after=after, limit=limit, db=db)
    return link_next(request, response, found, limit, after=lambda last: last.quest_id)


@routes.post("/quests", status_code=201, response_model=schemas.Quest)
@allows("admin")
def add_quest(quest: schemas.NewQuest, db: Db) -> Quest:
    """Add a quest, and open its wallet."""
    return backlog.add_quest(**quest.model_dump(), db=db)


@routes.get("/quests/{quest_id:id}", response_model=schemas.Quest)
@allows(*ANY)
def get_quest(quest_id: Name, db: Db) -> Quest:
    """Return a quest."""
    return backlog.get_quest(quest_id, db=db)


@routes.patch("/quests/{quest_id:id}", response_model=schemas.Quest)
@allows("bid", "admin")
def set_quest(quest_id: Name, change: schemas.QuestChange, who: Who, db: Db) -> Quest:
    """Change a quest's title, priority or status; a paused one neither bids nor earns income."""
    ownership.check_quest(who, quest_id, "quest_id", db=db)
    if change.priority is not None:
        ownership.check_is_operator(who, "priority")
    return backlog.set_quest(quest_id, **change.model_dump(), db=db)


@routes.put("/quests/{quest_id:id}/floor", response_model=schemas.Quest)
@allows("admin")
def entitle_quest(quest_id: Name, floor: schemas.Entitlement, db: Db) -> Quest:
    """Entitle a quest to the floor of its pools, or end that."""
    return backlog.entitle_quest(quest_id, floor.entitled, db=db)


@routes.get("/quest-budget-allocations", response_model=schemas.Allocations)
@allows(*ANY)
def list_allocations(db: Db) -> list[Allocation]:
    """Return the proportional split of today's bucket, which agents go by in the fallback."""
    return ev_scorer.get_quest_budget_allocation(db=db)


@routes.get("/quest-troubles", response_model=schemas.QuestTroubles)
@allows(*ANY)
def list_quest_troubles(db: Db) -> list[QuestTrouble]:
    """Return every active quest that has work and cannot bid for any of it, with why and the remedy."""
    return ev_scorer.list_quest_troubles(db=db)


@routes.get("/tasks", response_model=schemas.Tasks)
@allows(*ANY)
def list_tasks(
    who: Who,
    request: Request,
    response: Response,
    db: Db,
    quest_id: Wanted = None,
    status: Wanted = None,
    pool: Wanted = None,
    source: Wanted = None,
    after: After = "",
    limit: Limit = 100,
) -> list[Task]:
    """Return tasks in the order of their ids; their payloads are for their quest and for operators."""
    wanted = {"quest_id": quest_id, "status": status, "pool": pool, "source": source}
    found = backlog.list_tasks(**wanted, after=after, limit=limit, db=db)
    link_next(request, response, found, limit, after=lambda last: last.task_id)
    return _as_seen(who, found, db)


@routes.post("/tasks", status_code=201, response_model=schemas.Task)
@allows("bid", "admin")
def add_task(task: schemas.NewTask, who: Who, db: Db) -> Task:
    """Add a task to a quest's backlog; it is blocked until all that it depends on is done."""
    ownership.check_quest(who, task.quest_id, "quest_id", db=db)
    return backlog.add_task(**task.model_dump(), db=db)


@routes.put("/tasks", response_model=schemas.Imported)
@allows("bid", "admin")
def put_tasks(given: schemas.Import, who: Who, db: Db) -> Imported:
    """Add tasks, or change those that are there, all of them or none."""
    if given.quests:
        ownership.check_is_operator(who, "quests")
    if not who.is_operator:
        for place, task in enumerate(given.tasks):
            _check_acts_on_task(who, task.task_id, task.quest_id, f"tasks[{place}].quest_id", db)
    return backlog.put_tasks(_as_sent(given.tasks), quests=_as_sent(given.quests), db=db)


@routes.get("/tasks/{task_id:id}", response_model=schemas.Task)
@allows(*ANY)
def get_task(task_id: Name, who: Who, db: Db) -> Task:
    """Return a task; its payload is for its quest and for operators."""
    return _as_seen(who, [backlog.get_task(task_id, db=db)], db)[0]


@routes.post("/tasks/{task_id:id}/status", response_model=schemas.Task)
@allows("bid", "admin")
def set_task_status(task_id: Name, to: schemas.NewStatus, who: Who, db: Db) -> Task:
    """Take a task to another status by hand."""
    ownership.check_quest(who, backlog.get_task(task_id, db=db).quest_id, "task_id", db=db)
    return backlog.set_task_status(task_id, to.status, reason=to.reason, db=db)


@routes.post("/tasks/{task_id:id}/written-back", response_model=schemas.Task)
@allows("bid", "admin")
def note_written_back(task_id: Name, who: Who, db: Db) -> Task:
    """Note that a task's end was written back to its source."""
    ownership.check_quest(who, backlog.get_task(task_id, db=db).quest_id, "task_id", db=db)
    return backlog.note_written_back(task_id, db=db)


@routes.get("/tasks/{task_id:id}/bids", response_model=schemas.Bids)
@allows(*ANY)
def list_task_bids(
    task_id: Name, request: Request, response: Response, db: Db, before: Before = None, limit: Limit = 100
) -> list[Bid]:
    """Return the bids for a task, newest first."""
    found = compute_auction.list_task_bids(task_id, before=before, limit=limit, db=db)
    return link_next(request, response, found, limit, before=lambda last: last.id)


@routes.get("/task-ranking", response_model=schemas.ScoredTasks)
@allows(*ANY)
def rank_tasks(db: Db) -> list[ScoredTask]:
    """Return the unblocked tasks, the highest expected value first; nothing is spent."""
    return ev_scorer.score_all(db=db)


def _check_acts_on_task(who: Principal, task_id: str, quest_id: str, field: str, db: Database) -> None:
    """Make sure that both the quest that a task is in and the one that it is to be in are the principal's."""
    ownership.check_quest(who, quest_id, field, db=db)
    try:
        known = backlog.get_task(task_id, db=db)
    except UnknownTask:
        return
    ownership.check_quest(who, known.quest_id, field, db=db)


def _as_seen(who: Principal, tasks: list[Task], db: Database) -> list[Task]:
    """Return tasks without the payloads that are for others."""
    if who.is_operator:
        return tasks
    own = {quest_id: backlog.get_quest(quest_id, db=db).account_id for quest_id in {task.quest_id for task in tasks}}
    return [task if own[task.quest_id] == who.account_id else task._replace(payload={}) for task in tasks]


def _as_sent(items: list[Any]) -> list[dict[str, Any]]:
    return [item.model_dump(exclude_unset=True) for item in items]

"""The backlog: quests with a wallet each, and the tasks they bid for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from scidex.errors import InvalidArgument, InvalidId, ScidexError, TasksRefused
from scidex.exchange import arguments as checked
from scidex.exchange.quests import backlog, fields
from scidex.records import Imported, Quest, Task
from scidex.settings import DEFAULT_POOL
from scidex.store import Database
from scidex.store.db_writes import execute_journaled

__all__ = [
    "add_quest",
    "add_task",
    "count_tasks",
    "entitle_quest",
    "get_quest",
    "get_task",
    "get_titles",
    "list_quests",
    "list_tasks",
    "note_written_back",
    "put_tasks",
    "set_quest",
    "set_task_status",
]

TASK_STATUSES = ("open", "blocked", "running", "done", "failed", "held")
_QUEST_STATUSES = ("active", "paused")
_MOST_TASKS_AT_ONCE = 100_000
_MOST_PAGE = 10_000

Result = TypeVar("Result")


def add_quest(
    quest_id: str,
    title: str = "",
    *,
    priority: int = 1,
    strategy: str = "market",
    owner_id: str | None = None,
    account_id: str | None = None,
    now: datetime | None = None,
    db: Database | None = None,
) -> Quest:
    """
    Add a quest, and open its wallet, `quest:<quest_id>` unless another is named, where that is missing.

    `priority` is its share of the daily bucket beside that of the others; it bids by `strategy`, or by that of its
    market. Raises QuestExists, InvalidId, InvalidArgument.
    """
    arguments = {
        **fields.quest_of({"quest_id": quest_id, "title": title, "priority": priority, "strategy": strategy}),
        "owner_id": None if owner_id is None else checked.outsider(owner_id, "owner_id"),
        "account_id": None if account_id is None else checked.outsider(account_id, "account_id"),
    }
    if account_id is None:
        checked.identifier(f"quest:{quest_id}", "quest_id")
    return _journaled(db, backlog.add_quest, arguments, now)


def set_quest(
    quest_id: str,
    *,
    title: str | None = None,
    priority: int | None = None,
    status: str | None = None,
    strategy: str | None = None,
    now: datetime | None = None,
    db: Database | None = None,
) -> Quest:
    """
    Change a quest; one whose status is `paused` neither bids nor earns income.

    It bids by `strategy`; `market` is that of its market. Raises UnknownQuest, InvalidArgument.
    """
    given = {"quest_id": quest_id, "title": title, "priority": priority, "strategy": strategy}
    arguments = fields.quest_of({name: value for name, value in given.items() if value is not None})
    arguments["status"] = None if status is None else checked.choice(status, "status", _QUEST_STATUSES)
    return _journaled(db, backlog.set_quest, arguments, now)


def entitle_quest(
    quest_id: str, entitled: bool = True, *, now: datetime | None = None, db: Database | None = None
) -> Quest:
    """
    Entitle a quest to the floor of its pools, or end that: for the operator, who answers for what it takes of them.

    Where a pool's profile has a floor, an entitled quest with an open task gets a slot of the treasury's at price 0
    when it has had none for so many rounds. Raises UnknownQuest, InvalidArgument.
    """
    if type(entitled) is not bool:
        raise InvalidArgument(field="entitled", value=entitled, fact="must be True or False")
    arguments = {"quest_id": checked.identifier(quest_id, "quest_id"), "entitled": entitled}
    return _journaled(db, backlog.entitle_quest, arguments, now)


def get_quest(quest_id: str, *, db: Database | None = None) -> Quest:
    """Return a quest. Raises UnknownQuest."""
    with checked.database(db).reading() as tx:
        return backlog.known_quest(tx, checked.identifier(quest_id, "quest_id"))


def list_quests(*, after: str = "", limit: int = 1_000, db: Database | None = None) -> list[Quest]:
    """Return quests in the order of their ids, those past `after`, at most `limit` (1 to 10,000)."""
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    with checked.database(db).reading() as tx:
        return [backlog.as_quest(row) for row in tx.rows("quests_page", after=_filter(after, "after"), page=page)]


def add_task(
    task_id: str,
    quest_id: str,
    title: str = "",
    *,
    expected_value_usd: float = 0.0,
    estimated_cost_tokens: int | None = None,
    depends_on: Iterable[str] = (),
    pool: str = DEFAULT_POOL,
    payload: Mapping[str, Any] | None = None,
    deadline_at: datetime | None = None,
    now: datetime | None = None,
    db: Database | None = None,
) -> Task:
    """
    Add a task to a quest's backlog; it is blocked until all that it depends on is done.

    `expected_value_usd` is what the quest claims it is worth, `payload` a JSON object that says how to run it; after
    `deadline_at` nobody bids for it or runs it. Raises TaskExists, UnknownQuest, UnknownPool, UnknownDependency,
    DependencyCycle, InvalidId, InvalidAmount, InvalidTime, InvalidArgument.
    """
    task = fields.task_of(
        {
            "task_id": task_id,
            "quest_id": quest_id,
            "title": title,
            "expected_value_usd": expected_value_usd,
            "estimated_cost_tokens": estimated_cost_tokens,
            "depends_on": depends_on,
            "pool": pool,
            "payload": {} if payload is None else payload,
            "deadline_at": deadline_at,
        }
    )
    database = checked.database(db)
    try:
        _journaled(database, backlog.put_tasks, {"quests": [], "tasks": [task], "new_only": True}, now)
    except TasksRefused as refused:
        raise refused.errors[0] from None
    return get_task(task_id, db=database)


def put_tasks(
    tasks: Iterable[Mapping[str, Any]],
    *,
    quests: Iterable[Mapping[str, Any]] = (),
    now: datetime | None = None,
    db: Database | None = None,
) -> Imported:
    """
    Add tasks, or change those that are there, given by add_task's argument names, all of them or none.

    What is left out stays as it is. A task may say its `status` elsewhere: `done` and `failed` end it, `running` and
    `held` (with a `status_reason`) keep the market off it, `open` opens it again where its source had ended or held it.
    What this market has running, or has ended or held, keeps its status, though a source may still end it. A task whose
    `kind` is `group` is listed, never bid for or run. `quests` (of quest_id, title, priority, strategy) are put
    first. Raises TasksRefused, whose `errors` has the error of each refused task by its index, and InvalidArgument for
    what is no list of at most 100,000 tasks.
    """
    asked = [fields.quest_of(quest) for quest in _listed(quests, "quests")]
    requests: list[dict[str, Any]] = []
    errors: dict[int, ScidexError] = {}
    seen: set[str] = set()
    for index, task in enumerate(_listed(tasks, "tasks")):
        try:
            requests.append(fields.task_of(task))
            if requests[-1]["task_id"] in seen:
                raise InvalidId(field="task_id", value=requests[-1]["task_id"], fact="must not appear twice")
            seen.add(requests[-1]["task_id"])
        except ScidexError as error:
            errors[index] = error
    if errors:
        raise TasksRefused(errors=errors)
    return _journaled(db, backlog.put_tasks, {"quests": asked, "tasks": requests, "new_only": False}, now)


def get_task(task_id: str, *, db: Database | None = None) -> Task:
    """Return a task. Raises UnknownTask."""
    with checked.database(db).reading() as tx:
        return backlog.known_task(tx, checked.identifier(task_id, "task_id"))


def list_tasks(
    *,
    quest_id: str | None = None,
    status: str | None = None,
    pool: str | None = None,
    source: str | None = None,
    after: str = "",
    limit: int = 1_000,
    db: Database | None = None,
) -> list[Task]:
    """Return tasks in the order of their ids, those past `after`, at most `limit` (1 to 10,000)."""
    wanted = {
        "quest_id": "" if quest_id is None else checked.identifier(quest_id, "quest_id"),
        "pool": "" if pool is None else checked.identifier(pool, "pool"),
        "after": _filter(after, "after"),
    }
    statement = "tasks_page"
    if status is not None:
        statement = "tasks_in_state_page"
        wanted["status"] = checked.choice(status, "status", TASK_STATUSES)
    if source is not None:
        statement = "tasks_of_source_page"
        wanted = {"status": "", **wanted, "source": checked.identifier(source, "source")}
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    with checked.database(db).reading() as tx:
        return backlog.as_tasks(tx, tx.rows(statement, **wanted, page=page))


def note_written_back(task_id: str, *, now: datetime | None = None, db: Database | None = None) -> Task:
    """
    Note that a task's end was written back to its source, so that this is done once; running it again forgets that.

    Raises UnknownTask.
    """
    return _journaled(db, backlog.note_written_back, {"task_id": checked.identifier(task_id, "task_id")}, now)


def get_titles(task_ids: Iterable[str], *, db: Database | None = None) -> dict[str, str]:
    """Return the titles of those of these tasks that the backlog knows, by task id."""
    names = sorted({checked.identifier(task_id, "task_ids") for task_id in _listed(task_ids, "task_ids")})
    with checked.database(db).reading() as tx:
        return {row["task_id"]: row["title"] for row in tx.rows("tasks_named", task_ids=names)}


def count_tasks(*, db: Database | None = None) -> dict[str, dict[str, int]]:
    """Return how many tasks each quest has in each status that any of them is in."""
    counts: dict[str, dict[str, int]] = {}
    with checked.database(db).reading() as tx:
        for row in tx.rows("task_counts"):
            counts.setdefault(row["quest_id"], {})[row["status"]] = row["tasks"]
    return counts


def set_task_status(
    task_id: str, status: str, *, reason: str = "", now: datetime | None = None, db: Database | None = None
) -> Task:
    """
    Take a task to `open`, `running`, `done`, `failed` or `held` by hand, and move the bids for it and its dependents.

    A task that is opened again is blocked where it waits for another; one that is held is neither bid for nor run until
    it is opened, and `reason` says why. Raises UnknownTask, TaskStepNotAllowed, InvalidArgument, and TaskHoldsSlot for
    one that has a slot or was given out.
    """
    arguments = {
        "task_id": checked.identifier(task_id, "task_id"),
        "status": checked.choice(status, "status", fields.SET_BY_HAND),
        "reason": checked.text(reason, "reason"),
    }
    return _journaled(db, backlog.set_task_status, arguments, now)


def _journaled(
    db: Database | None, what: Callable[..., Result], arguments: dict[str, Any], now: datetime | None
) -> Result:
    moment = None if now is None else checked.instant(now, "now")
    return execute_journaled(checked.database(db), what, arguments, now=moment)


def _listed(given: Any, field: str) -> list[Any]:
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise InvalidArgument(field=field, value=given, fact="must be a list")
    items = list(given)
    if len(items) > _MOST_TASKS_AT_ONCE:
        raise InvalidArgument(field=field, value=len(items), fact=f"must be at most {_MOST_TASKS_AT_ONCE}")
    return items


def _filter(value: Any, field: str) -> str:
    return checked.identifier(value, field) if value != "" else ""

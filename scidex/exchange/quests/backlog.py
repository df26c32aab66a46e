"""Keeping the backlog: what its verbs do inside their transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from scidex.errors import (
    DependencyCycle,
    InvalidArgument,
    QuestExists,
    ScidexError,
    TaskExists,
    TaskHoldsSlot,
    TasksRefused,
    TaskStepNotAllowed,
    UnknownDependency,
    UnknownPool,
    UnknownQuest,
    UnknownTask,
)
from scidex.exchange.book import pools as books
from scidex.exchange.quests import states
from scidex.mechanism.dependencies import find_cycle
from scidex.mechanism.lifecycle import TASK_STEPS, may_step
from scidex.records import Imported, Quest, Task
from scidex.settings import DEFAULT_POOL
from scidex.store.database import Row, Transaction
from scidex.store.db_writes import Work, effect

Request = dict[str, Any]

_NEW_TASK: Request = {
    "title": "",
    "expected_value_usd": 0.0,
    "estimated_cost_tokens": None,
    "payload": {},
    "pool": DEFAULT_POOL,
    "deadline_at": None,
    "depends_on": (),
    "kind": "task",
    "source": "",
}
_SAVED = ("quest_id", "title", "priority", "status", "strategy")
_QUEST_KINDS = ("quest", "agent", "worker")
# What a backlog's own word may still make of a task whose state the market or an operator gave it.
_MAY_FOLLOW = {"done": (), "failed": ("done",), "running": ("open", "done", "failed"), "held": ("done", "failed")}


@effect("add_quest")
def add_quest(
    work: Work,
    *,
    quest_id: str,
    title: str,
    priority: int,
    owner_id: str | None,
    account_id: str | None,
    strategy: str = "market",
) -> Quest:
    """Add a quest, and open its wallet where that is missing."""
    quest = Quest(quest_id, title, account_id or f"quest:{quest_id}", priority, "active", work.now, strategy)
    _open_wallet(work, quest.account_id, owner_id)
    if not work.tx.run("add_quest", **quest._asdict()):
        raise QuestExists(field="quest_id", quest_id=quest_id)
    return quest


@effect("set_quest")
def set_quest(work: Work, *, quest_id: str, **given: Any) -> Quest:
    """Change a quest's title, priority, status or strategy."""
    quest = known_quest(work.tx, quest_id)
    changed = quest._replace(**{name: value for name, value in given.items() if value is not None})
    work.tx.run("save_quests", **{name: getattr(changed, name) for name in _SAVED})
    work.changed = changed != quest
    return changed


@effect("entitle_quest")
def entitle_quest(work: Work, *, quest_id: str, entitled: bool) -> Quest:
    """Say whether the floor serves a quest that has waited long."""
    tx = work.tx
    known_quest(tx, quest_id)
    # Alone in every pool: a round goes by what it read of this when it began.
    books.lock_pools(tx, [row["pool"] for row in tx.rows("all_pools")], to_clear=True)
    work.changed = tx.run("entitle_quest", quest_id=quest_id, floor_entitled=int(entitled)) == 1
    return known_quest(tx, quest_id)


@effect("put_tasks")
def put_tasks(work: Work, *, quests: list[Request], tasks: list[Request], new_only: bool) -> Imported:
    """Add tasks, or change those that are there, all of them or none, and before them the quests that are missing."""
    tx = work.tx
    tx.lock([states.BACKLOG], shared=False)
    quests_changed = [_put_quest(work, quest) for quest in quests]
    ids = [task["task_id"] for task in tasks]
    standing = known_tasks(tx, ids)
    if new_only and standing:
        raise TaskExists(field="task_id", task_id=min(standing))
    held = set(tx.values("tasks_held", task_ids=list(standing)))
    terms = {task["task_id"]: _terms(work, task, standing.get(task["task_id"]), held) for task in tasks}
    _check(tx, tasks, terms)
    added = [task for task_id, task in terms.items() if task_id not in standing]
    updated = [task for task_id, task in terms.items() if task_id in standing and task != standing[task_id]]
    _write(work, added, updated, standing)
    work.changed = bool(added or updated or any(quests_changed))
    return Imported(len(added), len(updated), len(terms) - len(added) - len(updated))


@effect("set_task_status")
def set_task_status(work: Work, *, task_id: str, status: str, reason: str = "") -> Task:
    """Take a task to another state by hand."""
    tx = work.tx
    states.lock(tx, [task_id])
    present = known_task(tx, task_id).status
    if present == status:
        work.changed = False
        return known_task(tx, task_id)
    if tx.values("tasks_held", task_ids=[task_id]):
        raise TaskHoldsSlot(field="status", task_id=task_id, status=present)
    # What is blocked waits for another task, whatever anyone says of it.
    if (present == "blocked" and status == "open") or not may_step(TASK_STEPS, present, status):
        raise TaskStepNotAllowed(field="status", task_id=task_id, status=present, to=status)
    states.set_status(work, task_id, status, reason=reason)
    return known_task(tx, task_id)


@effect("note_written_back")
def note_written_back(work: Work, *, task_id: str) -> Task:
    """Note that a task's end was written back to its source."""
    states.lock(work.tx, [task_id])
    known_task(work.tx, task_id)
    work.changed = work.tx.run("note_written_back", task_id=task_id, now=work.now) == 1
    return known_task(work.tx, task_id)


def known_quest(tx: Transaction, quest_id: str) -> Quest:
    """Return a quest. Raises UnknownQuest."""
    row = tx.row("quests_named", quest_ids=[quest_id])
    if row is None:
        raise UnknownQuest(field="quest_id", quest_id=quest_id)
    return as_quest(row)


def as_quest(row: Row) -> Quest:
    """Return a row of the backlog as a quest."""
    return Quest(**{**row, "floor_entitled": bool(row["floor_entitled"])})


def known_task(tx: Transaction, task_id: str) -> Task:
    """Return a task. Raises UnknownTask."""
    found = known_tasks(tx, [task_id])
    if not found:
        raise UnknownTask(field="task_id", task_id=task_id)
    return found[task_id]


def known_tasks(tx: Transaction, task_ids: Iterable[str]) -> dict[str, Task]:
    """Return those of these tasks that the backlog knows, by id."""
    return {task.task_id: task for task in as_tasks(tx, tx.rows("tasks_named", task_ids=list(task_ids)))}


def as_tasks(tx: Transaction, rows: list[dict[str, Any]]) -> list[Task]:
    """Return rows of the backlog as tasks, with what they wait for."""
    waits: dict[str, list[str]] = {row["task_id"]: [] for row in rows}
    for edge in tx.rows("dependencies_of", task_ids=list(waits)):
        waits[edge["task_id"]].append(edge["depends_on"])
    return [
        Task(**{**row, "payload": json.loads(row["payload"]), "depends_on": tuple(waits[row["task_id"]])})
        for row in rows
    ]


def _open_wallet(work: Work, account_id: str, owner_id: str | None) -> None:
    work.tx.run(
        "add_account", account_id=account_id, kind="quest", owner_id=owner_id or account_id, created_at=work.now
    )
    account = work.tx.rows("account", account_id=account_id)[0]
    if account["kind"] not in _QUEST_KINDS:
        raise InvalidArgument(field="account_id", value=account_id, fact=f"must not be of kind {account['kind']}")
    if owner_id is not None and account["owner_id"] != owner_id:
        raise InvalidArgument(field="owner_id", value=owner_id, fact="is not the owner of the quest's account")


def _put_quest(work: Work, quest: Request) -> bool:
    """Add a quest or change it, and return whether anything changed."""
    known = work.tx.row("quests_named", quest_ids=[quest["quest_id"]])
    if known is None:
        given = {"title": "", "priority": 1, **quest}
        add_quest(work, **given, owner_id=None, account_id=None)
        return True
    set_quest(work, **quest)
    return work.changed


def _terms(work: Work, asked: Request, stands: Task | None, held: set[str]) -> Task:
    """Return a task as it is to be: what is asked of it, and for the rest as it stands."""
    given = {name: value for name, value in asked.items() if name not in ("status", "status_reason", "depends_on")}
    given |= {"depends_on": tuple(asked["depends_on"])} if "depends_on" in asked else {}
    given |= {"payload": json.loads(asked["payload"])} if "payload" in asked else {}
    wish = asked.get("status")
    if stands is None:
        return Task(
            **{**_NEW_TASK, **given},
            status=wish or "open",
            status_reason=asked.get("status_reason", ""),
            status_by="source" if wish else "market",
            attempts=0,
            created_at=work.now,
            updated_at=work.now,
        )
    changed = stands._replace(**given)
    if wish is None or not _may_become(stands, wish, has_slot=stands.task_id in held):
        return changed
    return changed._replace(status=wish, status_reason=asked.get("status_reason", ""), status_by="source")


def _may_become(stands: Task, wish: str, *, has_slot: bool) -> bool:
    """Return whether a backlog's own word gives a task another state, or another reason for being held."""
    if has_slot or (wish == "open" and stands.status in ("open", "blocked")):
        return False
    if stands.status in ("open", "blocked") or stands.status_by == "source":
        return True
    return wish in _MAY_FOLLOW[stands.status]


def _check(tx: Transaction, tasks: list[Request], terms: dict[str, Task]) -> None:
    quests = {task.quest_id for task in terms.values()}
    pools = {task.pool for task in terms.values()}
    wanted = {name for task in terms.values() for name in task.depends_on} - terms.keys()
    known = _Known(
        {row["quest_id"] for row in tx.rows("quests_named", quest_ids=list(quests))},
        {row["pool"] for row in tx.rows("pools_named", pools=list(pools))},
        {row["task_id"] for row in tx.rows("tasks_named", task_ids=list(wanted))} | terms.keys(),
    )
    errors = {
        index: error
        for index, task in enumerate(tasks)
        if (error := known.fault_of(terms[task["task_id"]])) is not None
    }
    if not errors and (circle := find_cycle(_edges(tx, terms))):
        index = next(index for index, task in enumerate(tasks) if task["task_id"] in circle)
        errors[index] = DependencyCycle(field="depends_on", task_ids=tuple(circle))
    if errors:
        raise TasksRefused(errors=errors)


class _Known:
    """The names that tasks may refer to."""

    def __init__(self, quests: set[str], pools: set[str], tasks: set[str]) -> None:
        self.quests = quests
        self.pools = pools
        self.tasks = tasks

    def fault_of(self, task: Task) -> ScidexError | None:
        """Return what a task refers to that does not exist, as an error."""
        if task.quest_id not in self.quests:
            return UnknownQuest(field="quest_id", quest_id=task.quest_id)
        if task.pool not in self.pools:
            return UnknownPool(field="pool", pool=task.pool)
        missing = [name for name in task.depends_on if name not in self.tasks]
        if missing:
            return UnknownDependency(field="depends_on", task_id=task.task_id, depends_on=missing[0])
        return None


def _edges(tx: Transaction, terms: dict[str, Task]) -> dict[str, tuple[str, ...]]:
    """Return what each of the tasks waits for, directly or not, as it is to be."""
    edges = {task_id: task.depends_on for task_id, task in terms.items()}
    frontier = {name for names in edges.values() for name in names} - edges.keys()
    while frontier:
        found: dict[str, list[str]] = {name: [] for name in frontier}
        for row in tx.rows("dependencies_of", task_ids=sorted(frontier)):
            found[row["task_id"]].append(row["depends_on"])
        edges |= {name: tuple(names) for name, names in found.items()}
        frontier = {name for names in found.values() for name in names} - edges.keys()
    return edges


def _write(work: Work, added: list[Task], updated: list[Task], standing: dict[str, Task]) -> None:
    tx = work.tx
    touched = [task.task_id for task in (*added, *updated)]
    ended = [task.task_id for task in updated if (task.status == "done") != (standing[task.task_id].status == "done")]
    moving = sorted({*touched, *tx.values("dependents_of", task_ids=ended)})
    # Alone in every book with bids for these tasks: a lock a task would be too many for a large import.
    books.lock_pools(tx, tx.values("pools_with_bids_for", task_ids=moving), to_clear=True)
    tx.run_many("insert_tasks", [_stored(task, work.now) for task in added])
    tx.run_many("save_tasks", [_stored(task, work.now) for task in updated])
    rewired = [t for t in updated if t.depends_on != standing[t.task_id].depends_on]
    tx.run("drop_dependencies", task_ids=[task.task_id for task in rewired])
    edges = [{"task_id": t.task_id, "depends_on": name} for t in (*added, *rewired) for name in t.depends_on]
    tx.run_many("insert_dependencies", edges)
    states.follow(work, moving)


def _stored(task: Task, now: datetime) -> Row:
    names = ("depends_on", "attempts", "written_back_at")
    row = {name: value for name, value in task._asdict().items() if name not in names}
    return {**row, "payload": _written(task.payload), "updated_at": now}


def _written(payload: dict[str, Any]) -> str:
    return json.dumps(payload, sort_keys=True, separators=(",", ":"))

"""What the open bids of a wallet set aside, and which open bids may compete as tasks and wallets change."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from itertools import groupby

from scidex.exchange.book.pools import RESTING, lock_pools
from scidex.mechanism.eligibility import SUPERSEDED, TASK_RUNNING
from scidex.mechanism.lifecycle import TASK_STATES_THAT_BAR
from scidex.store.database import Row, Transaction

SUSPENDED = "suspended"


# Tasks share locks, so that no transaction takes more of them than the server's table of locks has room for.
_TASK_LOCKS = 1024


def lock_tasks(tx: Transaction, task_ids: Iterable[str], *, shared: bool = False) -> None:
    """
    Let nobody else change which bids for these tasks may compete, until the transaction ends.

    With `shared`, others may look at these tasks as well, and nobody may change them.
    """
    tx.lock(_lock_names(task_ids), shared=shared)


def lock_name(task_id: str) -> str:
    """Return the name of the lock of a task, which sorts behind those of the pools."""
    return _name_of(_number_of(task_id))


def _lock_names(task_ids: Iterable[str]) -> Iterator[str]:
    # Only when they are asked for, which SQLite does not; and each once, as a round may have very many tasks.
    yield from map(_name_of, set(map(_number_of, task_ids)))


def _number_of(task_id: str) -> int:
    return zlib.crc32(task_id.encode()) % _TASK_LOCKS


def _name_of(number: int) -> str:
    return f"tasks {number}"


def barred_tasks(tx: Transaction, task_ids: Iterable[str]) -> dict[str, str]:
    """Return those of the tasks whose bids may not compete, with the reason: blocked, done, failed or running."""
    states, live = tx.gather(bar_calls(task_ids))
    return read_bars(states, live)


def bar_calls(task_ids: Iterable[str]) -> list[tuple[str, Row]]:
    """Return the statements that tell which tasks are barred, for a caller that has more to ask in one round trip."""
    names = {"task_ids": list(set(task_ids))}
    return [("tasks_that_bar", names), ("live_tasks", names)]


def read_bars(states: Iterable[Row], live: Iterable[Row]) -> dict[str, str]:
    """Return the barred tasks with their reasons from the rows that `bar_calls` answered."""
    barred = {row["task_id"]: reason for row in states if (reason := bar_of(row["status"], live=False))}
    return barred | {row["winning_task_id"]: TASK_RUNNING for row in live}


def bar_of(status: str | None, *, live: bool) -> str:
    """Return why bids for a task may not compete, or nothing: its state in the backlog, and whether it holds a slot."""
    return TASK_RUNNING if live else TASK_STATES_THAT_BAR.get(status or "", "")


def lock_for_change_of(tx: Transaction, task_ids: Iterable[str], *, pools: Iterable[str] = ()) -> None:
    """Lock tasks, and before them the pools in which bids for them are open, so that all those bids may be moved."""
    names = list(set(task_ids))
    wanted = {*pools, *tx.values("pools_with_bids_for", task_ids=names)}
    while True:
        lock_pools(tx, wanted)
        lock_tasks(tx, names)
        # A bid may have come to another pool before the tasks were locked; now none can.
        more = set(tx.values("pools_with_bids_for", task_ids=names)) - wanted
        if not more:
            return
        wanted |= more


def rerank_tasks(tx: Transaction, task_ids: Iterable[str], *, round_bids_too: bool = False) -> None:
    """
    Set which open bids for these tasks may compete, after the tasks or their bids have changed.

    Of a task's resting bids in a pool the best one alone stands in the book that clears; the others follow it,
    unscanned, until it leaves. Bids for the open round are moved only by a caller that has locked their pools, so that
    the book of a cleared round stays as it was.
    """
    names = sorted(set(task_ids))
    if not names:
        return
    bids = tx.rows("open_bids_for_tasks", task_ids=names, round_bids_too=int(round_bids_too))
    if not bids:
        return
    barred = barred_tasks(tx, names)
    changes = []
    for (task_id, _), rows in groupby(bids, key=lambda bid: (bid["task_id"], bid["pool"])):
        led = False
        for bid in rows:
            reason = _reason_to_wait(bid, barred.get(task_id), led=led)
            led = led or (not reason and bid["round_id"] == RESTING)
            if (bid["competing"], bid["reason"]) != (int(not reason), reason):
                changes.append(standing_change(bid, reason))
    tx.run_many("set_competing", changes)


def standing_change(bid: Row, reason: str) -> Row:
    return {"id": bid["id"], "round_id": bid["round_id"], "competing": int(not reason), "reason": reason}


def _reason_to_wait(bid: Row, bar: str | None, *, led: bool) -> str:
    if bid["reason"] == SUSPENDED:
        return SUSPENDED
    if bar:
        return bar
    return SUPERSEDED if led and bid["round_id"] == RESTING else ""

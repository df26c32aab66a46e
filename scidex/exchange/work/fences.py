"""Who holds a run: fence numbers that nobody can guess, checking one against its live lease, and ending a lease."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from scidex.errors import FenceMismatch, LeaseLost
from scidex.store.database import Row, Transaction
from scidex.store.db_writes import Work, with_times

MOST_FENCE = 2**53 - 1
"""The highest fence number: as far as every reader of JSON counts exactly."""

# Among so many numbers the first lease of a task draws its own, and by so many at most each later one is higher: 42
# random bits at least, for some 4,000 leases of one task.
_FIRST = 2**45
_STEP = 2**42

_NOTHING_HEARD = {
    "heartbeats": 0,
    "last_heartbeat_at": None,
    "started_at": None,
    "exited_at": None,
    "metered_at": None,
    "exit_note": "",
    "usage_note": "",
}


def draw(work: Work, task_id: str) -> int:
    """Return a number for a lease that nobody can guess, higher than those of all earlier leases of its task."""
    if work.gives_back("fence_numbers"):  # journaled when fences were still counted
        return work.numbers("fence_numbers", 1)[0]
    number: int = work.make_up("fence", lambda: _unused(work.tx, task_id))
    return number


def _unused(tx: Transaction, task_id: str) -> int:
    last = tx.values("last_fence_of_task", task_id=task_id)[0]
    while tx.row("fence_is_used", fence=(number := drawn_after(last))):
        pass
    return number


def drawn_after(last: int) -> int:
    """Return a random number above `last`, which is 0 where there was none."""
    if last == 0:
        return 1 + secrets.randbelow(_FIRST)
    # The nearer the end, the smaller the steps, so that it is not reached.
    return last + 1 + secrets.randbelow(max(1, min(_STEP, (MOST_FENCE - last) // 8)))


def check(work: Work, run_id: str, fence: int | None, *, field: str) -> Row | None:
    """
    Return a locked run's live lease with its heartbeats, if `fence` is its number; None where it was never leased.

    Raises FenceMismatch for another number or none, LeaseLost where the lease has run out or was ended.
    """
    lease = work.tx.row("lock_live_lease", run_id=run_id)
    if lease is None:
        refuse_late(work.tx, run_id, fence)
        if fence is not None:
            raise FenceMismatch(field="fence", **{field: run_id}, fence=fence)
        return None
    if fence != lease["fence"]:  # the right one is told to nobody who does not have it
        raise FenceMismatch(field="fence", **{field: run_id}, fence=fence)
    heard = _heard(work, lease)
    if heard["ends_at"] <= work.now:
        raise LeaseLost(field="fence", run_id=run_id, fence=fence, status="expired", ended_at=heard["ends_at"])
    return {**lease, **heard}


def refuse_late(tx: Transaction, run_id: str, fence: int | None) -> None:
    """Raise LeaseLost where `fence` is that of a lease that has ended."""
    for lease in tx.rows("leases_of_run", run_id=run_id) if fence is not None else ():
        if lease["fence"] == fence and lease["status"] not in ("live", "finished"):
            facts = {name: lease[name] for name in ("fence", "status", "ended_at")}
            raise LeaseLost(field="fence", run_id=run_id, **facts)


def live(work: Work, run_id: str) -> Row | None:
    """Return a locked run's live lease with its heartbeats, or None."""
    lease = work.tx.row("lock_live_lease", run_id=run_id)
    return None if lease is None else {**lease, **_heard(work, lease)}


def end(work: Work, lease: Row | None, status: str) -> None:
    """End a lease that `check` or `live` returned, and write down what its heartbeats said."""
    if lease is None:
        return
    heard = {name: lease[name] for name in _NOTHING_HEARD}
    changed = work.tx.run("end_lease", fence=lease["fence"], status=status, now=work.now, **heard)
    assert changed == 1, "the lease was locked"
    work.tx.post("forget_heartbeats", fence=lease["fence"])


def _heard(work: Work, lease: Row) -> dict[str, Any]:
    """Return what a locked lease was heard to say: it is not journaled until now, when something hangs on it."""

    def read() -> dict[str, Any]:
        row = work.tx.row("heartbeats_of", fence=lease["fence"])
        return {name: _as_text(value) for name, value in (row or {}).items()}

    heard: dict[str, Any] = with_times(work.make_up("heartbeats", read))
    return {"ends_at": lease["ends_at"], **_NOTHING_HEARD, **heard}


def _as_text(value: Any) -> Any:
    return value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value

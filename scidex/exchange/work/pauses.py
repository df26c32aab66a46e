"""What offers nothing for a while since its runs were interrupted: a worker, or all that draw on one account."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from scidex.mechanism import breaker
from scidex.mechanism.breaker import Breaker
from scidex.store.database import Row, Transaction
from scidex.store.db_writes import Work, effect

EVERYTHING = 2**31
"""More than any worker may have on offer."""


def interrupt(work: Work, run: Row, *, cause: str, note: str, retry_at: datetime | None) -> None:
    """Pause what a run depends on that was interrupted, where its cause says that the next one would be as well."""
    if cause in breaker.CAUSES_WITHOUT_PAUSE:
        return
    shared = bool(run["draws_on"]) and cause in breaker.CAUSES_OF_ACCOUNT
    kind, name = ("account", run["draws_on"]) if shared else ("worker", run["worker_id"])
    key = {"kind": kind, "provider_id": run["provider_id"], "name": name}
    work.tx.lock([f"breaker {kind} {name}"], shared=False)
    row = work.tx.row("lock_breaker", **key)
    before = None if row is None else Breaker(row["trips"], row["opened_at"], row["ends_at"])
    after = breaker.tripped(
        before,
        began_at=run["leased_at"],
        now=work.now,
        retry_at=retry_at,
        chance=work.make_up("chance", _chance),
    )
    if after != before:
        work.tx.run("save_breaker", **key, cause=cause, note=note, **after._asdict())


def close(work: Work, run: Row) -> None:
    """Let everything be offered again that a run depends on, if it began after that was paused: it came to an end."""
    work.tx.post("close_breakers", **_subjects(run), began_at=run["leased_at"])


def forget(tx: Transaction, worker_id: str) -> None:
    """Forget what paused a worker that has ended."""
    tx.post("forget_breaker_of_worker", worker_id=worker_id)


@effect("end_pause")
def end_pause(work: Work, *, kind: str, name: str, provider_id: str) -> bool:
    """End a pause by hand; return whether there was one."""
    work.tx.lock([f"breaker {kind} {name}"], shared=False)
    work.changed = work.tx.run("close_breaker", kind=kind, name=name, provider_id=provider_id) == 1
    return work.changed


def most_offers(tx: Transaction, worker: Row, now: datetime) -> int:
    """Return how many slots a worker may have on offer: none while it is paused, one to try whether that is over."""
    return _most_of(_breakers(tx, worker), worker, now)


def may_lease(tx: Transaction, worker: Row, now: datetime) -> bool:
    """Return whether a worker may run something now: it is not paused, or is the one that tries."""
    rows = _breakers(tx, worker)
    tries = all(row["trial_worker_id"] == worker["worker_id"] for row in rows if not _has_passed(row, now))
    return tries and _most_of(rows, worker, now) > 0


def claim_trials(work: Work, worker: Row) -> int:
    """Return how many slots a worker may offer that has idle seats, and make it the one that tries, where one is to."""
    rows = _breakers(work.tx, worker)
    most = _most_of(rows, worker, work.now)
    if most == 1:
        for row in rows:
            key = {name: row[name] for name in ("kind", "provider_id", "name")}
            work.tx.run("claim_trial", **key, worker_id=worker["worker_id"], now=work.now)
    return most


def _chance() -> float:
    return secrets.randbelow(1_000) / 1_000


def _breakers(tx: Transaction, worker: Row) -> Sequence[Row]:
    return tx.rows("breakers_of_worker", **_subjects(worker))


def _subjects(worker: Row) -> Row:
    return {name: worker[name] for name in ("worker_id", "provider_id", "draws_on")}


def _most_of(rows: Sequence[Row], worker: Row, now: datetime) -> int:
    return min((_most(row, worker["worker_id"], now) for row in rows), default=EVERYTHING)


def _most(row: Row, worker_id: str, now: datetime) -> int:
    if now < row["ends_at"]:
        return 0
    if _has_passed(row, now):
        return EVERYTHING
    if row["trial_worker_id"] == worker_id:
        return 1 if row["trial_began_at"] is None else 0
    return 0 if _is_claimed(row, now) else 1


def _has_passed(row: Row, now: datetime) -> bool:
    """Return whether the trial run has lasted so long that runs are possible again, though it has not ended."""
    began_at = row["trial_began_at"]
    return began_at is not None and now - began_at >= timedelta(seconds=breaker.TRIAL_SECONDS)


def _is_claimed(row: Row, now: datetime) -> bool:
    """Return whether a worker is to try: it runs its trial, or was chosen a moment ago."""
    if row["trial_worker_id"] is None or row["trial_status"] != "alive":
        return False
    claimed_until = row["trial_at"] + timedelta(seconds=breaker.TRIAL_CLAIM_SECONDS)
    return row["trial_began_at"] is not None or now < claimed_until

"""Keeping a pool's cycle: what its verbs do inside their transaction."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from scidex.errors import UnknownPool
from scidex.mechanism.fallback import Mode, Pulse, due_mode
from scidex.store.database import Transaction
from scidex.store.db_writes import Work, effect


@effect("claim_cycle")
def claim_cycle(work: Work, *, pool: str, interval_seconds: float) -> bool:
    """Take a pool's cycle if it is due and nobody else took it, and return whether it was; count those that passed."""
    cycle = _lock(work, pool, interval_seconds)
    work.changed = not cycle["paused"] and _advance(work, cycle, interval_seconds)
    return work.changed


@effect("note_cycle")
def note_cycle(work: Work, *, pool: str, interval_seconds: float, error: str | None) -> str:
    """Note that a pool's cycle completed, or why it did not, and return what its agents go by from now on."""
    cycle = _lock(work, pool, interval_seconds)
    if error is None:
        work.tx.run("note_cycle", pool=pool, now=work.now)
        # A cycle that was asked for out of turn does for one that is due.
        _advance(work, cycle, cycle["interval_seconds"])
        if cycle["mode"] == "fallback":
            _switch(work, pool, "auction", "a cycle has completed again")
        return "auction"
    work.changed = cycle["mode"] == "auction"
    if work.changed:
        _switch(work, pool, "fallback", error)
    return "fallback"


@effect("switch_mode")
def switch_mode(work: Work, *, pool: str, interval_seconds: float, after_cycles: int) -> str:
    """Switch between the auction and the fallback where that is due, and return what a pool's agents go by."""
    known = read_cycle(work.tx, pool)
    # Nothing has run that could say since when cycles are expected: since the last round, or since there is a pool.
    cycle = _lock(work, pool, interval_seconds, expected_from_at=_completed_at(known) or known["created_at"])
    mode = mode_due(cycle, work.now, interval_seconds, after_cycles)
    work.changed = mode != cycle["mode"]
    if work.changed:
        told = f"no cycle has completed for {after_cycles} intervals"
        _switch(work, pool, mode, told if mode == "fallback" else "rounds complete again")
    return mode


@effect("pause_cycle")
def pause_cycle(work: Work, *, pool: str, interval_seconds: float) -> None:
    """Hold a pool's cycle."""
    _lock(work, pool, interval_seconds)
    work.changed = work.tx.run("pause_cycle", pool=pool) == 1


@effect("resume_cycle")
def resume_cycle(work: Work, *, pool: str, interval_seconds: float) -> None:
    """Let a pool's cycle go on from now."""
    _lock(work, pool, interval_seconds)
    work.changed = work.tx.run("resume_cycle", pool=pool, now=work.now) == 1


def read_cycle(tx: Transaction, pool: str) -> dict[str, Any]:
    """Return a pool's cycle; what was never set is None. Raises UnknownPool."""
    cycle = tx.row("cycle", pool=pool)
    if cycle is None:
        raise UnknownPool(field="pool", pool=pool)
    return cycle


def mode_due(cycle: dict[str, Any], now: datetime, interval_seconds: float, after_cycles: int) -> Mode:
    """Return what a pool's agents go by now; `interval_seconds` is for a pool that has no interval of its own."""
    completed_at = _completed_at(cycle)
    pulse = Pulse(
        mode=cycle["mode"],
        mode_since_at=cycle["mode_since_at"],
        expected_from_at=cycle["expected_from_at"] or completed_at or cycle["created_at"],
        completed_at=completed_at,
        interval_seconds=cycle["interval_seconds"] or interval_seconds,
        paused=bool(cycle["paused"]),
    )
    return due_mode(pulse, now, after_cycles=after_cycles)


def missed_now(cycle: dict[str, Any], now: datetime) -> int:
    """Return how many cycles of a pool have passed since one was due, beside that one."""
    if cycle["paused"] or cycle["next_cycle_at"] is None or now < cycle["next_cycle_at"]:
        return 0
    return int((now - cycle["next_cycle_at"]) // timedelta(seconds=cycle["interval_seconds"]))


def _completed_at(cycle: dict[str, Any]) -> datetime | None:
    """Return when the last cycle or round of a pool completed."""
    return max((at for at in (cycle["last_cycle_at"], cycle["last_round_at"]) if at is not None), default=None)


def _lock(
    work: Work, pool: str, interval_seconds: float, *, expected_from_at: datetime | None = None
) -> dict[str, Any]:
    """Lock a pool's cycle, beginning it where there is none, and return it as it is now."""
    tx = work.tx
    known = read_cycle(tx, pool)
    if known["interval_seconds"] is None:
        begun = {"expected_from_at": expected_from_at or work.now, "next_cycle_at": work.now}
        tx.run("add_cycle", pool=pool, interval_seconds=interval_seconds, **begun)
    tx.rows("lock_cycle", pool=pool)
    return read_cycle(tx, pool)


def _advance(work: Work, cycle: dict[str, Any], interval_seconds: float) -> bool:
    """Set when the next cycle is due, if this one is, and count those that passed; return whether it was."""
    due_at, interval = cycle["next_cycle_at"], timedelta(seconds=interval_seconds)
    if due_at > work.now:
        return False
    passed = (work.now - due_at) // interval
    work.tx.run(
        "advance_cycle",
        pool=cycle["pool"],
        interval_seconds=interval_seconds,
        next_cycle_at=due_at + (passed + 1) * interval,
        missed=passed,
        now=work.now,
    )
    return True


def _switch(work: Work, pool: str, mode: str, reason: str) -> None:
    work.tx.run("set_mode", pool=pool, mode=mode, reason=reason, now=work.now)
    work.tx.run("append_mode_switch", pool=pool, mode=mode, reason=reason, now=work.now)

"""The states of bids, slots and tasks, and the steps allowed between them."""

from __future__ import annotations

from collections.abc import Mapping

BID_STEPS: Mapping[str, frozenset[str]] = {
    "open": frozenset({"won", "lost", "expired", "cancelled"}),
    "won": frozenset({"running", "settled", "voided"}),
    "running": frozenset({"settled", "voided"}),
    "settled": frozenset(),
    "lost": frozenset(),
    "expired": frozenset(),
    "cancelled": frozenset(),
    "voided": frozenset(),
}

ASK_STEPS: Mapping[str, frozenset[str]] = {
    "open": frozenset({"sold", "withdrawn", "expired"}),
    "sold": frozenset(),
    "withdrawn": frozenset(),
    "expired": frozenset(),
}

# `blocked` follows from what a task depends on: the market alone takes that step and its way back.
TASK_STEPS: Mapping[str, frozenset[str]] = {
    "open": frozenset({"blocked", "running", "done", "failed", "held"}),
    "blocked": frozenset({"open", "done", "failed", "held"}),
    "running": frozenset({"open", "blocked", "done", "failed", "held"}),
    "done": frozenset({"open", "blocked"}),
    "failed": frozenset({"open", "blocked", "done", "held"}),
    "held": frozenset({"open", "blocked", "running", "done", "failed"}),
}

# Why a task's bids may not compete, by the task's state; a state that is not here lets them.
TASK_STATES_THAT_BAR: Mapping[str, str] = {
    "blocked": "task_blocked",
    "running": "task_running",
    "done": "task_done",
    "failed": "task_failed",
    "held": "task_held",
}


def may_step(steps: Mapping[str, frozenset[str]], state: str, to: str) -> bool:
    """Return whether `to` may follow `state`."""
    return to in steps[state]

"""The story of a run: each step from the offer of its slot to its settlement, in order."""

from __future__ import annotations

from collections.abc import Iterator

from scidex.errors import UnknownSlot
from scidex.records import LeaseState, TimelineEvent
from scidex.store.database import Row, Transaction

_ENDS = {"finished": "lease ended", "given_back": "given back", "voided": "lease voided", "expired": "lease expired"}


def timeline(tx: Transaction, run_id: str) -> list[TimelineEvent]:
    """Return what happened to a slot or an assignment, in order of time. Raises UnknownSlot."""
    ask, given = tx.row("ask", slot_id=run_id), tx.row("assignment", assignment_id=run_id)
    if ask is None and given is None:
        raise UnknownSlot(field="slot_id", slot_id=run_id)
    events = [*(_of_slot(tx, ask) if ask else ()), *(_of_assignment(given) if given else ())]
    for row in tx.rows("leases_of_run", run_id=run_id):
        events += _of_lease(LeaseState(**row))
    # Sorting keeps the order of what happened in the same instant.
    return sorted(events, key=lambda event: event.at)


def _of_slot(tx: Transaction, ask: Row) -> Iterator[TimelineEvent]:
    slot_id = ask["slot_id"]
    yield TimelineEvent(ask["offered_at"], "offered", f"by {ask['provider_id']} in pool {ask['pool']}")
    clear = tx.row("clear", slot_id=slot_id)
    if clear is None:
        return
    won_at = tx.rows("round", round_id=clear["round_id"])[0]["cleared_at"]
    price = f"task {clear['winning_task_id']} for {clear['clearing_price_tokens']} tokens, paid by {clear['bidder_id']}"
    yield TimelineEvent(won_at, "won", price)
    for word in tx.rows("attestations_of", slot_id=slot_id):
        if word["attested_by"] is not None:
            impact = "not known" if word["actual_impact"] is None else f"{word['actual_impact']} USD"
            yield TimelineEvent(word["made_at"], "attested", f"impact {impact}, by {word['attested_by']}")
    if clear["status"] in ("settled", "voided"):
        yield TimelineEvent(clear["slot_finished_at"], clear["status"], _reason_or_cost(clear))


def _reason_or_cost(clear: Row) -> str:
    return "; ".join(filter(None, (_cost(clear) if clear["status"] == "settled" else "", clear["reason"])))


def _cost(clear: Row) -> str:
    cost = clear["actual_cost_tokens"]
    return "cost not known" if cost is None else f"cost {cost} tokens"


def _of_assignment(given: Row) -> Iterator[TimelineEvent]:
    yield TimelineEvent(
        given["given_at"], "given", f"task {given['task_id']} to {given['agent_id']}, {given['source']}"
    )
    if given["status"] in ("finished", "given_back"):
        ended = "finished" if given["status"] == "finished" else "given back"
        yield TimelineEvent(given["finished_at"], ended, given["note"])


def _of_lease(lease: LeaseState) -> Iterator[TimelineEvent]:
    yield TimelineEvent(lease.leased_at, "leased", f"to {lease.worker_id}")
    if lease.started_at is not None:
        yield TimelineEvent(lease.started_at, "started", "")
    if lease.exited_at is not None:
        yield TimelineEvent(lease.exited_at, "exited", lease.exit_note)
    if lease.metered_at is not None:
        yield TimelineEvent(lease.metered_at, "metered", lease.usage_note)
    if lease.last_heartbeat_at is not None:
        yield TimelineEvent(lease.last_heartbeat_at, "last heartbeat", f"{lease.heartbeats} in all")
    if lease.ended_at is not None and lease.status != "finished":
        yield TimelineEvent(lease.ended_at, _ENDS[lease.status], "")

"""Declaring an allowance: what the winner of a slot says that its run will use."""

from __future__ import annotations

from scidex.errors import AlreadySettled, AlreadyStarted, InvalidArgument, SlotVoided
from scidex.exchange.book import market_settings
from scidex.exchange.work import settlement
from scidex.records import Clear, Declaration
from scidex.settings import TREASURY
from scidex.store.database import Transaction
from scidex.store.db_writes import Work, effect


@effect("declare_allowance")
def declare_allowance(work: Work, *, slot_id: str, declared_tokens: int) -> Declaration:
    """Write down what a won slot's run is to use; its price is known by now, and so is everybody else's."""
    tx = work.tx
    clear = settlement.lock_sold(tx, slot_id)
    _check(tx, clear)
    known = tx.row("declared_allowance", slot_id=slot_id)
    if known is not None and known["declared_tokens"] == declared_tokens:
        work.changed = False
        return Declaration(**known)
    declared = Declaration(slot_id, declared_tokens, work.now)
    tx.run("save_declared_allowance", **declared._asdict())
    return declared


def _check(tx: Transaction, clear: Clear) -> None:
    slot = {"field": "slot_id", "slot_id": clear.slot_id}
    if clear.status == "voided":
        raise SlotVoided(**slot)
    if clear.status == "settled":
        raise AlreadySettled(**slot, status=clear.status)
    if clear.status != "won":
        raise AlreadyStarted(**slot, status=clear.status)
    profile = market_settings.configured(tx, clear.pool)
    if profile is None or not profile.declared_allowance:
        raise InvalidArgument(field="slot_id", value=clear.slot_id, fact="is of a pool that takes no declarations")
    if clear.provider_id != TREASURY or tx.values("allowance_of_slot", slot_id=clear.slot_id)[0] is None:
        fact = "must be a slot of the treasury's with a token allowance"
        raise InvalidArgument(field="slot_id", value=clear.slot_id, fact=fact)

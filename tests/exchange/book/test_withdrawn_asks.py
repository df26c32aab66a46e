"""A slot that is withdrawn is not sold, and one that is sold is not withdrawn, whoever comes first."""

from __future__ import annotations

import threading

import pytest

from scidex.errors import AskNotOpen, ScidexError, UnknownSlot
from scidex.exchange import compute_auction, token_ledger
from scidex.exchange.rounds import clearing, outcome


def test_a_withdrawn_slot_is_not_sold(db):
    [ask] = compute_auction.offer_slots(1, db=db)

    assert compute_auction.withdraw_slot(ask.slot_id, db=db).status == "withdrawn"
    assert compute_auction.clear_round(db=db).slots == 0
    with pytest.raises(AskNotOpen):
        compute_auction.withdraw_slot(ask.slot_id, db=db)


def test_a_slot_that_nobody_offered_cannot_be_withdrawn(db):
    with pytest.raises(UnknownSlot):
        compute_auction.withdraw_slot("slot-1", db=db)


def test_a_slot_cannot_be_withdrawn_while_a_round_sells_it(db, monkeypatch):
    token_ledger.create_account("agent:ada", db=db)
    token_ledger.mint("agent:ada", 10, db=db)
    compute_auction.place_bid("agent:ada", "task-1", 10, db=db)
    [ask] = compute_auction.offer_slots(1, db=db)
    refusals = []

    def withdraw():
        try:
            compute_auction.withdraw_slot(ask.slot_id, db=db)
        except ScidexError as error:
            refusals.append(type(error))

    latecomer = threading.Thread(target=withdraw)
    decide = outcome.decide

    def decide_slowly(*arguments):
        # The round has read its slots and not sold them: time enough for whoever need not wait for it.
        latecomer.start()
        latecomer.join(timeout=0.5)
        return decide(*arguments)

    monkeypatch.setattr(clearing, "decide", decide_slowly)
    cleared = compute_auction.clear_round(db=db)
    latecomer.join()

    assert cleared.sold == 1
    assert refusals == [AskNotOpen]

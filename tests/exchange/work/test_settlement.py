"""What follows a clear: paid, attested, or undone."""

from __future__ import annotations

import pytest

from scidex.errors import (
    AlreadySettled,
    AttesterNotIndependent,
    FenceMismatch,
    SlotNotSettled,
    SlotNotSold,
    SlotVoided,
    UnknownAccount,
    UnknownSlot,
)
from scidex.exchange import compute_auction, token_ledger
from tests.market import NOON, TREASURY, after, bid, clear, fund, offer, prices, settle, status, void, wallet, won_tasks
from tests.raw_sql import query


@pytest.fixture
def slot(db):
    """A slot of the worker `w`, won by `a` at 40 tokens against `b`; and evaluators, one of them of a's owner."""
    fund(db, 100, "a", owner_id="team")
    fund(db, 100, "b")
    fund(db, 0, "w", kind="worker")
    fund(db, 0, "judge", "other-judge", kind="evaluator", owner_id="court")
    fund(db, 0, "friend", kind="evaluator", owner_id="team")
    bid(db, "a", "t1", 70)
    bid(db, "b", "t2", 40)
    offer(db, 1, provider_id="w")
    [sold] = clear(db).clears
    return sold


def attest(db, slot, impact, attested_by="judge", **terms):
    return compute_auction.attest(slot.slot_id, impact, attested_by, **{"now": NOON, **terms}, db=db)


def test_a_provider_gets_the_price_once_its_slot_is_settled(db, slot):
    assert wallet(db, "w") == (0, 0)

    settle(db, slot)

    assert (wallet(db, "a"), wallet(db, "w"), wallet(db, TREASURY)) == ((60, 0), (40, 0), (0, 0))
    [paid] = token_ledger.get_transfers("w", db=db)
    assert (paid.debit_account_id, paid.amount_tokens, paid.reason) == ("a", 40, f"settle {slot.slot_id}")


def test_what_the_run_cost_is_not_what_the_slot_cost(db, slot):
    settled = settle(db, slot, cost=9_999)

    assert (settled.actual_cost_tokens, settled.clearing_price_tokens) == (9_999, 40)
    assert wallet(db, "a") == (60, 0)


def test_a_settled_slot_keeps_who_attested_its_impact(db, slot):
    settled = settle(db, slot, cost=2_000, impact=6.0, attested_by="judge")

    assert (settled.attested_by, settled.roi) == ("judge", 3.0)
    assert settle(db, slot, cost=2_000, impact=6.0, attested_by="judge") == settled
    with pytest.raises(AlreadySettled):
        settle(db, slot, cost=2_000, impact=6.0, attested_by="other-judge")


@pytest.mark.parametrize("attester", ["a", "b", "w", "friend", TREASURY])
def test_only_an_evaluator_of_another_owner_attests(db, slot, attester):
    with pytest.raises(AttesterNotIndependent):
        settle(db, slot, impact=1.0, attested_by=attester)
    assert status(db, compute_auction.get_bid(slot.bid_id, db=db)) == "won"
    settle(db, slot)
    with pytest.raises(AttesterNotIndependent):
        attest(db, slot, 1.0, attester)


def test_an_unknown_attester_is_refused(db, slot):
    with pytest.raises(UnknownAccount) as refused:
        settle(db, slot, impact=1.0, attested_by="ghost")
    assert refused.value.facts == {"field": "attested_by", "account_id": "ghost"}


def test_a_slot_that_was_never_leased_has_no_fence(db, slot):
    with pytest.raises(FenceMismatch) as refused:
        settle(db, slot, fence=1)

    assert refused.value.facts["field"] == "fence"
    assert wallet(db, "a") == (100, 40)


def test_settling_pays_what_was_held_even_if_all_else_is_gone(db, slot):
    token_ledger.transfer("a", "b", 60, now=NOON, db=db)
    assert wallet(db, "a") == (40, 40)

    settle(db, slot)

    assert wallet(db, "a") == (0, 0)


# --- impact known later


def test_impact_may_be_attested_later_and_revised(db, slot):
    settle(db, slot, cost=1_000)

    first = attest(db, slot, 5.0, now=after(1))
    second = attest(db, slot, 7.0, "other-judge", now=after(2))

    assert (first.actual_impact, first.roi, first.attested_by) == (5.0, 5.0, "judge")
    assert (second.actual_impact, second.roi, second.attested_by) == (7.0, 7.0, "other-judge")
    assert compute_auction.get_round(slot.round_id, db=db).clears == (second,)
    assert (second.clearing_price_tokens, second.actual_cost_tokens) == (40, 1_000)


def test_every_word_on_impact_is_kept(db, slot):
    settle(db, slot, impact=1.0)
    attest(db, slot, 5.0)
    attest(db, slot, 5.0)  # the same word again adds nothing
    attest(db, slot, 4.0)

    said = query(db, "SELECT revision, actual_impact, attested_by FROM compute_auction_attestations ORDER BY revision")
    assert [tuple(row.values()) for row in said] == [(0, 1.0, None), (1, 5.0, "judge"), (2, 4.0, "judge")]


def test_the_same_settlement_answers_after_a_revision_too(db, slot):
    settle(db, slot, cost=1_000, impact=1.0)
    revised = attest(db, slot, 5.0)

    assert settle(db, slot, cost=1_000, impact=1.0) == revised
    with pytest.raises(AlreadySettled) as refused:
        settle(db, slot, cost=1_000, impact=5.0)
    assert refused.value.facts["actual_impact"] == 1.0


def test_impact_is_attested_to_settled_slots_alone(db, slot):
    with pytest.raises(SlotNotSettled):
        attest(db, slot, 5.0)
    void(db, slot)
    with pytest.raises(SlotNotSettled):
        attest(db, slot, 5.0)
    with pytest.raises(UnknownSlot):
        compute_auction.attest("slot-nobody-offered", 1.0, "judge", db=db)
    [unsold] = offer(db)
    with pytest.raises(SlotNotSold):
        compute_auction.attest(unsold.slot_id, 1.0, "judge", db=db)


# --- undone


def test_a_voided_slot_gives_all_back_and_moves_no_token(db, slot):
    voided = void(db, slot, reason="worker lost", now=after(3))

    assert (voided.status, voided.reason, voided.slot_finished_at) == ("voided", "worker lost", after(3))
    assert wallet(db, "a") == (100, 0)
    assert [move.reason for move in token_ledger.get_transfers("a", db=db)] == ["grant"]
    won = compute_auction.get_bid(slot.bid_id, db=db)
    assert (won.status, won.reason) == ("voided", "worker lost")


def test_voiding_again_answers_the_same(db, slot):
    first = void(db, slot, reason="worker lost")

    assert void(db, slot, reason="another", now=after(1)) == first
    assert wallet(db, "a") == (100, 0)


def test_after_settlement_void_is_refused_and_after_void_settlement(db, slot):
    settle(db, slot)
    with pytest.raises(AlreadySettled):
        void(db, slot)
    assert wallet(db, "a") == (60, 0)

    bid(db, "b", "t3", 10)
    offer(db, 1)
    [second] = clear(db).clears
    void(db, second)
    with pytest.raises(SlotVoided):
        settle(db, second)


def test_what_was_never_sold_is_not_voided(db):
    [unsold] = offer(db)

    with pytest.raises(SlotNotSold):
        void(db, unsold)
    with pytest.raises(UnknownSlot):
        void(db, "slot-nobody-offered")


def test_after_a_void_the_task_and_the_capacity_are_sold_anew(db, slot):
    void(db, slot)
    again = bid(db, "a", "t1", 70)
    [fresh] = offer(db, 1, provider_id="w")

    cleared = clear(db, after(1))

    assert fresh.slot_id != slot.slot_id
    assert [(s.slot_id, s.bid_id) for s in cleared.clears] == [(fresh.slot_id, again.id)]


@pytest.mark.parametrize("end", [settle, void])
def test_a_bid_for_the_open_round_competes_once_its_task_has_no_slot_any_more(db, slot, end):
    waiting = bid(db, "b", "t1", 50)
    assert waiting.reason == "task_running"

    end(db, slot)

    assert compute_auction.get_bid(waiting.id, db=db).reason == ""
    offer(db, 1)
    assert prices(clear(db, after(1))) == {"t1": 0}


def test_each_slot_of_a_winner_is_settled_for_itself(db):
    fund(db, 100, "a")
    for task in ("t1", "t2", "t3"):
        bid(db, "a", task, 30)
    offer(db, 3, reserve_price_tokens=20)
    first, second, third = clear(db).clears
    assert wallet(db, "a") == (100, 60)

    settle(db, first)
    assert wallet(db, "a") == (80, 40)
    void(db, second)
    assert wallet(db, "a") == (80, 20)
    settle(db, third)
    assert wallet(db, "a") == (60, 0)
    assert wallet(db, TREASURY) == (40, 0)
    assert won_tasks(compute_auction.get_round(first.round_id, db=db)) == {"t1", "t2", "t3"}

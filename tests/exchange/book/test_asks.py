"""Offering slots, and taking them off the market."""

from __future__ import annotations

import pytest

from scidex.errors import AskNotOpen, InvalidTime, UnknownAccount, UnknownPool, UnknownSlot
from scidex.exchange import compute_auction
from tests.market import NOON, TREASURY, after, bid, clear, fund, offer


def withdraw(db, slot_id):
    return compute_auction.withdraw_slot(slot_id, now=NOON, db=db)


def test_slots_are_offered_by_the_treasury_from_now_on_unless_said_otherwise(db):
    asks = offer(db, 3)

    assert len({ask.slot_id for ask in asks}) == 3
    assert {ask[1:9] for ask in asks} == {("scidex-agent", TREASURY, 0, NOON, None, None, None, "open")}
    assert [ask.sequence for ask in asks] == sorted(ask.sequence for ask in asks)


def test_an_offer_says_all_that_was_asked(db):
    fund(db, 0, "w", kind="worker")

    [ask] = offer(
        db,
        1,
        available_at=after(5),
        expires_at=after(9),
        reserve_price_tokens=7,
        provider_id="w",
        token_allowance=1_000,
        max_seconds=60,
    )

    assert (ask.available_at, ask.expires_at, ask.offered_at) == (after(5), after(9), NOON)
    assert (ask.reserve_price_tokens, ask.provider_id, ask.token_allowance, ask.max_seconds) == (7, "w", 1_000, 60)
    [told] = compute_auction.get_order_book(now=NOON, db=db)["asks"]
    assert told == ask._asdict()


@pytest.mark.parametrize("times", [{"expires_at": NOON}, {"available_at": after(9), "expires_at": after(9)}])
def test_an_offer_that_ends_before_it_begins_is_refused(db, times):
    with pytest.raises(InvalidTime) as refused:
        offer(db, 1, **times)

    assert refused.value.field == "expires_at"


def test_unknown_pools_and_providers_are_refused(db):
    with pytest.raises(UnknownPool):
        offer(db, 1, pool="nowhere")
    for provider_id in ("ghost", "system:issuance"):
        with pytest.raises(UnknownAccount) as refused:
            offer(db, 1, provider_id=provider_id)
        assert refused.value.facts == {"field": "provider_id", "account_id": provider_id}


def test_a_withdrawn_slot_is_not_sold(db):
    fund(db, 100, "a")
    bid(db, "a", "t", 50)
    first, second = offer(db, 2)

    assert withdraw(db, first.slot_id).status == "withdrawn"

    assert [sold.slot_id for sold in clear(db).clears] == [second.slot_id]


def test_only_open_slots_are_withdrawn(db):
    fund(db, 100, "a")
    bid(db, "a", "t", 50)
    [sold] = offer(db, 1)
    clear(db)
    [gone] = offer(db, 1)
    withdraw(db, gone.slot_id)

    for slot_id, state in ((sold.slot_id, "sold"), (gone.slot_id, "withdrawn")):
        with pytest.raises(AskNotOpen) as refused:
            withdraw(db, slot_id)
        assert refused.value.facts == {"field": "slot_id", "slot_id": slot_id, "status": state}
    with pytest.raises(UnknownSlot):
        withdraw(db, "slot-nobody-offered")


def test_reserves_follow_how_much_was_sold_where_the_pool_says_so(db):
    compute_auction.configure_pool(reserve_by_utilisation=True, reserve_base_tokens=100, now=NOON, db=db)
    fund(db, 1_000, "agent:ada")

    assert offer(db)[0].reserve_price_tokens == 100  # nothing was sold or left yet
    bid(db, "agent:ada", "t", 500)
    clear(db)
    # All of one slot was sold: 100 × e^(2 × (1 − 0.5)). Higher reserves are as they ask.
    assert offer(db)[0].reserve_price_tokens == 271
    assert offer(db, reserve_price_tokens=400)[0].reserve_price_tokens == 400
    assert offer(db, provider_id="agent:ada")[0].reserve_price_tokens == 271

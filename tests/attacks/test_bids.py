"""Attacks by bids: of a provider, with itself, on ties, by splitting and by cancelling at the last moment."""

from __future__ import annotations

import pytest

from scidex.errors import BidNotOpen, InsufficientTokens
from scidex.exchange import compute_auction, token_ledger
from scidex.exchange.compute_auction import check_lottery, configure_pool
from scidex.mechanism.tie_breaking import Standing, rank, ticket
from tests.market import NOON, after, available, bid, clear, fund, offer, settle, wallet


@pytest.fixture
def rivals(db):
    """Ann and Bea, who bid for slots with 1,000 tokens each, in a recommended market."""
    configure_pool(now=NOON, db=db)
    fund(db, 1_000, "agent:ann", "agent:bea")


def test_a_providers_shill_bid_gains_nothing(db, rivals):
    """A provider bids from another of its accounts, to raise the price that it is paid: the price stays as it was."""
    fund(db, 0, "worker:eve", kind="worker", owner_id="eve")
    fund(db, 1_000, "agent:eves-shill", owner_id="eve")

    def price(*, shill):
        bid(db, "agent:ann", f"a{shill}", 50)
        bid(db, "agent:bea", f"b{shill}", 20)
        if shill:
            bid(db, "agent:eves-shill", "shill", 49)
        offer(db, provider_id="worker:eve")
        return clear(db).clearing_price_tokens

    assert [price(shill=False), price(shill=True)] == [20, 20]


def test_a_shill_whose_owner_the_operator_does_not_know_gains_the_price_it_sets(db, rivals):
    """Owners are the operator's to set: a stranger's bid of 49 raises 20 to 49, and at 51 it buys its own slot."""
    fund(db, 0, "worker:eve", kind="worker", owner_id="eve")
    fund(db, 1_000, "agent:stranger")

    def play(number, shill):
        bid(db, "agent:ann", f"a{number}", 50)
        bid(db, "agent:bea", f"b{number}", 20)
        bid(db, "agent:stranger", f"s{number}", shill)
        [slot] = offer(db, provider_id="worker:eve")
        cleared = clear(db)
        settle(db, slot)
        return cleared.clears[0].bidder_id, cleared.clearing_price_tokens

    assert play(1, 49) == ("agent:ann", 49)
    assert play(2, 51) == ("agent:stranger", 50)
    # What it paid to itself it has still, and the slot is lost to everybody.
    assert wallet(db, "worker:eve")[0] + wallet(db, "agent:stranger")[0] == 1_000 + 49


def test_a_wash_trade_does_not_take_place(db, rivals):
    """An owner that sells to itself, to show sales and earn impact on them, sells nothing."""
    fund(db, 0, "worker:eve", kind="worker", owner_id="eve")
    fund(db, 1_000, "agent:eve", owner_id="eve")
    for number in range(3):
        bid(db, "agent:eve", f"t{number}", 100 + number)
    offer(db, 3, provider_id="worker:eve")
    cleared = clear(db)

    assert (cleared.sold, cleared.clearing_price_tokens) == (0, None)
    assert wallet(db, "agent:eve") == (1_000, 0)


def test_a_name_that_was_ground_for_ties_wins_about_half_of_them(db, rivals):
    """Of 500 names the one that would have won the last tie: under the next seeds it is a name like any other."""
    offer(db)
    bid(db, "agent:ann", "t", 5)
    seed = clear(db).seed
    ground = min((f"agent:eve-{number}" for number in range(500)), key=lambda name: ticket(seed, name))
    fund(db, 10_000, ground)
    wins = []
    for minute in range(1, 25):
        for name in ("agent:ann", ground):
            bid(db, name, f"{name} {minute}", 10, now=after(minute))
        [slot] = offer(db, now=after(minute))
        wins.append(clear(db, after(minute)).clears[0].bidder_id == ground)
        settle(db, slot, now=after(minute))

    # It gains nothing that lasts: all 24 would be one chance in 16 million.
    assert 2 <= sum(wins) <= 22


def test_many_accounts_of_one_owner_draw_one_ticket(db, rivals):
    """Ten accounts of one owner that tie with Ann have one ticket among them, and so half of the ties."""
    fund(db, 100, *(f"agent:eve-{number}" for number in range(10)), owner_id="eve")
    for number in range(10):
        bid(db, f"agent:eve-{number}", f"e{number}", 10)
    bid(db, "agent:ann", "a", 10)
    offer(db)

    assert {owner for owner, _ in check_lottery(clear(db).round_id, db=db).tickets} == {"eve", "agent:ann"}
    standing = [Standing(n, f"e{n}", "eve", f"t{n}", 10, n, 0.0, False) for n in range(10)]
    standing.append(Standing(99, "ann", "ann", "ta", 10, 99, 0.0, False))
    won = sum(rank(standing, tie_rule="lottery", seed=str(seed))[0].owner == "eve" for seed in range(2_000))
    assert 900 <= won <= 1_100


def test_splitting_bids_over_accounts_wins_no_more_and_holds_more(db, rivals):
    """The same four bids from one account, and from four of one owner: the same slots, the same price, more held."""
    fund(db, 1_000, "agent:eve", owner_id="eve")
    fund(db, 250, *(f"agent:eve-{number}" for number in range(4)), owner_id="eve")
    prices = (40, 30, 20, 10)

    def play(name, accounts):
        for number, price in enumerate(prices):
            bid(db, accounts[number % len(accounts)], f"{name}{number}", price)
        held = sum(wallet(db, account)[1] for account in accounts)
        bid(db, "agent:ann", f"{name} ann", 25)
        slots = offer(db, 3)
        cleared = clear(db)
        for slot in slots:
            settle(db, slot)
        return held, [sale.max_price_tokens for sale in cleared.clears], cleared.clearing_price_tokens

    whole = play("whole", ["agent:eve"])
    split = play("split", [f"agent:eve-{number}" for number in range(4)])
    assert whole == (60, [40, 30, 25], 20)
    assert split == (100, [40, 30, 25], 20)


def test_two_bids_for_one_task_win_one_slot(db, rivals):
    """Two accounts that bid for one task do not get it two slots: the better bid competes, the other one waits."""
    fund(db, 100, "agent:eve-1", "agent:eve-2", owner_id="eve")
    bid(db, "agent:eve-1", "t", 30)
    bid(db, "agent:eve-2", "t", 20)
    bid(db, "agent:ann", "a", 10)
    offer(db, 2)

    assert [sale.winning_task_id for sale in clear(db).clears] == ["t", "a"]


def test_cancelling_at_the_last_moment_changes_nobodys_price(db, rivals):
    """A bid of 900 that is gone before the round moves the quote while it stands; no price, and no winner, ever."""
    fund(db, 1_000, "agent:eve")
    bid(db, "agent:ann", "a", 50)
    bid(db, "agent:bea", "b", 20)
    offer(db)
    scare = bid(db, "agent:eve", "scare", 900)
    assert compute_auction.quote(0.5, now=NOON, db=db).max_price_tokens == 901

    # Ann follows the quote; what she pays is still the best losing bid.
    bid(db, "agent:ann", "a", 901)
    compute_auction.cancel_bid(scare.id, now=NOON, db=db)
    cleared = clear(db)
    assert (cleared.clears[0].bidder_id, cleared.clearing_price_tokens) == ("agent:ann", 20)
    assert available(db, "agent:eve") == 1_000


def test_a_bid_cannot_be_cancelled_once_it_has_won(db, rivals):
    """Whoever waits to see the price keeps the slot, and what it costs."""
    won = bid(db, "agent:ann", "a", 50)
    bid(db, "agent:bea", "b", 20)
    offer(db)
    clear(db)

    with pytest.raises(BidNotOpen):
        compute_auction.cancel_bid(won.id, now=NOON, db=db)
    assert wallet(db, "agent:ann") == (1_000, 20)


def test_tokens_that_bids_hold_cannot_be_sent_on_and_bid_again(db, rivals):
    """The same tokens never stand behind two accounts' bids."""
    fund(db, 0, "agent:ann-2", owner_id="agent:ann")
    bid(db, "agent:ann", "a", 900)

    with pytest.raises(InsufficientTokens):
        token_ledger.transfer("agent:ann", "agent:ann-2", 101, now=NOON, db=db)

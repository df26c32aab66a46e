"""Pools that clear by another rule: what bids hold, what winners pay, and what providers get."""

from __future__ import annotations

from fractions import Fraction

import pytest

from scidex.errors import InsufficientTokens, InvalidArgument, PoolExists, UnknownPool
from scidex.exchange import compute_auction
from scidex.mechanism import MECHANISMS
from tests.market import NOON, TREASURY, after, bid, clear, fund, offer, prices, settle, void, wallet

IN_POOLS = sorted(name for name, rule in MECHANISMS.items() if rule.balanced)


def open_pool(db, mechanism, **terms):
    compute_auction.create_pool("pool", mechanism=mechanism, **terms, now=NOON, db=db)


def book(db, *prices, reserves=(), provider="w"):
    """Bids by bidders b1, b2, … for tasks t1, t2, …, and one ask of the provider for each reserve."""
    for place, price in enumerate(prices, start=1):
        fund(db, 1_000, f"b{place}")
        bid(db, f"b{place}", f"t{place}", price, pool="pool")
    if provider != TREASURY:
        fund(db, 0, provider, kind="worker")
    for reserve in reserves:
        offer(db, 1, reserve_price_tokens=reserve, pool="pool", provider_id=provider)
    return clear(db, pool="pool")


def settle_all(db, cleared):
    for sold in cleared.clears:
        settle(db, sold)


def test_every_balanced_mechanism_may_clear_a_pool():
    assert {"uniform_price", "pay_as_bid", "vickrey", "k_double_auction", "mcafee", "clinching"} < set(IN_POOLS)


def test_a_pool_is_told_as_it_was_opened(db):
    opened = compute_auction.create_pool(
        "p", mechanism="k_double_auction", theta="1/3", tie_rule="lottery", now=NOON, db=db
    )

    assert compute_auction.get_pool("p", db=db) == opened
    assert (opened.mechanism, opened.theta, opened.tie_rule) == ("k_double_auction", "1/3", "lottery")
    with pytest.raises(PoolExists):
        compute_auction.create_pool("p", db=db)
    with pytest.raises(UnknownPool):
        compute_auction.get_pool("q", db=db)


def test_a_rule_that_needs_a_subsidy_clears_no_pool(db):
    with pytest.raises(InvalidArgument, match="pays providers more than buyers bring"):
        compute_auction.create_pool("p", mechanism="vcg_double", db=db)


@pytest.mark.parametrize(
    ("theta", "kept"),
    [(None, "1/2"), (0, "0"), (1, "1"), (0.25, "1/4"), ("1/3", "1/3"), ("0.1", "1/10"), (Fraction(2, 7), "2/7")],
)
def test_theta_is_kept_exactly(db, theta, kept):
    assert compute_auction.create_pool("p", mechanism="k_double_auction", theta=theta, db=db).theta == kept


# --- one rule after the other


def test_pay_as_bid_holds_the_sum_and_takes_each_winners_own_bid(db):
    open_pool(db, "pay_as_bid")
    fund(db, 100, "many")
    bid(db, "many", "m1", 60, pool="pool")
    bid(db, "many", "m2", 40, pool="pool")
    assert wallet(db, "many") == (100, 100)
    with pytest.raises(InsufficientTokens):
        bid(db, "many", "m3", 1, pool="pool")

    cleared = book(db, 50, 30, reserves=(0, 0, 0))

    assert prices(cleared) == {"m1": 60, "t1": 50, "m2": 40}
    assert cleared.clearing_price_tokens is None
    assert {sold.winning_premium_tokens for sold in cleared.clears} == {0}
    settle_all(db, cleared)
    assert (wallet(db, "many"), wallet(db, "b1"), wallet(db, "w")) == ((0, 0), (950, 0), (150, 0))


def test_vickrey_charges_an_owner_what_it_takes_from_others(db):
    open_pool(db, "vickrey")
    fund(db, 1_000, "x1", "x2", owner_id="x")
    bid(db, "x1", "x-first", 90, pool="pool")
    bid(db, "x2", "x-second", 80, pool="pool")

    cleared = book(db, 70, 60, 10, reserves=(0, 0, 0))

    # The best bids that others lost to x are 60 and 10; t1's owner displaced 60.
    assert prices(cleared)["t1"] == 60
    assert sorted(prices(cleared).values()) == [10, 60, 60]
    settle_all(db, cleared)
    assert wallet(db, "w") == (130, 0)


def test_clinching_without_budgets_charges_what_vickrey_charges(db):
    open_pool(db, "clinching")
    fund(db, 1_000, "x1", "x2", owner_id="x")
    bid(db, "x1", "x-first", 90, pool="pool")
    bid(db, "x2", "x-second", 80, pool="pool")

    cleared = book(db, 70, 60, 10, reserves=(0, 0, 0))

    assert sorted(prices(cleared).values()) == [10, 60, 60]
    assert prices(cleared)["t1"] == 60


@pytest.mark.parametrize(("theta", "price"), [("0", 30), ("1/3", 33), ("1/2", 35), ("2/3", 36), ("1", 40)])
def test_k_double_auction_prices_between_the_ends_rounded_down_to_a_token(db, theta, price):
    open_pool(db, "k_double_auction", theta=theta)

    cleared = book(db, 50, 40, 30, reserves=(0, 10))

    # Any price from 30 (the best losing bid) to 40 (the lowest winning one) clears this book.
    assert prices(cleared) == {"t1": price, "t2": price}
    assert cleared.clearing_price_tokens == price
    settle_all(db, cleared)
    assert (wallet(db, "b1"), wallet(db, "w")) == ((1_000 - price, 0), (2 * price, 0))


def test_a_fraction_of_a_token_is_never_charged_nor_paid_below_the_reserve(db):
    open_pool(db, "k_double_auction", theta="1/2")

    cleared = book(db, 8, reserves=(7,))

    assert [
        (s.clearing_price_tokens, s.provider_proceeds_tokens, s.winning_premium_tokens) for s in cleared.clears
    ] == [(7, 7, 1)]


def test_marginal_pair_prices_between_the_last_pair_that_trades(db):
    open_pool(db, "marginal_pair", theta="1/2")

    assert prices(book(db, 50, 40, 30, reserves=(0, 10))) == {"t1": 25, "t2": 25}


def test_mcafee_trades_at_one_price_where_it_suits_the_last_pair(db):
    open_pool(db, "mcafee")

    cleared = book(db, 50, 40, 21, reserves=(0, 10, 30))

    # (21 + 30) / 2 = 25.5 lies between the second ask and bid; a token is not split.
    assert [(s.clearing_price_tokens, s.provider_proceeds_tokens) for s in cleared.clears] == [(25, 25)] * 2


def test_mcafee_gives_the_difference_to_the_treasury_where_trade_is_reduced(db):
    open_pool(db, "mcafee")

    cleared = book(db, 50, 40, 5, reserves=(0, 10))

    # Without a third ask: the second pair steps back, buyers pay its bid and providers get its ask.
    assert [(s.winning_task_id, s.clearing_price_tokens, s.provider_proceeds_tokens) for s in cleared.clears] == [
        ("t1", 40, 10)
    ]
    settle_all(db, cleared)
    assert (wallet(db, "b1"), wallet(db, "w"), wallet(db, TREASURY)) == ((960, 0), (10, 0), (30, 0))


def test_trade_reduction_gives_up_the_last_trade(db):
    open_pool(db, "trade_reduction")

    cleared = book(db, 50, 40, 30, reserves=(5, 10, 20))

    assert {s.winning_task_id: (s.clearing_price_tokens, s.provider_proceeds_tokens) for s in cleared.clears} == {
        "t1": (30, 20),
        "t2": (30, 20),
    }
    assert cleared.clears[0].runner_up_task_id == "t3"
    settle_all(db, cleared)
    assert (wallet(db, "w"), wallet(db, TREASURY)) == ((40, 0), (20, 0))


def test_where_the_treasury_offers_it_gets_what_buyers_pay_in_one_transfer(db):
    open_pool(db, "trade_reduction")

    cleared = book(db, 50, 40, reserves=(0, 10), provider=TREASURY)
    settle_all(db, cleared)

    assert prices(cleared) == {"t1": 40}
    assert (wallet(db, "b1"), wallet(db, TREASURY)) == ((960, 0), (40, 0))


def test_trade_reduction_with_one_slot_sells_nothing(db):
    open_pool(db, "trade_reduction")

    cleared = book(db, 50, 40, reserves=(0,))

    assert (cleared.clears, cleared.clearing_price_tokens) == ((), None)
    assert wallet(db, "b1") == (1_000, 0)


# --- all rules keep the books


@pytest.mark.parametrize("tie_rule", ["arrival", "lottery"])
@pytest.mark.parametrize("mechanism", IN_POOLS)
def test_a_busy_pool_stays_provable_under_every_rule(db, mechanism, tie_rule):
    open_pool(db, mechanism, tie_rule=tie_rule)
    fund(db, 2_000, "b1", "b2", owner_id="team")
    fund(db, 2_000, "b3", "b4", "own")
    fund(db, 0, "w", kind="worker", owner_id="own")
    offer(db, 1, pool="pool", provider_id="w", reserve_price_tokens=20)
    rounds = []
    for turn in range(3):
        offer(db, 2, pool="pool", reserve_price_tokens=5 * turn)
        bids = [
            bid(db, who, f"{who}-{turn}-{n}", price, pool="pool", time_in_force=force, ttl_at=after(50))
            for who, offers in {
                "b1": ((60, "round"), (50, "gtt"), (40, "round")),
                "b2": ((50, "round"), (50, "gtt")),
                "b3": ((50, "round"), (30, "gtt"), (30, "round")),
                "b4": ((10, "gtt"), (55, "round")),
                "own": ((99, "gtt"), (45, "round")),
            }.items()
            for n, (price, force) in enumerate(offers)
        ]
        # The same task twice, and a change of mind.
        bid(db, "b4", bids[0].task_id, 70, pool="pool")
        compute_auction.cancel_bid(bids[2].id, now=after(turn), db=db)
        rounds.append(clear(db, after(turn), pool="pool"))
        for number, sold in enumerate(rounds[-1].clears):
            (void if number else settle)(db, sold, now=after(turn))
    # Later changes leave earlier rounds as they were: that they recompute is checked when this test ends.
    for one in compute_auction.get_order_book(pool="pool", now=after(3), db=db)["bids"][:3]:
        bid(db, one["bidder_id"], one["task_id"], one["max_price_tokens"] + 1, pool="pool", ttl_at=after(50))
    compute_auction.refund_unfilled(after(51), db=db)
    compute_auction.write_decided_bids(pool="pool", now=after(52), db=db)

    assert sum(r.sold for r in rounds) >= 2
    for r in rounds:
        for sold in r.clears:
            assert sold.clearing_price_tokens <= sold.max_price_tokens
            assert sold.provider_proceeds_tokens <= sold.clearing_price_tokens

"""Lists that readers turn the pages of: rounds, sales, the bids of a round and of a bidder."""

from __future__ import annotations

import pytest

from scidex.errors import InvalidArgument, UnknownAccount, UnknownPool, UnknownRound
from scidex.exchange import backlog, compute_auction, token_ledger


@pytest.fixture
def market(db):
    """Two rounds: ada wins both of one slot at 60 and 70, bob loses both."""
    for name in ("ada", "bob"):
        token_ledger.create_account(name, db=db)
        token_ledger.mint(name, 1_000, db=db)
    for first, second in ((90, 60), (80, 70)):
        compute_auction.offer_slots(1, db=db)
        compute_auction.place_bid("ada", f"ada wants {first}", first, db=db)
        compute_auction.place_bid("bob", f"bob wants {second}", second, db=db)
        compute_auction.clear_round(db=db)
    return db


def test_rounds_are_told_newest_first_page_by_page(market):
    [newest] = compute_auction.list_rounds(limit=1, db=market)
    [older] = compute_auction.list_rounds(before=newest.round_id, db=market)

    assert (newest.clearing_price_tokens, older.clearing_price_tokens) == (70, 60)
    assert (newest.slots, newest.bids, newest.sold) == (1, 2, 1)
    assert compute_auction.list_rounds(before=older.round_id, db=market) == []


def test_sales_are_told_newest_first_page_by_page(market):
    [newest] = compute_auction.list_clears(limit=1, db=market)
    rest = compute_auction.list_clears(before_round=newest.round_id, before_bid=newest.bid_id, db=market)

    assert [sale.clearing_price_tokens for sale in [newest, *rest]] == [70, 60]


def test_a_page_of_sales_may_end_within_a_round(db):
    token_ledger.create_account("ada", db=db)
    token_ledger.mint("ada", 1_000, db=db)
    compute_auction.offer_slots(3, db=db)
    for task in "abc":
        compute_auction.place_bid("ada", task, 9, db=db)
    compute_auction.clear_round(db=db)

    first = compute_auction.list_clears(limit=2, db=db)
    rest = compute_auction.list_clears(before_round=first[-1].round_id, before_bid=first[-1].bid_id, db=db)

    assert [sale.winning_task_id for sale in first + rest] == ["c", "b", "a"]


def test_a_rounds_bids_are_told_best_first_as_they_stand(market):
    [newest, _] = compute_auction.list_rounds(db=market)

    bids = compute_auction.list_round_bids(newest.round_id, db=market)

    assert [(bid.bidder_id, bid.max_price_tokens, bid.status) for bid in bids] == [
        ("ada", 80, "won"),
        ("bob", 70, "lost"),
    ]


def test_a_winner_finds_the_slots_it_holds_and_no_settled_ones(market):
    first, second = compute_auction.list_won_slots("ada", db=market)
    compute_auction.settle(first.slot_id, 10, 1.0, db=market)

    assert [slot.slot_id for slot in compute_auction.list_won_slots("ada", db=market)] == [second.slot_id]
    assert compute_auction.list_won_slots("bob", db=market) == []


def test_a_bidder_finds_its_open_bids_and_no_decided_ones(market):
    compute_auction.place_bid("bob", "next", 5, db=market)
    compute_auction.place_bid("bob", "dearer", 7, time_in_force="gtt", db=market)

    assert [bid.task_id for bid in compute_auction.list_open_bids("bob", db=market)] == ["dearer", "next"]
    assert compute_auction.list_open_bids("ada", db=market) == []


def test_pools_are_told_by_name(db):
    compute_auction.create_pool("gpu", mechanism="vickrey", db=db)

    assert [pool.pool for pool in compute_auction.list_pools(db=db)] == ["gpu", "scidex-agent"]


def test_what_each_bidder_paid_and_achieved_is_summed_without_voided_slots(market):
    first, second = compute_auction.list_won_slots("ada", db=market)
    compute_auction.settle(first.slot_id, 10, 2.5, db=market)
    compute_auction.void(second.slot_id, db=market)

    [ada] = compute_auction.get_bidder_stats(db=market)

    assert ada == ("ada", 1, 60, 10, 2.5)


def test_wallets_are_told_page_by_page_with_what_is_held(market):
    compute_auction.place_bid("bob", "next", 5, db=market)

    wallets = token_ledger.list_wallets(after="ada", limit=1, db=market)

    assert [(one.account_id, one.kind, one.balance, one.held, one.available) for one in wallets] == [
        ("bob", "agent", 1_000, 5, 995)
    ]


def test_tasks_are_counted_by_quest_and_status_and_named_where_known(db):
    backlog.add_quest("q", db=db)
    backlog.add_task("a", "q", "First", db=db)
    backlog.add_task("b", "q", "Second", depends_on=["a"], db=db)

    assert backlog.count_tasks(db=db) == {"q": {"open": 1, "blocked": 1}}
    assert backlog.get_titles(["a", "elsewhere"], db=db) == {"a": "First"}


@pytest.mark.parametrize(
    ("ask", "refusal"),
    [
        (lambda db: compute_auction.list_rounds(pool="nowhere", db=db), UnknownPool),
        (lambda db: compute_auction.list_clears(pool="nowhere", db=db), UnknownPool),
        (lambda db: compute_auction.list_clears(before_round="7", db=db), InvalidArgument),
        (lambda db: compute_auction.list_rounds(limit=0, db=db), InvalidArgument),
        (lambda db: compute_auction.list_round_bids(7, db=db), UnknownRound),
        (lambda db: compute_auction.list_won_slots("nobody", db=db), UnknownAccount),
        (lambda db: compute_auction.list_open_bids("nobody", db=db), UnknownAccount),
    ],
)
def test_what_is_unknown_is_refused(db, ask, refusal):
    with pytest.raises(refusal):
        ask(db)

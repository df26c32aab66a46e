"""Ties are drawn by a seed that was committed to before the round, is revealed with it, and can be checked by hand."""

from __future__ import annotations

import hashlib

import pytest

from scidex.errors import UnknownRound
from scidex.exchange import compute_auction
from scidex.exchange.compute_auction import check_lottery, configure_pool, get_pool
from tests.market import NOON, bid, clear, fund, offer

NAMES = [f"agent:{name}" for name in ("ann", "bea", "cem", "dag", "eve")]


@pytest.fixture
def tied(db):
    """Five agents that bid 10 each for two slots, in a recommended market; the commitment, and the cleared round."""
    configure_pool(now=NOON, db=db)
    fund(db, 100, *NAMES)
    noted = get_pool(db=db).seed_commitment
    for name in NAMES:
        bid(db, name, f"task of {name}", 10)
    offer(db, 2)
    return noted, clear(db)


def test_a_recommended_market_draws_its_ties(db, tied):
    assert get_pool(db=db).tie_rule == "lottery"
    assert tied[1].tie_rule == "lottery"


def test_the_seed_that_is_revealed_is_the_one_that_was_committed_to(db, tied):
    noted, cleared = tied
    lottery = check_lottery(cleared.round_id, noted, db=db)

    assert (lottery.kept, lottery.seed_commitment, lottery.seed) == (True, noted, cleared.seed)
    assert check_lottery(cleared.round_id, "another hash", db=db).kept is False
    assert check_lottery(cleared.round_id, db=db).kept is None
    # The next round has another seed, committed to before anybody bids.
    assert get_pool(db=db).seed_commitment != noted


def test_anybody_can_draw_again_with_a_hash_function(db, tied):
    noted, cleared = tied
    assert hashlib.sha256(f"scidex seed {cleared.seed}".encode()).hexdigest() == noted

    drawn = sorted(NAMES, key=lambda name: hashlib.sha256(f"{cleared.seed} {name}".encode()).hexdigest())
    assert [owner for owner, _ in check_lottery(cleared.round_id, db=db).tickets] == drawn
    assert {sale.bidder_id for sale in cleared.clears} == set(drawn[:2])


def test_within_one_owner_the_higher_value_stands_first_and_then_arrival(db):
    configure_pool(now=NOON, db=db)
    fund(db, 100, "agent:ann")
    for task, usd in (("first", 1.0), ("dear", 9.0), ("second", 1.0)):
        bid(db, "agent:ann", task, 10, expected_value_usd=usd)
    offer(db, 2)

    assert [sale.winning_task_id for sale in clear(db).clears] == ["dear", "first"]


def test_resting_bids_come_before_round_bids_by_arrival(db):
    configure_pool(now=NOON, db=db)
    fund(db, 100, *NAMES)
    bid(db, NAMES[0], "for the round", 10)
    for name in NAMES[1:3]:
        bid(db, name, f"resting of {name}", 10, time_in_force="gtt")
    offer(db, 3)

    sold = [sale.winning_task_id for sale in clear(db).clears]
    assert sold == ["resting of agent:bea", "resting of agent:cem", "for the round"]


def test_only_a_cleared_round_is_told(db, tied):
    with pytest.raises(UnknownRound):
        check_lottery(get_pool(db=db).open_round_id, db=db)


def test_a_seed_is_never_shown_while_its_round_is_open(db, tied):
    shown = str(get_pool(db=db)) + str(compute_auction.list_pools(db=db)) + str(compute_auction.get_order_book(db=db))

    with db.reading() as tx:
        [seed] = [row["seed"] for row in tx.rows("all_pools")]
    assert seed not in shown

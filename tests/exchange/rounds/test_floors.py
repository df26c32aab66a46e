"""The floor in rounds: who waited long gets a slot at price 0, the round shrinks by it, and everything is recorded."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from scidex.bidding.calibration import record_of
from scidex.errors import InvalidArgument, JournalMismatch, UnknownQuest
from scidex.exchange import backlog, compute_auction, services, token_ledger
from scidex.exchange.compute_auction import configure_pool
from scidex.exchange.quests import track_records
from scidex.profiles import profile_named
from scidex.senate import epistemic_health
from scidex.store import connect
from scidex.store.db_writes import read_journal, replay
from tests.backlogs import JUDGE, agents, quest, run, task
from tests.databases import contents
from tests.market import NOON, TREASURY, after, bid, clear, fund, offer, prove, settle, void, wallet
from tests.raw_sql import change, query


@pytest.fixture
def poor(db):
    """A market with a floor after 3 rounds, and in it a quest without a token that is entitled to it."""
    configure_pool(floor_rounds=3, floor_most_percent=50, now=NOON, db=db)
    fund(db, 1_000, "agent:rich")
    quest(db, "poor")
    task(db, "small", 1.0, "poor")
    task(db, "large", 5.0, "poor")
    backlog.entitle_quest("poor", now=NOON, db=db)
    return "quest:poor"


def play(db, minute, *, slots=2, bids=3, **terms):
    """Hold a round in which rich bids 30, 20 and 10; return what it sold, by task."""
    for number in range(bids):
        bid(db, "agent:rich", f"rich-{minute}-{number}", 10 * (bids - number), now=after(minute))
    offer(db, slots, now=after(minute), **terms)
    return clear(db, after(minute))


def floor_clears(db):
    sql = "SELECT slot_id, winning_task_id, clearing_price_tokens FROM compute_auction_clears WHERE bid_id < 0"
    return [tuple(row.values()) for row in query(db, sql)]


def test_a_quest_without_a_token_gets_a_slot_in_its_third_round_without_one(db, poor):
    for minute in (1, 2):
        assert play(db, minute).clearing_price_tokens == 10
    third = play(db, 3)

    # One of two slots went to the floor, so that one is left to bid for: the price is the second best bid.
    assert third.clearing_price_tokens == 20
    assert [(sale.winning_task_id, sale.clearing_price_tokens) for sale in third.clears] == [
        ("rich-3-0", 20),
        ("large", 0),
    ]
    assert (third.slots, third.sold) == (2, 2)
    assert third.clears[1].reason == "floor: quest poor had no slot for 3 rounds"
    assert compute_auction.get_round(third.round_id, db=db) == third
    assert wallet(db, poor) == (0, 0)


def test_what_the_floor_gave_is_run_and_settled_like_a_sale_at_price_0(db, poor):
    agents(db, "agent:worker")
    for minute in (1, 2, 3):
        play(db, minute)
    [sale] = compute_auction.list_won_slots(poor, db=db)

    settled = settle(db, sale.slot_id, 40, 2.0, attested_by="evaluator:ci", now=after(4))

    assert (settled.status, settled.clearing_price_tokens) == ("settled", 0)
    assert settled.reason == "floor: quest poor had no slot for 3 rounds"
    assert backlog.get_task("large", db=db).status == "done"
    assert wallet(db, TREASURY)[0] == 0


def test_a_slot_of_the_floor_that_dies_is_voided_and_its_task_is_open_again(db, poor):
    for minute in (1, 2, 3):
        play(db, minute)
    [sale] = compute_auction.list_won_slots(poor, db=db)
    services.start(services.won_slots(poor, db=db)[0], now=after(3), db=db)

    assert void(db, sale.slot_id, reason="worker lost", now=after(4)).status == "voided"
    assert backlog.get_task("large", db=db).status == "open"


def test_whoever_got_a_slot_waits_anew(db, poor):
    gifts = []
    for minute in range(1, 9):
        gifts += [minute for sale in play(db, minute).clears if sale.bid_id < 0]
        for sale in compute_auction.list_won_slots(poor, db=db):
            settle(db, sale, now=after(minute))

    assert gifts == [3, 6]
    # Both its tasks are done: nothing is given to a quest without an open one.
    assert play(db, 9).clearing_price_tokens == 10


def test_winning_a_slot_by_itself_ends_the_wait(db, poor):
    play(db, 1)
    token_ledger.mint(poor, 50, now=NOON, db=db)
    bid(db, poor, "small", 40, now=after(2))
    assert "small" in {sale.winning_task_id for sale in play(db, 2).clears}
    for minute in (3, 4):
        assert all(sale.bid_id > 0 for sale in play(db, minute).clears)
    assert play(db, 5).clears[1].winning_task_id == "large"


def test_nobody_is_served_without_being_entitled(db, poor):
    backlog.entitle_quest("poor", False, now=NOON, db=db)

    for minute in range(1, 6):
        play(db, minute)
    assert floor_clears(db) == []


def test_a_pool_without_a_floor_serves_nobody(db, poor):
    configure_pool("scidex-agent", "brief", now=NOON, db=db)

    for minute in range(1, 6):
        play(db, minute)
    assert floor_clears(db) == []


def test_only_slots_of_the_treasury_are_given_away(db, poor):
    fund(db, 0, "agent:provider")

    for minute in range(1, 5):
        play(db, minute, provider_id="agent:provider")
    assert floor_clears(db) == []
    assert play(db, 5).clears[1].provider_id == TREASURY


def test_the_floor_keeps_to_its_part_of_the_slots(db, poor):
    configure_pool(floor_rounds=3, floor_most_percent=10, now=NOON, db=db)
    backlog.set_quest("poor", status="active", now=NOON, db=db)

    # A tenth of two slots a round: the first whole one is saved up in the fifth round.
    gifts = [minute for minute in range(1, 7) for sale in play(db, minute).clears if sale.bid_id < 0]
    assert gifts == [5]


def test_a_bid_for_the_task_that_the_floor_served_does_not_win_a_second_slot(db, poor):
    token_ledger.mint(poor, 500, now=NOON, db=db)
    for minute in (1, 2):
        play(db, minute)
    own = bid(db, poor, "large", 400, now=after(3))
    third = play(db, 3)

    assert [sale.winning_task_id for sale in third.clears] == ["rich-3-0", "large"]
    explained = compute_auction.explain(own.id, db=db)
    assert (explained.status, explained.reason) == ("lost", "task_running")
    assert wallet(db, poor) == (500, 0)


def test_the_only_slot_may_go_to_the_floor_and_then_nothing_is_sold(db, poor):
    for minute in (1, 2):
        play(db, minute, slots=1)
    third = play(db, 3, slots=1)

    assert (third.slots, third.sold, third.clearing_price_tokens) == (1, 1, None)
    assert wallet(db, "agent:rich")[1] == 2 * 20  # the two slots it won before; nothing is held for bids that lost


def test_whoever_lost_is_told_that_the_floor_gave_a_slot_away(db, poor):
    for minute in (1, 2):
        play(db, minute, slots=1)
    lost = bid(db, "agent:rich", "dear", 77, now=after(3))
    play(db, 3, slots=1)

    told = compute_auction.explain(lost.id, now=after(3), db=db)
    assert "number 1 of the bids for 0 slots, beside one that the floor gave away" in told.sentence
    assert told.price_to_win_tokens is None


def test_a_dry_run_gives_nothing_away(db, poor):
    for minute in (1, 2):
        play(db, minute)
    bid(db, "agent:rich", "t", 5, now=after(3))
    offer(db, 2, now=after(3))
    tried = clear(db, after(3), dry_run=True)

    assert floor_clears(db) == []
    assert tried._replace(digest="") == clear(db, after(3))._replace(digest="")


def test_the_round_remembers_why_the_floor_served(db, poor):
    last = [play(db, minute) for minute in (1, 2, 3)][-1]

    [row] = query(db, f"SELECT book FROM compute_auction_rounds WHERE round_id = {last.round_id}")
    gift = json.loads(row["book"])["floor"]
    assert (gift["quest_id"], gift["task_id"], gift["waited_rounds"]) == ("poor", "large", 3)


@pytest.mark.tampers
def test_a_gift_that_was_changed_afterwards_is_found_out(db, poor):
    last = [play(db, minute) for minute in (1, 2, 3)][-1]
    change(db, "UPDATE compute_auction_clears SET winning_task_id = 'small' WHERE bid_id < 0")

    with pytest.raises(JournalMismatch, match="recomputed to other clears"):
        compute_auction.recompute(last.round_id, db=db)


def test_entitling_takes_a_known_quest_and_a_truth_value(db, poor):
    with pytest.raises(UnknownQuest):
        backlog.entitle_quest("nobody", db=db)
    with pytest.raises(InvalidArgument):
        backlog.entitle_quest("poor", 1, db=db)


def test_an_agent_runs_what_the_floor_gave_its_quest(db, poor):
    for minute in (1, 2, 3):
        play(db, minute)
    [work] = services.won_slots(poor, db=db)

    finished = run(db, work, at=after(4))
    assert finished.task_status == "done"


def test_what_the_floor_gave_counts_in_the_quests_record_by_what_it_claimed_then(db, poor):
    """Else a bidder whose claims are distrusted wins nothing, shows nothing, and is distrusted for ever."""
    agents(db)
    for minute in (1, 2):
        play(db, minute)
    [given] = [clear for clear in play(db, 3).clears if clear.bidder_id == poor]
    backlog.put_tasks([{"task_id": "large", "quest_id": "poor", "expected_value_usd": 0.01}], now=after(3), db=db)
    compute_auction.settle(given.slot_id, 1, 4.0, attested_by=JUDGE, now=after(3), db=db)

    [health] = [one for one in epistemic_health.report(now=after(4), db=db) if one.bidder_id == poor]
    with db.reading() as tx:
        scores = track_records.read(tx, profile_named("recommended"), after(4))

    assert (health.sample_size, health.claimed_usd, health.realised_usd) == (1, 5.0, 4.0)
    assert scores.records[poor] == record_of([(5.0, 4.0)], profile_named("recommended"))
    prove(db)


# --- where others provide the slots


SELLER = "worker:seller"


@pytest.fixture
def seller(db, poor):
    """An account that sells all slots of the pool; the treasury has 100 tokens."""
    agents(db, SELLER)
    token_ledger.mint(TREASURY, 100, now=NOON, db=db)
    return SELLER


def test_where_others_provide_the_treasury_buys_the_floors_slot_at_the_rounds_price(db, poor, seller):
    for minute in (1, 2):
        play(db, minute, provider_id=seller)
    third = play(db, 3, provider_id=seller)

    assert [(sale.winning_task_id, sale.clearing_price_tokens, sale.reason) for sale in third.clears] == [
        ("rich-3-0", 20, ""),
        ("large", 0, "floor: quest poor had no slot for 3 rounds; the treasury pays 20 tokens for it"),
    ]
    assert wallet(db, TREASURY) == (100, 20)
    for sale in third.clears:
        settle(db, sale, now=after(4))
    assert (wallet(db, TREASURY), wallet(db, seller), wallet(db, poor)) == ((80, 0), (40, 0), (0, 0))
    assert compute_auction.recompute(third.round_id, db=db) == third


def test_a_slot_that_the_treasury_bought_and_that_dies_costs_it_nothing(db, poor, seller):
    for minute in (1, 2, 3):
        play(db, minute, provider_id=seller)
    [sale] = compute_auction.list_won_slots(poor, db=db)

    void(db, sale.slot_id, reason="worker lost", now=after(4))

    assert (wallet(db, TREASURY), wallet(db, seller)) == ((100, 0), (0, 0))
    assert backlog.get_task("large", db=db).status == "open"


def test_the_treasury_buys_nothing_beyond_what_it_has(db, poor, seller):
    token_ledger.transfer(debit=TREASURY, credit="agent:rich", amount_tokens=81, reason="spent", now=NOON, db=db)
    for minute in (1, 2):
        play(db, minute, provider_id=seller)
    third = play(db, 3, provider_id=seller)  # it has 19, and the price would be 20

    assert [(sale.winning_task_id, sale.clearing_price_tokens) for sale in third.clears] == [
        ("rich-3-0", 10),
        ("rich-3-1", 10),
    ]
    token_ledger.transfer(debit="agent:rich", credit=TREASURY, amount_tokens=1, reason="paid", now=NOON, db=db)
    assert play(db, 4, provider_id=seller).clears[1].winning_task_id == "large"
    assert wallet(db, TREASURY) == (20, 20)


@pytest.mark.parametrize(("bids", "price"), [(0, 7), (1, 7), (3, 20)])
def test_a_provider_gets_no_less_than_its_reserve(db, poor, seller, bids, price):
    for minute in (1, 2):
        play(db, minute, bids=bids, provider_id=seller, reserve_price_tokens=7)
    third = play(db, 3, bids=bids, provider_id=seller, reserve_price_tokens=7)

    assert third.clears[-1].winning_task_id == "large"
    assert wallet(db, TREASURY) == (100, price)


def test_the_treasurys_own_slot_is_given_away_before_it_buys_one(db, poor, seller):
    for minute in (1, 2):
        play(db, minute, provider_id=seller)
    offer(db, 1, now=after(3))
    third = play(db, 3, provider_id=seller)

    gift = third.clears[-1]
    assert (gift.winning_task_id, gift.provider_id) == ("large", TREASURY)
    assert wallet(db, TREASURY) == (100, 0)


def test_nobody_sells_the_floor_a_slot_for_a_quest_of_their_own(db, poor):
    token_ledger.mint(TREASURY, 100, now=NOON, db=db)
    token_ledger.create_account("worker:own", kind="worker", owner_id=poor, now=NOON, db=db)

    for minute in (1, 2, 3, 4):
        assert all(sale.bid_id > 0 for sale in play(db, minute, provider_id="worker:own").clears)


def test_whose_slot_the_floor_buys_does_not_bid_for_the_price_of_it(db, poor, seller):
    token_ledger.mint(seller, 1_000, now=NOON, db=db)
    for minute in (1, 2):
        play(db, minute, slots=1, provider_id=seller)
    offer(db, 1, now=after(3), provider_id=seller)
    offer(db, 1, now=after(3), provider_id="agent:rich")
    bid(db, seller, "shill", 90, now=after(3))
    bid(db, seller, "another", 80, now=after(3))
    third = clear(db, after(3))

    assert [sale.winning_task_id for sale in third.clears] == ["large"]
    assert wallet(db, TREASURY) == (100, 0)


def test_journals_from_before_the_treasury_bought_for_the_floor_replay(db, poor, tmp_path):
    """They say nothing of what the floor chose where the treasury had no slot on offer."""
    agents(db, SELLER)
    for minute in (1, 2, 3):  # the treasury could buy nothing then, and in a replay may not
        play(db, minute, provider_id=SELLER)
    entries = [
        replace(entry, generated={name: made for name, made in entry.generated.items() if name != "floor"})
        for entry in read_journal(db)
    ]
    with connect(f"sqlite:///{tmp_path}/copy.db") as copy:
        replay(iter(entries), copy)
        assert contents(copy)["compute_auction_rounds"] == contents(db)["compute_auction_rounds"]
        assert contents(copy)["market_floors"] == contents(db)["market_floors"]

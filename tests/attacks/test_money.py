"""Attacks on money: many quests, own accounts, new accounts, false claims, and hoards."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scidex.errors import AttesterNotIndependent
from scidex.exchange import backlog, compute_auction, cycle, token_ledger
from scidex.exchange.compute_auction import configure_pool
from tests.backlogs import JUDGE, agents, quest, task
from tests.market import NOON, after, bid, clear, fund, offer, settle, wallet
from tests.raw_sql import query

# A fixed bucket, so that a person can follow the numbers; shared, capped and served as `recommended` does it.
PLAIN = {"income": "fixed", "daily_bucket_tokens": 1_000, "strategy": "clamp", "calibrate": False, "rank_cap": False}


@pytest.fixture
def twins(db):
    """Two quests alike, of two owners, each with a task; ada is honest."""
    agents(db)
    configure_pool("scidex-agent", "recommended", **PLAIN, now=NOON, db=db)
    for name in ("ada", "eve"):
        quest(db, name, owner_id=name)
        task(db, f"{name}-stays", 0.0, name)


def pay(db, day):
    """Pay the income of a day, counted from the first."""
    return cycle.run_cycle("scidex-agent", NOON + timedelta(days=day), strategy="clamp", db=db).income_tokens


def tokens_of(db, owner):
    """All tokens of an owner."""
    return sum(one.balance for one in token_ledger.list_wallets(db=db) if one.owner_id == owner)


def win(db, account_id, task_id, price, impact, *, quest_id=None, rival=0, claims=0.0, at=NOON):
    """Let an account win a slot at its rival's price, and its impact be attested."""
    task(db, task_id, claims, quest_id or account_id.removeprefix("quest:"))
    bid(db, account_id, task_id, price, expected_value_usd=claims, now=at)
    if rival:
        bid(db, "agent:rival", f"rival of {task_id}", rival, now=at)
    [slot] = offer(db, now=at)
    clear(db, at)
    settle(db, slot, 5, impact, attested_by=JUDGE, now=at)
    return slot.slot_id


def test_24_sybil_quests_without_the_operators_word_get_nothing_of_the_floor(db):
    """The floor serves whom the operator entitled; names alone are served nothing."""
    configure_pool(floor_rounds=3, now=NOON, db=db)
    fund(db, 1_000, "agent:ann")
    for number in range(24):
        quest(db, f"sybil-{number}", owner_id="eve")
        task(db, f"sybil-task-{number}", 1.0, f"sybil-{number}")
    for minute in range(1, 9):
        offer(db, 2, now=after(minute))
        clear(db, after(minute))

    assert query(db, "SELECT slot_id FROM compute_auction_clears") == []


def test_24_sybil_quests_that_the_operator_entitled_get_a_tenth_of_the_slots(db):
    """Even entitled by mistake they take 10 in a hundred of the slots; whoever pays gets the others."""
    configure_pool(floor_rounds=6, now=NOON, db=db)
    fund(db, 10_000, "agent:ann")
    for number in range(24):
        quest(db, f"sybil-{number}", owner_id="eve")
        task(db, f"sybil-task-{number}", 1.0, f"sybil-{number}")
        backlog.entitle_quest(f"sybil-{number}", now=NOON, db=db)
    won = []
    for minute in range(1, 41):
        for number in range(3):
            bid(db, "agent:ann", f"{minute}-{number}", 10, now=after(minute))
        offer(db, 2, now=after(minute))
        won += [sale.bidder_id for sale in clear(db, after(minute)).clears]

    assert len(won) == 80
    assert won.count("agent:ann") == 72  # 8 of 80 slots went to the floor


def test_24_sybil_quests_draw_the_base_income_of_one(db, twins):
    """An owner counts once in the share by priority: 23 more quests gain nothing."""
    for number in range(23):
        quest(db, f"sybil-{number}", owner_id="eve")
        task(db, f"sybil-task-{number}", 0.0, f"sybil-{number}")
    pay(db, 1)

    assert (tokens_of(db, "ada"), tokens_of(db, "eve")) == (500, 500)


def test_cycling_transfers_between_own_accounts_saves_nothing_from_the_cap(db, twins):
    """Eve sends her hoard round three accounts before each income; Ada keeps hers where it is. Both are burnt alike."""
    token_ledger.mint("quest:ada", 9_000, now=NOON, db=db)
    token_ledger.mint("quest:eve", 9_000, now=NOON, db=db)
    fund(db, 0, "agent:eve-1", "agent:eve-2", owner_id="eve")
    ring = ["quest:eve", "agent:eve-1", "agent:eve-2"]
    for day in (1, 2, 3):
        spare = token_ledger.get_balance(ring[0], db=db).available
        if spare:
            token_ledger.transfer(ring[0], ring[1], spare, now=NOON + timedelta(days=day - 1), db=db)
        ring = [*ring[1:], ring[0]]
        pay(db, day)

        assert (tokens_of(db, "ada"), tokens_of(db, "eve")) == (3_500, 3_500)


def test_transfers_between_own_accounts_earn_nothing(db, twins):
    """Income goes by priority and attested impact, and tokens that come and go are neither."""
    fund(db, 0, "agent:eve-1", owner_id="eve")
    pay(db, 1)
    for number in range(10):
        way = ("quest:eve", "agent:eve-1") if number % 2 == 0 else ("agent:eve-1", "quest:eve")
        token_ledger.transfer(*way, 500, now=NOON + timedelta(days=1), db=db)
    pay(db, 2)

    assert (tokens_of(db, "ada"), tokens_of(db, "eve")) == (1_000, 1_000)


def test_what_a_bid_holds_over_midnight_is_saved_from_the_cap_for_as_long_as_it_holds(db, twins):
    """A bid that rests over midnight shields what it holds; cancelled, it is burnt a day later. It gains one day."""
    token_ledger.mint("quest:eve", 9_000, now=NOON, db=db)
    terms = {"time_in_force": "gtt", "ttl_at": NOON + timedelta(days=9)}
    shield = bid(db, "quest:eve", "nothing", 8_000, **terms)
    pay(db, 1)
    assert wallet(db, "quest:eve") == (8_000, 8_000)

    compute_auction.cancel_bid(shield.id, now=NOON + timedelta(days=1), db=db)
    pay(db, 2)
    assert wallet(db, "quest:eve") == (3_500, 0)


def test_a_hoard_that_is_dumped_buys_seven_days_of_a_share(db, twins):
    """Eve saves for 20 days and spends all at once: she has 7 days' worth, and not 20."""
    for day in range(1, 21):
        pay(db, day)
    assert tokens_of(db, "eve") == 7 * 500

    fund(db, 10_000, "agent:rival")
    at = NOON + timedelta(days=20)
    for number in range(8):
        bid(db, "quest:eve", f"dump-{number}", 3_500 // 8, now=at)
        bid(db, "agent:rival", f"r{number}", 400, now=at)
    offer(db, 8, now=at)
    cleared = clear(db, at)
    assert cleared.sold * (cleared.clearing_price_tokens or 0) <= 3_500


def test_a_new_account_of_the_same_owner_leaves_no_arrears_behind(db, twins):
    """Arrears follow the owner: half of what the new account earns pays what the old one owes."""
    slot = win_at_no_price(db, "eve")
    pay(db, 1)
    token_ledger.transfer("quest:eve", "quest:ada", 850, now=NOON + timedelta(days=1), db=db)
    compute_auction.attest(slot, 0.0, JUDGE, now=NOON + timedelta(days=1), db=db)
    assert query(db, "SELECT account_id, owed_tokens FROM token_arrears") == [
        {"account_id": "quest:eve", "owed_tokens": 700}
    ]

    backlog.set_quest("eve", status="paused", now=NOON + timedelta(days=1), db=db)
    quest(db, "eve-anew", owner_id="eve")
    task(db, "anew", 0.0, "eve-anew")
    pay(db, 2)
    assert wallet(db, "quest:eve-anew") == (250, 0)
    assert query(db, "SELECT owed_tokens FROM token_arrears") == [{"owed_tokens": 450}]


def win_at_no_price(db, quest_id):
    """Let a quest win a slot alone, its impact attested at 1 USD."""
    task(db, f"{quest_id} earns", 0.0, quest_id)
    token_ledger.mint(f"quest:{quest_id}", 10, now=NOON, db=db)
    bid(db, f"quest:{quest_id}", f"{quest_id} earns", 10)
    [slot] = offer(db)
    clear(db)
    settle(db, slot, 5, 1.0, attested_by=JUDGE)
    token_ledger.burn(f"quest:{quest_id}", 10, now=NOON, db=db)
    return slot.slot_id


def test_whitewashing_under_an_owner_the_operator_does_not_know_gains_what_was_owed(db, twins):
    """A stranger owes nothing: what it costs is that it has no tokens, no priority and no record."""
    slot = win_at_no_price(db, "eve")
    pay(db, 1)
    token_ledger.create_account("agent:stranger", now=NOON, db=db)
    token_ledger.transfer("quest:eve", "agent:stranger", 850, now=NOON + timedelta(days=1), db=db)
    compute_auction.attest(slot, 0.0, JUDGE, now=NOON + timedelta(days=1), db=db)
    backlog.set_quest("eve", status="paused", now=NOON + timedelta(days=1), db=db)
    pay(db, 2)

    assert wallet(db, "agent:stranger") == (850, 0)  # it kept what it took, and earns nothing more
    assert query(db, "SELECT owed_tokens FROM token_arrears") == [{"owed_tokens": 700}]


def test_inflating_expected_value_and_stopping_earns_no_income(db, twins):
    """Eve claims ten times as much as Ada for work of the same impact: she pays more, and earns the same."""
    fund(db, 10_000, "agent:rival")
    for name in ("ada", "eve"):
        token_ledger.mint(f"quest:{name}", 1_000, now=NOON, db=db)
    win(db, "quest:ada", "a", 100, 1.0, rival=60, claims=1.0)
    win(db, "quest:eve", "e", 1_000, 1.0, rival=600, claims=10.0)
    pay(db, 1)

    shares = query(db, "SELECT account_id, base_tokens, impact_tokens FROM income_shares ORDER BY account_id")
    assert [tuple(row.values()) for row in shares] == [("quest:ada", 150, 350), ("quest:eve", 150, 350)]
    assert (tokens_of(db, "ada"), tokens_of(db, "eve")) == (1_000 - 60 + 500, 1_000 - 600 + 500)


def test_impact_cannot_be_awarded_to_oneself(db, twins):
    """Neither a bidder nor an evaluator of its owner may attest, and its own word earns nothing."""
    token_ledger.create_account("evaluator:eves", kind="evaluator", owner_id="eve", now=NOON, db=db)
    token_ledger.mint("quest:eve", 10, now=NOON, db=db)
    bid(db, "quest:eve", "eve-stays", 10)
    task(db, "eve-more", 0.0, "eve")
    [slot] = offer(db)
    clear(db)

    for attester in ("quest:eve", "evaluator:eves"):
        with pytest.raises(AttesterNotIndependent):
            settle(db, slot, 5, 1_000.0, attested_by=attester)
    settle(db, slot, 5, 1_000.0)
    for attester in ("quest:eve", "evaluator:eves"):
        with pytest.raises(AttesterNotIndependent):
            compute_auction.attest(slot.slot_id, 1_000.0, attester, now=NOON, db=db)
    pay(db, 1)
    assert (tokens_of(db, "ada"), tokens_of(db, "eve")) == (500, 10 + 500)

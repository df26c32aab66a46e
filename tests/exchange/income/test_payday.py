"""A day's income by a pool's profile: once, to whom it is due, for attested impact alone, and within caps."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scidex.exchange import backlog, compute_auction, cycle, token_ledger
from scidex.exchange.compute_auction import configure_pool
from tests.backlogs import JUDGE, agents, quest, task
from tests.market import NOON, bid, clear, offer, settle, wallet
from tests.raw_sql import query

MIDNIGHT = NOON + timedelta(hours=12)
# A fixed bucket of 1,000 tokens, shared as `recommended` shares it.
PLAIN = {"income": "fixed", "daily_bucket_tokens": 1_000, "strategy": "clamp", "calibrate": False, "rank_cap": False}


@pytest.fixture
def quests(db):
    """Two quests with a task each, of which ada's counts for three, in a pool with a bucket of 1,000 tokens a day."""
    agents(db)
    configure_pool("scidex-agent", "recommended", **PLAIN, now=NOON, db=db)
    for name, priority in (("ada", 3), ("bob", 1)):
        quest(db, name, priority=priority)
        task(db, f"{name}-1", 0.0, name)


def pay(db, at=MIDNIGHT):
    """Do a cycle; return what it paid."""
    return cycle.run_cycle("scidex-agent", at, strategy="clamp", db=db).income_tokens


def earn(db, quest_id, impact, *, tokens=10, at=NOON):
    """Let a quest win a slot alone, at price 0, and its impact be attested; return the slot's id."""
    task_id = f"{quest_id} {len(backlog.list_tasks(db=db))}"
    task(db, task_id, 0.0, quest_id)
    token_ledger.mint(f"quest:{quest_id}", tokens, now=at, db=db)
    bid(db, f"quest:{quest_id}", task_id, tokens, now=at)
    [slot] = offer(db, now=at)
    clear(db, at)
    settle(db, slot, 5, impact, attested_by=JUDGE, now=at)
    return slot.slot_id


def balances(db):
    return [wallet(db, f"quest:{name}")[0] for name in ("ada", "bob")]


def reasons(db, account_id):
    return [(one.reason, one.amount_tokens) for one in reversed(token_ledger.get_transfers(account_id, db=db))]


def test_a_day_without_impact_pays_all_by_priority(db, quests):
    assert pay(db) == 1_000

    assert balances(db) == [750, 250]
    assert reasons(db, "quest:ada") == [("income scidex-agent 2026-05-02", 750)]


def test_a_day_is_paid_once(db, quests):
    assert [pay(db), pay(db, MIDNIGHT + timedelta(hours=3)), pay(db, MIDNIGHT + timedelta(days=1))] == [1_000, 0, 1_000]


def test_seventy_in_a_hundred_go_to_attested_impact(db, quests):
    earn(db, "bob", 2.0)
    earn(db, "ada", 0.5)

    assert pay(db) == 1_000
    # 300 by priority: 225 and 75. 700 by impact: a fifth and four fifths.
    assert balances(db) == [10 + 225 + 140, 10 + 75 + 560]
    shares = query(db, "SELECT account_id, base_tokens, impact_tokens FROM income_shares ORDER BY account_id")
    assert [tuple(row.values()) for row in shares] == [("quest:ada", 225, 140), ("quest:bob", 75, 560)]


def test_impact_that_nobody_attests_earns_nothing(db, quests):
    earn(db, "ada", 0.0)
    [slot] = offer(db)
    token_ledger.mint("quest:bob", 10, now=NOON, db=db)
    task(db, "bob-2", 0.0, "bob")
    bid(db, "quest:bob", "bob-2", 10)
    clear(db)
    settle(db, slot, 5, 9_000.0)
    pay(db)

    assert balances(db) == [10 + 750, 10 + 250]


def test_impact_earns_at_once_nothing_and_its_share_only_once(db, quests):
    earn(db, "bob", 2.0)
    assert balances(db) == [0, 10]

    pay(db)
    pay(db, MIDNIGHT + timedelta(days=1))
    # On the second day there is no new impact: all by priority.
    assert balances(db) == [225 + 750, 10 + 75 + 700 + 250]


def test_an_agent_that_paid_for_a_slot_earns_its_impact_share(db, quests):
    token_ledger.create_account("agent:ida", now=NOON, db=db)
    token_ledger.mint("agent:ida", 10, now=NOON, db=db)
    [slot] = offer(db)
    bid(db, "agent:ida", "hers", 10)
    clear(db)
    settle(db, slot, 5, 1.0, attested_by=JUDGE)
    pay(db)

    assert wallet(db, "agent:ida") == (710, 0)


def test_impact_that_was_lowered_before_it_was_paid_earns_by_the_lower_word(db, quests):
    slot = earn(db, "bob", 2.0)
    earn(db, "ada", 1.0)
    compute_auction.attest(slot, 1.0, JUDGE, now=NOON, db=db)
    pay(db)

    assert balances(db) == [10 + 225 + 350, 10 + 75 + 350]


def test_an_attestation_found_false_is_clawed_back(db, quests):
    slot = earn(db, "bob", 2.0)
    pay(db)
    compute_auction.attest(slot, 0.5, JUDGE, now=MIDNIGHT, db=db)

    # Three quarters of the 700 that it earned.
    assert balances(db)[1] == 10 + 75 + 700 - 525
    assert reasons(db, "quest:bob")[-1] == (f"impact taken back {slot}", 525)
    compute_auction.attest(slot, -4.0, JUDGE, now=MIDNIGHT, db=db)
    assert balances(db)[1] == 10 + 75


def test_a_word_that_is_raised_again_earns_what_it_adds(db, quests):
    slot = earn(db, "bob", 2.0)
    pay(db)
    for impact in (0.5, 1.0):
        compute_auction.attest(slot, impact, JUDGE, now=MIDNIGHT, db=db)
    pay(db, MIDNIGHT + timedelta(days=1))

    # What it adds counts on the next day, against all other impact of that day: here it is alone.
    assert balances(db)[1] == 10 + 75 + 175 + 75 + 700
    assert query(db, "SELECT impact_usd, counted_usd FROM attested_impacts") == [
        {"impact_usd": 1.0, "counted_usd": 1.0}
    ]


def test_what_cannot_be_taken_back_is_owed_and_half_of_later_income_pays_it(db, quests):
    slot = earn(db, "bob", 2.0)
    pay(db)
    token_ledger.transfer("quest:bob", "quest:ada", 700, now=MIDNIGHT, db=db)
    compute_auction.attest(slot, 0.0, JUDGE, now=MIDNIGHT, db=db)

    assert balances(db)[1] == 0
    assert query(db, "SELECT owed_tokens FROM token_arrears") == [{"owed_tokens": 700 - 85}]
    pay(db, MIDNIGHT + timedelta(days=1))
    assert balances(db)[1] == 125
    assert reasons(db, "quest:bob")[-1] == ("arrears scidex-agent 2026-05-03", 125)
    assert query(db, "SELECT owed_tokens FROM token_arrears") == [{"owed_tokens": 490}]


def test_a_wallet_keeps_seven_days_of_a_fair_share(db, quests):
    token_ledger.mint("quest:bob", 5_000, now=NOON, db=db)
    pay(db)

    # A quarter of 1,000 a day, for seven days.
    assert balances(db) == [750, 1_750]
    assert reasons(db, "quest:bob")[-1] == ("cap scidex-agent 2026-05-02", 3_500)


def test_what_is_held_is_not_burnt(db, quests):
    token_ledger.mint("quest:bob", 5_000, now=NOON, db=db)
    bid(db, "quest:bob", "elsewhere", 4_000, time_in_force="gtt", ttl_at=MIDNIGHT + timedelta(days=1))
    pay(db)

    assert wallet(db, "quest:bob") == (4_000, 4_000)


def test_an_owner_is_capped_over_all_its_accounts(db):
    configure_pool("scidex-agent", "recommended", **PLAIN, now=NOON, db=db)
    quest(db, "ada", owner_id="ada")
    task(db, "t", 0.0, "ada")
    token_ledger.create_account("agent:hers", owner_id="ada", now=NOON, db=db)
    token_ledger.mint("agent:hers", 9_000, now=NOON, db=db)
    pay(db)

    # 10,000 in all, of which 7,000 stay: the quest's own 1,000 are burnt first.
    assert (wallet(db, "quest:ada")[0], wallet(db, "agent:hers")[0]) == (0, 7_000)


def test_one_owner_draws_one_share_however_many_quests_it_runs(db, quests):
    for number in range(24):
        quest(db, f"sybil-{number}", owner_id="eve")
        task(db, f"sybil-task-{number}", 0.0, f"sybil-{number}")
    pay(db)

    # Three, one and one parts: hers is a fifth, not 24 of 28.
    assert balances(db) == [600, 200]
    assert sum(wallet(db, f"quest:sybil-{number}")[0] for number in range(24)) == 200


def test_the_brief_pays_its_bucket_by_quest_and_refills_at_once(db):
    agents(db)
    configure_pool("scidex-agent", "brief", daily_bucket_tokens=500, now=NOON, db=db)
    for name in ("ada", "bob"):
        quest(db, name, owner_id="eve")
        task(db, f"{name}-1", 0.0, name)
    earn(db, "bob", 2.0)

    assert balances(db) == [0, 10 + 1_400]
    assert pay(db) == 500
    assert balances(db) == [250, 10 + 1_400 + 250]
    assert query(db, "SELECT * FROM attested_impacts") == []


# --- indexed income


INDEXED = {"income_index": 0.5, "price_level_start": 100, "price_level_weight": 0.5, "calibrate": False}


@pytest.fixture
def indexed(db):
    """A quest with tasks that claim 1 USD each, in a pool whose income is indexed at a half."""
    configure_pool("scidex-agent", "recommended", **INDEXED, now=NOON, db=db)
    quest(db, "ada", 5_000)
    for number in range(9):
        task(db, f"t{number}", 1.0, "ada")


def cycle_at(db, hours, slots=0):
    at = NOON + timedelta(hours=hours)
    if slots:
        offer(db, slots, now=at)
    return cycle.run_cycle("scidex-agent", at, db=db)


def level(db):
    return [row["level_tokens"] for row in query(db, "SELECT level_tokens FROM market_price_levels")]


def test_the_price_level_follows_what_slots_would_cost_without_limits(db, indexed):
    cycle_at(db, 1, slots=2)
    # Tasks are worth 1,000 tokens and would be bid for with 600: 100 + 0.5 × (600 − 100).
    assert level(db) == [350.0]
    cycle_at(db, 2, slots=2)
    assert level(db) == [475.0]


def test_rounds_without_slots_or_with_slots_for_everybody_do_not_move_it(db, indexed):
    cycle_at(db, 1)
    cycle_at(db, 2, slots=20)

    assert level(db) == []


def test_the_first_bucket_fits_the_slots_on_offer_and_the_price_level(db, indexed):
    # Four slots, each once an hour, half of which at 100 tokens each are income.
    assert cycle_at(db, 1, slots=4).income_tokens == 0.5 * 96 * 100


def test_a_market_without_a_fleet_begins_with_a_bucket_for_one_slot(db, indexed):
    assert cycle_at(db, 1).income_tokens == 0.5 * 24 * 100


def test_the_first_bucket_grows_with_what_is_sold_on_that_day(db, indexed):
    assert cycle_at(db, 0, slots=1).income_tokens == 1_200
    # At an unchanged pace nothing is added; at twice the pace what the bucket has grown by, for the rest of the day.
    assert cycle_at(db, 1, slots=4).income_tokens == 0
    grown = cycle_at(db, 1.5).income_tokens

    [run] = query(db, "SELECT bucket_tokens FROM income_runs")
    [moved] = level(db)
    assert run["bucket_tokens"] == int(0.5 * 96 * moved)
    assert grown == int((run["bucket_tokens"] - 1_200) * 10.5 / 24)
    assert cycle_at(db, 2).income_tokens == 0


def test_later_buckets_buy_a_part_of_the_days_slots_at_the_price_level(db, indexed):
    cycle_at(db, 1, slots=3)
    cycle_at(db, 3, slots=3)
    paid = cycle_at(db, 13).income_tokens

    # Six slots in two hours are 72 a day, half of which at 475 tokens each are income.
    assert level(db) == [475.0]
    assert paid == 0.5 * 72 * 475
    runs = query(db, "SELECT day, slots_of_day, price_level_tokens FROM income_runs ORDER BY day")
    assert [tuple(row.values()) for row in runs] == [("2026-05-01", 72, 100.0), ("2026-05-02", 72, 475.0)]


# --- in the course of a day

EVENING = NOON + timedelta(hours=6)


@pytest.mark.parametrize("profile", ["recommended", None])
def test_a_quest_that_joins_is_paid_its_part_at_once(db, profile, monkeypatch):
    monkeypatch.setenv("SCIDEX_DAILY_BUCKET_TOKENS", "1000")
    if profile:
        configure_pool("scidex-agent", profile, **PLAIN, now=NOON, db=db)
    quest(db, "ada", priority=3)
    task(db, "a", 0.0, "ada")
    pay(db, NOON)
    quest(db, "bob", priority=1)
    assert pay(db, NOON + timedelta(minutes=1)) == 0
    task(db, "b", 0.0, "bob")

    # A quarter of what a quarter of the day brings.
    assert pay(db, EVENING) == 62
    assert balances(db) == [1_000, 62]
    assert reasons(db, "quest:bob") == [("income scidex-agent 2026-05-01", 62)]
    assert [pay(db, EVENING + timedelta(hours=1)), pay(db, MIDNIGHT)] == [0, 1_000]
    assert balances(db) == [1_750, 312]


def test_a_quest_that_joins_sees_its_income_in_the_list(db, quests):
    pay(db, NOON)
    quest(db, "cem", priority=4)
    task(db, "c", 0.0, "cem")
    pay(db, EVENING)

    [got] = token_ledger.list_income("quest:cem", db=db)
    assert (got.day, got.base_tokens, got.impact_tokens) == ("2026-05-01", 125, 0)


def test_another_quest_of_an_owner_that_was_paid_joins_with_nothing(db, quests):
    pay(db, NOON)
    quest(db, "more", owner_id="quest:ada", priority=9)
    task(db, "m", 0.0, "more")

    assert pay(db, EVENING) == 0
    assert wallet(db, "quest:more") == (0, 0)


def test_what_a_quest_that_joins_is_paid_pays_its_arrears_as_well(db, quests):
    slot = earn(db, "bob", 2.0)
    pay(db, NOON)
    token_ledger.transfer("quest:bob", "quest:ada", 785, now=NOON, db=db)
    compute_auction.attest(slot, 0.0, JUDGE, now=NOON, db=db)
    for one in backlog.list_tasks(quest_id="bob", db=db):
        backlog.set_task_status(one.task_id, "done", now=NOON, db=db)
    pay(db, MIDNIGHT)
    task(db, "b", 0.0, "bob")

    assert pay(db, MIDNIGHT + timedelta(hours=12)) == 125
    assert wallet(db, "quest:bob")[0] == 125 - 62
    assert reasons(db, "quest:bob")[-1] == ("arrears scidex-agent 2026-05-02", 62)


def test_priorities_that_are_set_after_the_first_payment_correct_it(db, quests):
    pay(db, NOON)
    assert balances(db) == [750, 250]
    backlog.set_quest("bob", priority=3, now=NOON, db=db)

    assert pay(db, EVENING) == 250
    assert balances(db) == [500, 500]
    assert reasons(db, "quest:ada")[-1] == ("correction scidex-agent 2026-05-01", 250)
    [hers] = token_ledger.list_income("quest:ada", db=db)
    assert (hers.base_tokens, hers.burnt_tokens) == (750, 250)
    assert pay(db, EVENING + timedelta(minutes=1)) == 0


def test_a_priority_corrects_a_day_once(db, quests):
    pay(db, NOON)
    backlog.set_quest("bob", priority=3, now=NOON, db=db)
    pay(db, EVENING)
    backlog.set_quest("bob", priority=30, now=NOON, db=db)

    assert pay(db, EVENING + timedelta(minutes=1)) == 0
    assert balances(db) == [500, 500]
    # Another quest's does so still, beside the one that was corrected.
    backlog.set_quest("ada", priority=1, now=NOON, db=db)
    pay(db, EVENING + timedelta(minutes=2))
    assert balances(db) == [250, 750]


def test_a_correction_takes_back_what_is_there_and_pays_no_more_than_that(db, quests):
    pay(db, NOON)
    token_ledger.burn("quest:ada", 700, now=NOON, db=db)
    backlog.set_quest("bob", priority=3, now=NOON, db=db)

    assert pay(db, EVENING) == 50
    assert balances(db) == [0, 300]


def test_a_correction_goes_before_bids_for_the_backlog(db, quests):
    task(db, "a", 100.0, "ada")
    assert cycle.run_cycle("scidex-agent", NOON, db=db).bids_placed == 1
    assert wallet(db, "quest:ada") == (750, 375)
    bid(db, "quest:ada", "elsewhere", 375)
    backlog.set_quest("bob", priority=3, now=NOON, db=db)

    assert cycle.run_cycle("scidex-agent", EVENING, db=db).error is None
    assert balances(db) == [500, 500]

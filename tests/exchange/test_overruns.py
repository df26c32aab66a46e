"""A run past its slot's allowance is logged, charged or stopped, as the pool says; and what is owed is paid later."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scidex.exchange import services, token_ledger
from scidex.exchange.compute_auction import configure_pool
from tests.backlogs import agents, quest, task
from tests.market import NOON, TREASURY, bid, clear, offer, settle, wallet
from tests.raw_sql import query


@pytest.fixture
def slot(db):
    """Return a maker of a slot with an allowance of 100 tokens that ada's quest won at price 0, under a policy."""
    agents(db)
    quest(db, "ada", 60)
    task(db, "t", 0.0, "ada")

    def won(policy, allowance=100):
        configure_pool(overrun_policy=policy, income="fixed", daily_bucket_tokens=90, now=NOON, db=db)
        [ask] = offer(db, token_allowance=allowance)
        bid(db, "quest:ada", "t", 10)
        clear(db)
        return ask

    return won


def owed(db):
    return [row["owed_tokens"] for row in query(db, "SELECT owed_tokens FROM token_arrears")]


def test_a_logged_overrun_costs_nothing(db, slot):
    assert settle(db, slot("log"), 500).actual_cost_tokens == 500
    assert (wallet(db, "quest:ada"), owed(db)) == ((60, 0), [])


def test_a_charged_overrun_goes_to_the_treasury(db, slot):
    ask = slot("charge")
    settle(db, ask, 130)

    assert (wallet(db, "quest:ada"), wallet(db, TREASURY)) == ((30, 0), (30, 0))
    assert token_ledger.get_transfers("quest:ada", db=db)[0].reason == f"overrun {ask.slot_id}"


def test_what_the_wallet_lacks_is_owed_and_half_of_later_income_pays_it(db, slot):
    from scidex.exchange import cycle

    task(db, "later", 0.0, "ada")
    settle(db, slot("charge"), 260)
    assert (wallet(db, "quest:ada"), owed(db)) == ((0, 0), [100])

    for day, (tokens, left) in enumerate([(45, 55), (90, 10), (170, 0)], 1):
        cycle.run_cycle("scidex-agent", NOON + timedelta(days=day), strategy="clamp", db=db)
        assert (wallet(db, "quest:ada")[0], owed(db)) == (tokens, [left])


def test_what_is_held_for_bids_is_not_debited(db, slot):
    ask = slot("charge")
    bid(db, "quest:ada", "other", 50)
    settle(db, ask, 130)

    assert (wallet(db, "quest:ada"), owed(db)) == ((50, 50), [20])


@pytest.mark.parametrize(("cost", "allowance"), [(100, 100), (99, 100), (9_000, None)])
def test_a_run_within_its_allowance_or_without_one_is_not_charged(db, slot, cost, allowance):
    settle(db, slot("charge", allowance), cost)

    assert wallet(db, "quest:ada") == (60, 0)


def test_settling_again_charges_once(db, slot):
    ask = slot("charge")
    for _ in range(2):
        settle(db, ask, 130)

    assert wallet(db, "quest:ada") == (30, 0)


def test_whoever_runs_a_slot_is_told_when_to_end_the_run(db, slot):
    slot("stop")
    [work] = services.won_slots("quest:ada", db=db)

    assert (work.token_allowance, work.stop_at_tokens) == (100, 200)


def test_where_runs_are_not_stopped_there_is_no_such_number(db, slot):
    slot("log")
    [work] = services.won_slots("quest:ada", db=db)

    assert (work.token_allowance, work.stop_at_tokens) == (100, None)


def test_nobody_elses_price_depends_on_what_a_run_used(db, slot):
    ask = slot("charge")
    token_ledger.create_account("agent:bob", now=NOON, db=db)
    token_ledger.mint("agent:bob", 500, now=NOON, db=db)
    settle(db, ask, 10_000)
    offer(db, 2)
    for number, price in enumerate((50, 40, 30)):
        bid(db, "agent:bob", f"b{number}", price)

    assert clear(db).clearing_price_tokens == 30

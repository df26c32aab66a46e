"""A run past its slot's allowance is logged, charged or stopped, as the pool says; and what is owed is paid later."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scidex.errors import AlreadySettled, AlreadyStarted, InvalidArgument
from scidex.exchange import services, token_ledger
from scidex.exchange.compute_auction import configure_pool, declare_allowance
from scidex.records import Usage
from tests.backlogs import agents, quest, task
from tests.market import NOON, TREASURY, bid, clear, fund, offer, settle, wallet
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


def test_a_run_of_which_nobody_knows_what_it_used_is_settled_and_not_charged(db, slot):
    slot("charge")
    [work] = services.won_slots("quest:ada", db=db)
    services.start(work, now=NOON, db=db)

    finished = services.finish(work, succeeded=False, usage=Usage("file", "none"), now=NOON, db=db)

    assert (finished.clear.status, finished.clear.actual_cost_tokens) == ("settled", None)
    assert (wallet(db, "quest:ada"), owed(db)) == ((60, 0), [])


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


# --- declared allowances


@pytest.fixture
def priced(db):
    """Return a maker of a slot with an allowance of 100 tokens that ada won at 200: two tokens a unit."""

    def won(**settings):
        configure_pool(**{"declared_allowance": True, **settings}, now=NOON, db=db)
        fund(db, 1_000, "agent:ada", "agent:bob")
        [ask] = offer(db, token_allowance=100)
        bid(db, "agent:ada", "t", 300)
        bid(db, "agent:bob", "b", 200)
        clear(db)
        return ask.slot_id

    return won


@pytest.mark.parametrize(
    ("declared", "cost", "paid"),
    [(100, 100, 200), (150, 150, 300), (80, 80, 160), (100, 110, 236), (100, 90, 184), (10, 0, 4)],
)
def test_a_declared_run_pays_its_units_dearer_past_them_and_less_short_of_them(db, priced, declared, cost, paid):
    slot_id = priced()
    declare_allowance(slot_id, declared, now=NOON, db=db)
    settle(db, slot_id, cost)

    assert (wallet(db, "agent:ada"), wallet(db, TREASURY)) == ((1_000 - paid, 0), (paid, 0))
    assert query(db, "SELECT clearing_price_tokens FROM compute_auction_clears") == [{"clearing_price_tokens": 200}]


def test_what_was_declared_last_counts(db, priced):
    slot_id = priced()
    for declared in (50, 100, 100):
        declare_allowance(slot_id, declared, now=NOON, db=db)
    settle(db, slot_id, 100)

    assert wallet(db, "agent:ada") == (800, 0)


def test_a_run_without_a_declaration_pays_the_price(db, priced):
    settle(db, priced(), 5_000)

    assert wallet(db, "agent:ada") == (800, 0)


def test_a_pool_that_takes_no_declarations_refuses_them(db, priced):
    with pytest.raises(InvalidArgument, match="takes no declarations"):
        declare_allowance(priced(declared_allowance=False), 100, now=NOON, db=db)


def test_only_slots_of_the_treasury_with_an_allowance_take_declarations(db, priced):
    priced()
    [ask] = offer(db)
    bid(db, "agent:bob", "b2", 1)
    clear(db)
    with pytest.raises(InvalidArgument, match="with a token allowance"):
        declare_allowance(ask.slot_id, 100, now=NOON, db=db)


def test_what_runs_or_has_ended_takes_no_declaration(db, priced):
    slot_id = priced()
    services.start(services.won_slots("agent:ada", db=db)[0], now=NOON, db=db)
    with pytest.raises(AlreadyStarted):
        declare_allowance(slot_id, 100, now=NOON, db=db)
    settle(db, slot_id, 1)
    with pytest.raises(AlreadySettled):
        declare_allowance(slot_id, 100, now=NOON, db=db)

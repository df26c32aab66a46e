"""Quests bid as their market is set to: by its strategy or their own, paced, calibrated, and capped by rank."""

from __future__ import annotations

from math import exp

import pytest

from scidex.bidding import pacing
from scidex.bidding.calibration import Record, fit, pooled, record_of
from scidex.errors import InvalidArgument, UnknownStrategy
from scidex.exchange import backlog, compute_auction, cycle, ev_scorer
from scidex.exchange.compute_auction import configure_pool
from scidex.mechanism.hold import most_owed
from scidex.profiles import PROFILES, profile_named
from tests.backlogs import JUDGE, agents, quest, task
from tests.market import NOON, after, bid, clear, fund, offer, prove, settle, wallet
from tests.raw_sql import query

RECOMMENDED = PROFILES["recommended"]
PLAIN = {"calibrate": False, "rank_cap": False}


def submit(db, at=NOON, **terms):
    return {
        one.task_id: one.max_price_tokens
        for one in ev_scorer.submit_bids_for_tasks(at, **{"strategy": None, **terms}, db=db)
    }


def shares(db):
    """The share of value that each quest bids in each pool."""
    rows = query(db, "SELECT quest_id, pool, alpha FROM quest_pacing ORDER BY quest_id, pool")
    return {(row["quest_id"], row["pool"]): row["alpha"] for row in rows}


# --- which strategy


def test_a_market_that_was_never_configured_bids_by_the_brief(db):
    quest(db, tokens=1_000)
    task(db, "a", 100.0)
    task(db, "b", 0.5)

    assert submit(db) == {"a": 500, "b": 300}
    assert shares(db) == {}


def test_a_recommended_market_paces_its_quests(db):
    configure_pool(**PLAIN, db=db)
    quest(db, tokens=1_000)
    task(db, "a", 100.0)
    task(db, "b", 0.5)

    # Six tenths of the value, and never more than the wallet.
    assert submit(db, pool="scidex-agent") == {"a": 1_000, "b": 300}
    assert shares(db) == {("q1", "scidex-agent"): 0.6}
    prove(db)


def test_a_cycle_goes_by_the_market(db):
    configure_pool(**PLAIN, db=db)
    quest(db, tokens=100_000)
    task(db, "a", 10.0)

    assert cycle.run_cycle(now=NOON, db=db).error is None
    [stands] = compute_auction.list_open_bids("quest:q1", now=NOON, db=db)
    assert stands.max_price_tokens == 6_000
    assert shares(db) == {("q1", "scidex-agent"): 0.6}


def test_a_cycle_may_name_one_strategy_for_all(db):
    configure_pool(**PLAIN, db=db)
    quest(db, tokens=10_000, strategy="fixed")
    task(db, "a", 5.0)

    cycle.run_cycle(now=NOON, strategy="truthful", db=db)
    assert [one.max_price_tokens for one in compute_auction.list_open_bids("quest:q1", now=NOON, db=db)] == [5_000]
    with pytest.raises(UnknownStrategy, match="snipe"):
        cycle.run_cycle(now=NOON, strategy="snipe", db=db)


def test_without_the_rank_cap_the_best_tasks_bid_that_the_wallet_covers(db):
    configure_pool(**PLAIN, db=db)
    quest(db, tokens=1_000)
    for name, usd in (("a", 1.5), ("b", 1.0), ("c", 0.1)):
        task(db, name, usd)

    # Two slots at 600 could cost 1,200; one at 900 and one at 60 cost 900 at most.
    assert submit(db) == {"a": 900, "c": 60}


@pytest.mark.parametrize(("strategy", "tokens"), [("clamp", 500), ("paced", 600), ("fixed", 600), ("truthful", 1_000)])
def test_a_quest_may_choose_its_own_strategy(db, strategy, tokens):
    configure_pool(**PLAIN, db=db)
    quest(db, tokens=1_000, strategy=strategy)
    task(db, "a", 1.0)
    task(db, "b", 0.001)

    assert submit(db)["a"] == tokens


def test_a_quest_may_change_its_strategy_and_return_to_its_markets(db):
    configure_pool(**PLAIN, db=db)
    quest(db, tokens=100_000)
    task(db, "a", 1.0)

    assert backlog.set_quest("q1", strategy="truthful", now=NOON, db=db).strategy == "truthful"
    assert submit(db) == {"a": 1_000}
    assert backlog.set_quest("q1", strategy="market", now=NOON, db=db).strategy == "market"
    assert submit(db, after(1)) == {"a": 600}
    prove(db)


def test_an_unknown_strategy_is_refused_for_a_quest(db):
    quest(db)

    with pytest.raises(InvalidArgument, match="strategy must be one of market, clamp, paced, truthful, fixed"):
        backlog.set_quest("q1", strategy="snipe", db=db)
    with pytest.raises(InvalidArgument, match="strategy"):
        backlog.add_quest("q2", strategy="snipe", db=db)


def test_an_imported_quest_may_choose_its_strategy(db):
    backlog.put_tasks([], quests=[{"quest_id": "q1", "strategy": "fixed"}], now=NOON, db=db)

    assert backlog.get_quest("q1", db=db).strategy == "fixed"


# --- pacing


def spend(db, paid: int, *, minute: float) -> None:
    """Let the quest win a slot at a price, set by an agent that is outbid."""
    fund(db, 10**6, f"agent:{minute}")
    bid(db, f"agent:{minute}", f"other {minute}", paid, now=after(minute))
    offer(db, now=after(minute))
    assert clear(db, after(minute)).clears[0].bidder_id == "quest:q1"


def test_the_share_follows_what_was_spent_of_the_target(db):
    configure_pool(**PLAIN, alpha_start=0.3, db=db)
    quest(db, tokens=1_000_000)
    task(db, "a", 100.0)
    task(db, "b", 1.0)
    submit(db)
    [pace] = query(db, "SELECT target_tokens FROM quest_pacing")
    spend(db, 1_000, minute=1)

    submit(db, after(2))

    # From noon to midnight and a day more there are 36 hours of rounds of a minute.
    assert pace["target_tokens"] == pytest.approx(1_000_000 / (36 * 60))
    expected = pacing.next_alpha(0.3, spent=1_000, target=pace["target_tokens"], profile=RECOMMENDED)
    assert shares(db) == {("q1", "scidex-agent"): expected}
    assert expected < 0.3
    prove(db)


def test_the_share_rises_when_nothing_was_spent(db):
    configure_pool(**PLAIN, alpha_start=0.3, db=db)
    quest(db, tokens=1_000)
    task(db, "a", 1.0)
    submit(db)
    fund(db, 10**6, "agent:ada")
    bid(db, "agent:ada", "other", 10**5)
    offer(db)
    clear(db)

    assert submit(db, after(1)) == {"a": 318}
    assert shares(db)["q1", "scidex-agent"] == pytest.approx(0.3 * exp(0.06))


def test_without_a_round_the_share_stays(db):
    configure_pool(**PLAIN, alpha_start=0.3, db=db)
    quest(db, tokens=1_000)
    task(db, "a", 1.0)
    submit(db)

    assert submit(db, after(1)) == {"a": 300}
    assert shares(db)["q1", "scidex-agent"] == 0.3


def test_a_slot_that_was_voided_was_not_spent(db):
    configure_pool(**PLAIN, alpha_start=0.3, db=db)
    quest(db, tokens=1_000_000)
    task(db, "a", 100.0)
    submit(db)
    fund(db, 10**6, "agent:ada")
    bid(db, "agent:ada", "other", 5_000)
    offer(db)
    compute_auction.void(clear(db).clears[0].slot_id, now=NOON, db=db)

    submit(db, after(1))
    assert shares(db)["q1", "scidex-agent"] == pytest.approx(0.3 * exp(0.06))


def test_rounds_that_nobody_bid_between_count_with_their_targets(db):
    configure_pool(**PLAIN, alpha_start=0.3, db=db)
    quest(db, tokens=1_000_000)
    task(db, "a", 100.0)
    task(db, "b", 1.0)
    submit(db)
    [pace] = query(db, "SELECT target_tokens FROM quest_pacing")
    spend(db, 1_000, minute=1)
    offer(db)
    clear(db, after(2))

    submit(db, after(3))
    expected = pacing.next_alpha(0.3, spent=1_000, target=2 * pace["target_tokens"], profile=RECOMMENDED)
    assert shares(db) == {("q1", "scidex-agent"): expected}


def test_a_named_strategy_goes_by_the_share_that_stands(db):
    configure_pool(**PLAIN, alpha_start=0.3, db=db)
    quest(db, tokens=1_000_000)
    task(db, "a", 100.0)
    task(db, "b", 1.0)
    submit(db)
    spend(db, 5_000, minute=1)

    assert submit(db, after(2), strategy="paced") == {"b": 300}
    assert shares(db) == {("q1", "scidex-agent"): 0.3}


def test_a_named_strategy_adapts_nothing(db):
    configure_pool(**PLAIN, alpha_start=0.3, db=db)
    quest(db, tokens=1_000)
    task(db, "a", 1.0)

    assert submit(db, strategy="paced") == {"a": 300}
    assert shares(db) == {}


def test_each_pool_has_its_part_of_the_target(db):
    compute_auction.create_pool("gpu", db=db)
    for pool in ("gpu", "scidex-agent"):
        configure_pool(pool, **PLAIN, db=db)
    quest(db, tokens=1_000_000)
    task(db, "a", 30.0)
    task(db, "b", 10.0, pool="gpu")

    submit(db)
    rows = query(db, "SELECT pool, target_tokens FROM quest_pacing")
    targets = {row["pool"]: row["target_tokens"] for row in rows}
    assert targets["scidex-agent"] == pytest.approx(3 * targets["gpu"], rel=1e-6)
    assert sum(targets.values()) == pytest.approx(1_000_000 / (36 * 60))


# --- the rank cap


def test_the_best_task_may_take_the_wallet_and_the_second_half_of_it(db):
    configure_pool(calibrate=False, db=db)
    quest(db, tokens=900)
    for name, usd in (("a", 300.0), ("b", 200.0), ("c", 100.0), ("d", 0.1)):
        task(db, name, usd)

    bids = submit(db)
    assert bids == {"a": 900, "b": 450, "c": 300, "d": 60}
    assert most_owed("uniform_price", list(bids.values())) <= 900
    assert wallet(db, "quest:q1") == (900, 900)


def test_ranks_run_over_all_pools(db):
    compute_auction.create_pool("gpu", db=db)
    for pool in ("gpu", "scidex-agent"):
        configure_pool(pool, calibrate=False, db=db)
    quest(db, tokens=900)
    task(db, "a", 0.5)
    task(db, "b", 100.0, pool="gpu")

    assert submit(db, pool="scidex-agent") == {"a": 300}
    backlog.set_task_status("a", "done", now=NOON, db=db)
    task(db, "c", 200.0)
    assert submit(db, after(1), pool="scidex-agent") == {"c": 900}
    task(db, "e", 300.0, pool="gpu")
    # The dearest task is in the other pool, so this one ranks second.
    assert submit(db, after(2), pool="scidex-agent") == {"c": 450}


# --- calibration


def record(db, claims, *, share: float) -> None:
    """Settle tasks of these claims, of which a share came true by the judge's word."""
    for number, claim in enumerate(claims):
        task(db, f"done {number}", claim)
        bid(db, "quest:q1", f"done {number}", 1, expected_value_usd=claim, now=after(number / 10))
        offer(db, now=after(number / 10))
        [sold] = clear(db, after(number / 10)).clears
        settle(db, sold, impact=claim * share, attested_by=JUDGE, now=after(number / 10))


def test_a_newcomers_claims_are_discounted(db):
    configure_pool(rank_cap=False, db=db)
    quest(db, tokens=1_000_000)
    task(db, "a", 10.0)

    assert submit(db) == {"a": int(0.6 * 10_000 * exp(-1.2))}


def test_claims_are_worth_what_earlier_ones_came_to(db):
    configure_pool(rank_cap=False, db=db)
    quest(db, tokens=1_000_000)
    agents(db)
    claims = [4.0, 8.0, 16.0, 6.0, 12.0]
    record(db, claims, share=0.25)
    task(db, "a", 10.0)

    told = record_of([(claim, claim * 0.25) for claim in claims], RECOMMENDED)
    expected = fit(told, pooled([told], RECOMMENDED), RECOMMENDED).value(10.0)
    assert submit(db, after(1)) == {"a": int(0.6 * 1_000 * expected)}
    assert expected < fit(Record(), pooled([], RECOMMENDED), RECOMMENDED).value(10.0)
    prove(db)


def test_an_impact_on_ones_own_word_says_nothing(db):
    configure_pool(rank_cap=False, db=db)
    quest(db, tokens=1_000_000)
    task(db, "a", 10.0)
    before = submit(db)
    bid(db, "quest:q1", "done", 1, expected_value_usd=10.0)
    offer(db, 2)
    for sold in clear(db).clears:
        settle(db, sold, impact=1_000.0)
    task(db, "b", 10.0)

    assert submit(db, after(1))["b"] == before["a"]


def test_calibration_never_changes_money_that_is_held(db):
    configure_pool(rank_cap=False, db=db)
    quest(db, tokens=1_000_000)
    agents(db)
    record(db, [10.0], share=1.0)
    rests = bid(db, "quest:q1", "by hand", 700, time_in_force="gtt", now=after(1))
    task(db, "a", 10.0)
    first = submit(db, after(1))
    held = wallet(db, "quest:q1")

    # Its one word is taken back: what stands, stands; what is bid next is less.
    [slot] = query(db, "SELECT slot_id FROM compute_auction_clears")
    compute_auction.attest(slot["slot_id"], 0.1, JUDGE, now=after(2), db=db)

    assert wallet(db, "quest:q1")[1] == held[1]
    assert compute_auction.get_bid(rests.id, db=db).max_price_tokens == 700
    assert submit(db, after(3))["a"] < first["a"]


def test_raising_ones_own_claim_never_loses_a_slot_in_that_round(db):
    configure_pool(db=db)
    quest(db, tokens=3_000)
    fund(db, 10**6, "agent:ada")
    for name, usd in (("a", 4.0), ("b", 3.0), ("c", 2.0)):
        task(db, name, usd)
    won: list[int] = []
    for usd in (2.0, 3.5, 5.0, 50.0):
        backlog.put_tasks([{"task_id": "c", "quest_id": "q1", "expected_value_usd": usd}], now=NOON, db=db)
        submit(db)
        bid(db, "agent:ada", "other", 500)
        if not won:
            offer(db, 2)
        cleared = clear(db, dry_run=True)
        won.append(sum(one.bidder_id == "quest:q1" for one in cleared.clears))

    assert won == sorted(won)


def test_calibration_may_be_read_only_as_far_as_the_market_is_set_to_it(db):
    quest(db, tokens=1_000_000)
    agents(db)
    record(db, [4.0, 8.0, 16.0], share=0.1)
    task(db, "a", 10.0)

    assert submit(db, after(1)) == {"a": 6_000}
    configure_pool(profile="brief", calibrate=True, now=after(2), db=db)
    assert submit(db, after(2))["a"] < 2_000
    configure_pool(profile="brief", calibrate=True, newcomer_log_discount=-5.0, now=after(3), db=db)
    assert submit(db, after(3))["a"] < 1_000


def test_a_slower_market_looks_further_back(db):
    configure_pool(rank_cap=False, db=db)
    quest(db, tokens=1_000_000)
    agents(db)
    record(db, [8.0] * 6, share=0.1)
    task(db, "a", 10.0)
    hasty = profile_named("recommended", level_prior_tasks=1.0)

    slow = submit(db, after(1))["a"]
    configure_pool(rank_cap=False, level_prior_tasks=hasty.level_prior_tasks, now=after(2), db=db)
    assert submit(db, after(2))["a"] < slow

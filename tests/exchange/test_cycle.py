"""A cycle pays, bids, clears and sweeps; one loop does it; and when none does, agents go on by the split."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scidex.errors import InvalidArgument, UnknownPool, UnknownStrategy
from scidex.exchange import backlog, compute_auction, cycle, ev_scorer, services
from scidex.exchange.cycle import CycleRunner
from scidex.store.db_writes import read_journal
from tests.backlogs import agents, quest, run, task, task_status
from tests.market import NOON, after, fund, offer, status, wallet
from tests.raw_sql import contents, query

ADA = "agent:ada"
ROOT = Path(__file__).parents[2]


def run_cycle(db, minute=0.0, **terms):
    return cycle.run_cycle(now=after(minute), **terms, db=db)


class Clock:
    """A clock that tells the minutes past noon it is set to."""

    def __init__(self):
        self.minute = 0.0

    def __call__(self):
        return after(self.minute)


def runner(db, clock, seconds=60.0):
    return CycleRunner(db, interval_seconds=seconds, clock=clock)


# --- what a cycle does


def test_a_cycle_pays_bids_clears_and_sweeps(db):
    quest(db)
    task(db, "a", 10.0)
    task(db, "b", 1.0)
    offer(db)

    report = run_cycle(db)
    assert (report.income_tokens, report.bids_placed, report.round.sold) == (1_000_000, 2, 1)
    assert (report.bids_expired, report.bids_written, report.mode, report.error) == (0, 2, "auction", None)
    assert query(db, "SELECT task_id, status FROM compute_auction_bids ORDER BY task_id") == [
        {"task_id": "a", "status": "won"},
        {"task_id": "b", "status": "lost"},
    ]
    assert cycle.cycle_status(now=NOON, db=db).last_cycle_at == NOON


def test_income_is_shared_by_priority_and_paid_once_a_utc_day(db, monkeypatch):
    monkeypatch.setenv("SCIDEX_DAILY_BUCKET_TOKENS", "1001")
    quest(db, "q1", priority=3)
    quest(db, "q2", priority=1)
    quest(db, "idle", priority=9)
    for name in ("q1", "q2"):
        task(db, f"t-{name}", quest_id=name, usd=0.0)

    assert [run_cycle(db, minute).income_tokens for minute in (0, 1, 719)] == [1_001, 0, 0]
    assert [wallet(db, f"quest:{name}")[0] for name in ("q1", "q2", "idle")] == [751, 250, 0]
    assert run_cycle(db, 720).income_tokens == 1_001
    assert run_cycle(db, 720 + 5 * 1440).income_tokens == 1_001
    assert wallet(db, "quest:q1")[0] == 3 * 751
    reasons = query(db, "SELECT DISTINCT reason FROM token_transfers ORDER BY reason")
    assert [row["reason"] for row in reasons] == [f"income scidex-agent 2026-05-0{day}" for day in (1, 2, 7)]


def test_a_day_with_nobody_to_pay_is_paid_when_there_is_somebody(db):
    assert run_cycle(db).income_tokens == 0
    quest(db)
    task(db, "a")

    assert run_cycle(db, 1).income_tokens == 1_000_000


def test_each_pool_pays_the_quests_that_work_there(db):
    compute_auction.create_pool("gpu", now=NOON, db=db)
    quest(db, "q1")
    quest(db, "q2")
    task(db, "a", quest_id="q1", usd=0.0)
    task(db, "g", quest_id="q2", usd=0.0, pool="gpu")

    assert run_cycle(db, pool="gpu").income_tokens == 1_000_000
    assert (wallet(db, "quest:q1")[0], wallet(db, "quest:q2")[0]) == (0, 1_000_000)


def test_the_days_split_is_written_down(db):
    quest(db)
    task(db, "a")
    run_cycle(db)

    assert query(db, "SELECT day, quest_id, allocated_tokens, used_tokens FROM quest_budget_allocations") == [
        {"day": "2026-05-01", "quest_id": "q1", "allocated_tokens": 1_000_000, "used_tokens": 0}
    ]


def test_a_cycle_without_slots_holds_no_round_and_is_healthy(db):
    quest(db)
    task(db, "a")

    report = run_cycle(db)
    assert (report.round.round_id, report.error, report.mode) == (None, None, "auction")
    assert len(compute_auction.get_order_book(now=NOON, db=db)["bids"]) == 1


def test_a_cycle_releases_bids_that_expired(db):
    fund(db, 10, ADA)
    old = compute_auction.place_bid(ADA, "t", 5, ttl_at=after(1), time_in_force="gtt", now=NOON, db=db)

    assert run_cycle(db, 1).bids_expired == 1
    assert status(db, old) == "expired"


def test_names_that_nobody_knows_are_refused(db):
    with pytest.raises(UnknownPool):
        cycle.run_cycle("gpu", NOON, db=db)
    with pytest.raises(UnknownPool):
        cycle.cycle_status("gpu", db=db)
    with pytest.raises(UnknownPool):
        cycle.pause("gpu", db=db)
    with pytest.raises(UnknownStrategy):
        run_cycle(db, strategy="snipe")
    with pytest.raises(InvalidArgument, match="interval_seconds"):
        CycleRunner(db, interval_seconds=0)


# --- when it does it


def test_a_loop_does_a_cycle_when_it_is_due(db):
    clock = Clock()
    loop = runner(db, clock)

    acted = []
    for minute in (0, 0, 0.5, 0.99, 1, 1.5, 2):
        clock.minute = minute
        acted.append(loop.tick() is not None)
    assert acted == [True, False, False, False, True, False, True]
    assert cycle.cycle_status(now=after(2), db=db)[1:6] == (False, 60.0, after(2), after(3), 0)


def test_a_cycle_that_is_late_does_not_shift_the_next_one(db):
    clock = Clock()
    loop = runner(db, clock)
    loop.tick()
    clock.minute = 1.4
    loop.tick()

    assert cycle.cycle_status(now=after(1.4), db=db).next_cycle_at == after(2)


def test_missed_cycles_are_noticed_and_caught_up_once(db):
    clock = Clock()
    loop = runner(db, clock)
    quest(db)
    task(db, "a")
    offer(db, 50)
    loop.tick()

    # The cycles of minutes 1 to 9 never came; that of minute 10 is due.
    clock.minute = 10.5
    assert cycle.cycle_status(now=clock(), db=db).missed == 9
    assert [loop.tick() is not None for _ in range(4)] == [True, False, False, False]
    assert cycle.cycle_status(now=clock(), db=db)[2:6] == (60.0, after(10.5), after(11), 9)
    assert query(db, "SELECT COUNT(*) AS rounds FROM compute_auction_rounds") == [{"rounds": 2}]


def test_a_tick_that_is_not_due_writes_nothing(db):
    clock = Clock()
    loop = runner(db, clock)
    loop.tick()
    before = contents(db)
    clock.minute = 0.5

    loop.tick()
    assert contents(db) == before


def test_a_paused_pool_waits_and_misses_nothing(db):
    clock = Clock()
    loop = runner(db, clock)
    loop.tick()
    assert cycle.pause(now=after(0.5), db=db).paused

    clock.minute = 30
    assert loop.tick() is None
    resumed = cycle.resume(now=after(30), db=db)
    assert (resumed.paused, resumed.next_cycle_at, resumed.missed) == (False, after(30), 0)
    assert loop.tick() is not None


def test_pausing_twice_is_pausing_once(db):
    cycle.pause(now=NOON, db=db)
    before = contents(db)

    cycle.pause(now=after(1), db=db)
    assert contents(db) == before
    cycle.resume(now=after(2), db=db)
    before = contents(db)
    cycle.resume(now=after(3), db=db)
    assert contents(db) == before


def test_a_cycle_asked_for_runs_at_once_and_the_schedule_stays(db):
    clock = Clock()
    loop = runner(db, clock)
    loop.tick()

    assert cycle.run_cycle(now=after(0.5), db=db).error is None
    assert cycle.cycle_status(now=after(0.5), db=db)[3:5] == (after(0.5), after(1))
    cycle.pause(now=after(0.6), db=db)
    assert cycle.run_cycle(now=after(0.7), db=db).error is None


def test_a_loop_with_another_interval_sets_the_pace(db):
    clock = Clock()
    runner(db, clock).tick()
    clock.minute = 1

    runner(db, clock, seconds=0.5).tick()
    assert cycle.cycle_status(now=after(1), db=db)[2:5] == (0.5, after(1), after(1) + timedelta(seconds=0.5))


def test_the_loop_runs_until_it_is_stopped(db):
    offer(db, 3)
    with CycleRunner(db, interval_seconds=0.05).loop() as loop:
        while len(query(db, "SELECT round_id FROM compute_auction_rounds")) < 3:
            time.sleep(0.02)

    assert loop.name not in {thread.name for thread in threading.enumerate()}


def test_the_loop_tells_of_each_cycle_that_it_did(db):
    told: queue.Queue[Any] = queue.Queue()
    with CycleRunner(db, interval_seconds=0.05, on_cycle=told.put).loop():
        reports = [told.get(timeout=20) for _ in range(2)]

    assert [report.pool for report in reports] == ["scidex-agent"] * 2


def test_a_loop_outlives_what_it_cannot_do(db, monkeypatch):
    runner, ticks = CycleRunner(db, interval_seconds=0.02), threading.Semaphore(0)

    def failing():
        ticks.release()
        raise OSError("the disk is away")

    monkeypatch.setattr(runner, "tick", failing)
    with runner.loop():
        assert all(ticks.acquire(timeout=20) for _ in range(3))


# --- one loop of many


def test_of_many_loops_in_threads_one_acts_in_each_cycle(db):
    offer(db, 40)
    acted: list[int] = []
    gates = [threading.Barrier(4) for _ in range(8)]

    def loop():
        clock = Clock()
        mine = runner(db, clock)
        for minute, gate in enumerate(gates):
            gate.wait()
            clock.minute = minute
            if mine.tick() is not None:
                acted.append(minute)

    threads = [threading.Thread(target=loop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(acted) == list(range(8))
    assert query(db, "SELECT COUNT(*) AS rounds FROM compute_auction_rounds") == [{"rounds": 8}]


_LOOP = """
import sys
from datetime import UTC, datetime, timedelta
from scidex.exchange.cycle import CycleRunner
from scidex.store import connect

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
minute = 0
with connect(sys.argv[1]) as db:
    loop = CycleRunner(db, interval_seconds=60.0, clock=lambda: NOON + timedelta(minutes=minute))
    print("ready", flush=True)
    sys.stdin.readline()
    acted = []
    for minute in range(12):
        if loop.tick() is not None:
            acted.append(minute)
    print(*acted)
"""


def test_of_two_loops_in_two_processes_one_acts_in_each_cycle(db):
    offer(db, 40)
    command = [sys.executable, "-c", _LOOP, db.url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    loops: list[Any] = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in range(2)]
    for loop in loops:
        assert loop.stdout.readline() == "ready\n"
    for loop in loops:
        loop.stdin.write("go\n")
        loop.stdin.flush()
    said = [loop.communicate(timeout=120)[0] for loop in loops]

    # One that runs ahead claims later minutes first, and those it passed are then counted as missed by nobody.
    acted = sorted(int(minute) for words in said for minute in words.split())
    assert len(acted) == len(set(acted))
    assert query(db, "SELECT COUNT(*) AS rounds FROM compute_auction_rounds") == [{"rounds": len(acted)}]
    assert acted[0] == 0
    assert acted[-1] == 11


# --- when the auction breaks


@pytest.fixture
def broken(monkeypatch):
    """Breaks every round; call what it gives to mend it."""

    def fault(*_, **__):
        raise RuntimeError("injected fault\nwith more to tell")

    sound = compute_auction.clear_round
    monkeypatch.setattr(compute_auction, "clear_round", fault)
    return lambda: monkeypatch.setattr(compute_auction, "clear_round", sound)


def test_a_round_that_raises_puts_agents_on_the_split_and_one_that_completes_brings_them_back(db, broken):
    agents(db, ADA)
    quest(db)
    task(db, "a", 10.0)
    task(db, "b", 5.0)

    report = run_cycle(db)
    assert report.round is None
    assert report.error.startswith("RuntimeError: injected fault")
    assert (report.mode, cycle.cycle_status(now=NOON, db=db).mode) == ("fallback", "fallback")
    paid = wallet(db, "quest:q1")[0]

    work = services.next_task(ADA, NOON, db=db)
    assert work is not None
    assert (work.source, work.task_id) == ("fallback", "a")
    run(db, work, 9.0)
    assert wallet(db, "quest:q1")[0] == paid

    assert run_cycle(db, 1).mode == "fallback"
    broken()
    assert run_cycle(db, 2).mode == "auction"
    assert services.next_task(ADA, after(2), db=db) is None
    assert task_status(db, "b") == "open"


def test_every_switch_is_told_and_journaled(db, broken):
    run_cycle(db)
    run_cycle(db, 1)
    broken()
    run_cycle(db, 2)
    run_cycle(db, 3)

    switches = cycle.list_mode_switches(db=db)
    assert [(one.ordinal, one.mode, one.switched_at) for one in switches] == [
        (2, "auction", after(2)),
        (1, "fallback", NOON),
    ]
    assert "injected fault" in switches[1].reason
    assert switches[0].reason == "a cycle has completed again"
    assert cycle.cycle_status(now=after(3), db=db)[6:] == ("auction", after(2), "a cycle has completed again")
    noted = [entry for entry in read_journal(db) if entry.verb == "note_cycle"]
    assert [bool(entry.arguments["error"]) for entry in noted] == [True, False, False]


def test_agents_notice_by_themselves_that_the_loop_has_stopped(db):
    agents(db, ADA)
    quest(db)
    task(db, "a")
    task(db, "b")
    clock = Clock()
    loop = runner(db, clock)
    loop.tick()

    # The loop is dead. Three intervals are borne; after them any agent that asks switches.
    assert services.next_task(ADA, after(3), db=db) is None
    work = services.next_task(ADA, after(3.1), db=db)
    assert work is not None
    assert (work.source, work.task_id) == ("fallback", "a")
    assert cycle.list_mode_switches(db=db)[0].reason == "no cycle has completed for 3 intervals"

    # It comes back, and catches up once; what was given out meanwhile is not sold.
    offer(db, 2, now=after(20))
    clock.minute = 20
    report = loop.tick()
    assert (report.mode, report.bids_placed) == ("auction", 1)
    assert [sale.winning_task_id for sale in report.round.clears] == ["b"]
    assert services.next_task(ADA, after(20), db=db) is None


def test_a_round_that_completes_outside_any_loop_ends_the_fallback_too(db):
    agents(db, ADA)
    run_cycle(db)
    assert cycle.current_mode(now=after(60), db=db) == "fallback"

    offer(db, now=after(61))
    compute_auction.clear_round(after(61), db=db)
    assert cycle.current_mode(now=after(62), db=db) == "auction"
    assert [one.mode for one in cycle.list_mode_switches(db=db)] == ["auction", "fallback"]


def test_a_market_without_a_loop_is_judged_by_its_last_round(db):
    offer(db)
    compute_auction.clear_round(NOON, db=db)

    assert cycle.current_mode(now=after(3), db=db) == "auction"
    assert cycle.current_mode(now=after(3.1), db=db) == "fallback"


def test_how_long_agents_wait_is_a_setting(db, monkeypatch):
    monkeypatch.setenv("SCIDEX_FALLBACK_AFTER_CYCLES", "1")
    run_cycle(db)

    assert cycle.current_mode(now=after(1), db=db) == "auction"
    assert cycle.current_mode(now=after(1.1), db=db) == "fallback"


def test_a_paused_pool_is_not_a_broken_one(db):
    run_cycle(db)
    cycle.pause(now=after(1), db=db)

    assert cycle.current_mode(now=after(600), db=db) == "auction"


def test_a_broken_cycle_keeps_what_it_did_before_it_broke(db, broken):
    quest(db)
    task(db, "a")

    report = run_cycle(db)
    assert (report.income_tokens, report.bids_placed) == (1_000_000, 1)
    assert len(ev_scorer.score_all(NOON, db=db)) == 1
    assert backlog.get_task("a", db=db).status == "open"

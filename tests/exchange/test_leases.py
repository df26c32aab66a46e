"""Leases: one worker holds a run at a time, by a fence number and until the database's clock says otherwise."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scidex.errors import (
    AlreadyStarted,
    FenceMismatch,
    LeaseLost,
    NotTheWorkersSlot,
    SlotVoided,
    UnknownAccount,
    UnknownLease,
    UnknownWorker,
    WorkerExists,
    WorkerLost,
)
from scidex.exchange import backlog, compute_auction, leases, services, sweeper, token_ledger, workers
from scidex.exchange.work import fences as run_fences
from scidex.exchange.work import leases as work_leases
from scidex.records import Lease, Swept
from scidex.store import Database, connect
from scidex.store.db_writes import execute_journaled, read_journal, replay
from tests.backlogs import agents, quest, task, task_status
from tests.databases import contents, query
from tests.market import NOON, bid, clear, fund, wallet

SECONDS = 30.0
NOTHING = Swept(0, 0, 0, 0)


def at(seconds: float):
    return NOON + timedelta(seconds=seconds)


def worker(db: Database, worker_id: str = "w1", account_id: str = "worker:ada", **terms) -> str:
    workers.register_worker(worker_id, account_id, **{"lease_seconds": SECONDS, "now": NOON, **terms}, db=db)
    return worker_id


def sell(db: Database, *task_ids: str, worker_id: str = "w1", price: int = 10) -> list[str]:
    """Let a worker offer slots and the quest win them for these tasks; return the slots."""
    workers.keep_offers(worker_id, len(task_ids), reserve_price_tokens=price, now=NOON, db=db)
    for task_id in task_ids:
        bid(db, "quest:q1", task_id, 50)
    return [sold.slot_id for sold in clear(db).clears]


def finish(db: Database, held: Lease, seconds: float = 1, fence: int | None = None, cost: int = 7):
    number = held.fence if fence is None else fence
    return services.finish(
        held.assignment, succeeded=True, actual_cost_tokens=cost, fence=number, now=at(seconds), db=db
    )


@pytest.fixture
def market(db):
    """A market with a quest of 1,000 tokens and three tasks, and one worker of worker:ada."""
    quest(db, tokens=1_000)
    for name in ("t1", "t2", "t3"):
        task(db, name)
    agents(db, "worker:ada", "worker:bob")
    worker(db)
    return db


# --- the way of a lease


def test_a_won_slot_is_leased_renewed_and_settled_with_its_fence_number(market):
    [slot_id] = sell(market, "t1")

    held = leases.lease_next("w1", now=at(1), db=market)
    renewed = workers.check_in("w1", [held.fence], now=at(20), db=market)
    ended = finish(market, held, 45)

    assert (held.assignment.assignment_id, held.assignment.task_id) == (slot_id, "t1")
    assert held.ends_at == at(1 + SECONDS)
    assert renewed == [held.fence]
    assert (ended.task_status, ended.clear.status) == ("done", "settled")
    state = leases.get_lease(held.fence, db=market)
    assert (state.status, state.heartbeats, state.last_heartbeat_at, state.ended_at) == ("finished", 1, at(20), at(45))
    assert wallet(market, "quest:q1") == (990, 0)


def test_a_leased_slot_and_its_task_are_running_and_nobody_elses(market):
    [slot_id] = sell(market, "t1")
    worker(market, "w2")
    leases.lease(slot_id, "w1", now=at(1), db=market)

    assert task_status(market, "t1") == "running"
    assert leases.lease_next("w2", now=at(1), db=market) is None
    with pytest.raises(AlreadyStarted):
        leases.lease(slot_id, "w2", now=at(1), db=market)


@pytest.mark.parametrize("account_id", ["worker:ada", "worker:bob"])
def test_any_worker_of_the_fleet_may_take_a_slot_of_the_treasury_that_waits(market, account_id):
    [slot_id] = sell(market, "t1")
    worker(market, "w2", account_id)

    held = leases.lease_next("w2", now=at(1), db=market)

    assert (held.worker_id, held.assignment.assignment_id) == ("w2", slot_id)


def test_a_worker_that_sells_for_its_own_account_gets_nothing_of_the_fleets(market):
    [slot_id] = sell(market, "t1")
    worker(market, "w2", "worker:bob", provider_id="worker:bob")

    assert leases.lease_next("w2", now=at(1), db=market) is None
    with pytest.raises(NotTheWorkersSlot):
        leases.lease(slot_id, "w2", now=at(1), db=market)


def test_the_fleet_gets_nothing_of_what_another_sells(market):
    worker(market, "w2", "worker:bob", provider_id="worker:bob")
    [slot_id] = sell(market, "t1", worker_id="w2")

    assert leases.lease_next("w1", now=at(1), db=market) is None
    held = leases.lease_next("w2", now=at(1), db=market)
    finish(market, held)
    assert (held.assignment.assignment_id, wallet(market, "worker:bob")) == (slot_id, (10, 0))


def test_slots_that_waited_before_a_worker_sold_for_the_treasury_are_its_accounts_still(market):
    worker(market, provider_id="worker:ada")
    [slot_id] = sell(market, "t1")
    worker(market)

    assert leases.lease_next("w1", now=at(1), db=market).assignment.assignment_id == slot_id


def test_a_worker_leases_in_another_pool_nothing(market):
    compute_auction.create_pool("gpu", now=NOON, db=market)
    worker(market, "w2", pool="gpu")
    sell(market, "t1")

    assert leases.lease_next("w2", now=at(1), db=market) is None


@pytest.mark.parametrize("provider_id", ["nobody", "system:issuance"])
def test_a_worker_sells_for_an_account_that_there_is(market, provider_id):
    with pytest.raises(UnknownAccount) as refused:
        worker(market, "w2", provider_id=provider_id)
    assert refused.value.facts["field"] == "provider_id"


def test_a_worker_takes_its_own_unsold_slot_before_another_ones(market):
    worker(market, "w2")
    offered = {name: workers.keep_offers(name, 1, now=NOON, db=market)[0].slot_id for name in ("w1", "w2")}
    clear(market)

    held = leases.lease_task("w2", now=at(1), db=market)

    [given] = query(market, "SELECT slot_id FROM task_assignments")
    assert (held.assignment.source, given) == ("unsold", (offered["w2"],))


def test_journals_from_before_the_fleet_was_the_treasurys_replay(market, tmp_path):
    """A worker then sold for its own account, and said nothing of it."""
    workers.register_worker("w1", "worker:ada", provider_id="worker:ada", lease_seconds=9.0, now=NOON, db=market)
    [slot_id] = sell(market, "t1")
    entries = [
        replace(entry, arguments={name: told for name, told in entry.arguments.items() if name != "provider_id"})
        if entry.verb == "register_worker" and entry.arguments["provider_id"] == "worker:ada"
        else entry
        for entry in read_journal(market)
    ]
    with connect(f"sqlite:///{tmp_path}/copy.db") as copy:
        replay(iter(entries), copy)
        assert query(copy, "SELECT provider_id FROM workers") == [("worker:ada",)]
        assert query(copy, "SELECT slot_id, provider_id FROM compute_auction_clears") == [(slot_id, "worker:ada")]


def test_a_worker_of_another_pool_gets_nothing(market):
    compute_auction.create_pool("gpu", now=NOON, db=market)
    sell(market, "t1")
    worker(market, "w2", pool="gpu")

    assert leases.lease_next("w2", now=at(1), db=market) is None


def test_who_bought_a_slot_elsewhere_may_lease_it(market):
    fund(market, 100, "agent:eve")
    workers.keep_offers("w1", 1, now=NOON, db=market)
    bid(market, "agent:eve", "outside", 20)
    clear(market)
    worker(market, "w2", "agent:eve")

    assert leases.lease_next("w2", now=at(1), db=market).assignment.task_id == "outside"


def test_a_won_slot_whose_task_may_not_run_is_voided_and_the_next_one_leased(market):
    sell(market, "t1", "t2")
    waiting = compute_auction.list_won_slots("quest:q1", db=market)[0].winning_task_id
    task(market, "first")
    backlog.put_tasks([{"task_id": waiting, "quest_id": "q1", "depends_on": ["first"]}], now=NOON, db=market)

    held = leases.lease_next("w1", now=at(1), db=market)

    assert {held.assignment.task_id, waiting} == {"t1", "t2"}
    statuses = dict(query(market, "SELECT winning_task_id, status FROM compute_auction_clears"))
    assert statuses == {waiting: "voided", held.assignment.task_id: "running"}


def test_a_task_without_a_sale_is_given_and_leased_at_once(market):
    workers.keep_offers("w1", 1, now=NOON, db=market)
    clear(market)

    held = leases.lease_task("w1", now=at(1), db=market)
    ended = finish(market, held)

    assert held.assignment.source == "unsold"
    assert (ended.task_status, ended.clear) == ("done", None)
    assert query(market, "SELECT COUNT(*) FROM worker_slots") == [(0,)]


# --- fences


def test_of_the_leases_of_a_task_a_later_one_has_a_higher_fence_number(market):
    fences = []
    for number in range(5):
        sell(market, "t1")
        held = leases.lease_next("w1", now=at(number), db=market)
        services.give_back(held.assignment, fence=held.fence, now=at(number), db=market)
        fences.append(held.fence)

    assert fences == sorted(set(fences))


def test_fence_numbers_say_nothing_of_each_other(market):
    """Of three that were counted, or drawn one near the other, two would lie within a millionth of the range."""
    sell(market, "t1", "t2", "t3")
    one, two, three = sorted(leases.lease_next("w1", now=at(1), db=market).fence for _ in range(3))

    assert min(two - one, three - two) > run_fences._FIRST // 10**9


def test_whoever_knows_the_last_fence_number_of_a_task_cannot_guess_the_next():
    one, two, three = sorted(run_fences.drawn_after(77) for _ in range(3))

    assert min(two - one, three - two) > run_fences._STEP // 10**9


def test_a_fence_number_that_a_lease_has_is_not_drawn_again(market, monkeypatch):
    drawn = iter([77, 77, 78])
    monkeypatch.setattr(run_fences, "drawn_after", lambda last: next(drawn))
    sell(market, "t1", "t2")

    assert [leases.lease_next("w1", now=at(1), db=market).fence for _ in range(2)] == [77, 78]


@given(last=st.integers(0, run_fences.MOST_FENCE - 1))
def test_a_fence_number_is_above_the_last_and_within_what_json_counts_exactly(last):
    assert last < run_fences.drawn_after(last) <= run_fences.MOST_FENCE


def test_fence_numbers_have_more_than_forty_random_bits_for_thousands_of_leases_of_a_task():
    last = 0
    for _ in range(4_000):
        assert min(run_fences._STEP, (run_fences.MOST_FENCE - last) // 8) >= 2**40
        last = run_fences.drawn_after(last)


def test_a_worker_renews_its_own_leases_and_nobody_elses(market):
    sell(market, "t1", "t2")
    worker(market, "w2")
    mine, others = leases.lease_next("w1", now=at(1), db=market), leases.lease_next("w2", now=at(1), db=market)

    assert workers.check_in("w1", [mine.fence, others.fence], now=at(5), db=market) == [mine.fence]
    assert leases.get_lease(others.fence, db=market).heartbeats == 0


def test_a_wrong_fence_number_is_not_told_the_right_one(market):
    sell(market, "t1")
    held = leases.lease_next("w1", now=at(1), db=market)

    with pytest.raises(FenceMismatch) as refused:
        services.give_back(held.assignment, fence=held.fence ^ 1, now=at(2), db=market)

    assert str(held.fence) not in f"{refused.value} {refused.value.facts}"


def test_a_journal_of_when_fences_were_counted_replays_as_it_was(market):
    sell(market, "t1", "t2")
    for _ in range(2):
        leases.lease_next("w1", now=at(1), db=market)
    counted = iter([1, 2])
    entries = [
        replace(entry, generated={**entry.generated, "fence_numbers": [next(counted)] * 2})
        if "fence" in entry.generated
        else entry
        for entry in read_journal(market)
    ]
    for entry in entries:
        if "fence_numbers" in entry.generated:
            del entry.generated["fence"]

    with connect("sqlite:///:memory:") as again:
        replay(iter(entries), again)

        assert [one.fence for one in leases.list_leases(db=again)] == [2, 1]


@pytest.mark.parametrize("wrong", ["none", "another"])
def test_what_is_leased_is_not_ended_without_its_fence_number(market, wrong):
    sell(market, "t1")
    held = leases.lease_next("w1", now=at(1), db=market)
    before = contents(market)
    fence = None if wrong == "none" else held.fence + 1
    terms = {"succeeded": True, "actual_cost_tokens": 1, "fence": fence, "now": at(2), "db": market}

    with pytest.raises(FenceMismatch):
        services.finish(held.assignment, **terms)
    with pytest.raises(FenceMismatch):
        services.give_back(held.assignment, fence=fence, now=at(2), db=market)
    with pytest.raises(FenceMismatch):
        compute_auction.settle(held.assignment.assignment_id, 1, fence=fence, now=at(2), db=market)

    assert contents(market) == before


def test_an_assignment_too_needs_its_fence_number(market):
    workers.keep_offers("w1", 1, now=NOON, db=market)
    clear(market)
    held = leases.lease_task("w1", now=at(1), db=market)

    with pytest.raises(FenceMismatch):
        services.finish(held.assignment, succeeded=True, actual_cost_tokens=1, now=at(2), db=market)
    with pytest.raises(FenceMismatch):
        services.give_back(held.assignment, fence=held.fence + 1, now=at(2), db=market)


def test_telling_the_same_result_again_answers_the_same(market):
    sell(market, "t1")
    held = leases.lease_next("w1", now=at(1), db=market)

    assert finish(market, held, 2) == finish(market, held, 3)


def test_what_was_given_back_is_open_again_and_its_fence_is_spent(market):
    sell(market, "t1")
    held = leases.lease_next("w1", now=at(1), db=market)

    services.give_back(held.assignment, fence=held.fence, now=at(2), db=market)

    assert task_status(market, "t1") == "open"
    assert wallet(market, "quest:q1") == (1_000, 0)
    assert leases.get_lease(held.fence, db=market).status == "given_back"
    with pytest.raises(LeaseLost):
        finish(market, held, 3)


def test_an_admins_void_ends_the_lease(market):
    [slot_id] = sell(market, "t1")
    held = leases.lease_next("w1", now=at(1), db=market)

    compute_auction.void(slot_id, now=at(2), db=market)

    assert leases.get_lease(held.fence, db=market).status == "voided"
    assert workers.check_in("w1", [held.fence], now=at(3), db=market) == []
    with pytest.raises(SlotVoided):
        services.finish(held.assignment, succeeded=True, actual_cost_tokens=1, now=at(3), db=market)
    with pytest.raises(LeaseLost):
        finish(market, held, 3)


# --- time


@pytest.mark.parametrize("swept", [False, True])
def test_a_late_result_is_refused_and_changes_nothing(market, swept):
    sell(market, "t1")
    held = leases.lease_next("w1", now=at(0), db=market)
    if swept:
        assert sweeper.sweep(at(SECONDS), db=market) == Swept(1, 1, 0, 0)
    before = contents(market)

    with pytest.raises(LeaseLost) as refused:
        finish(market, held, SECONDS)

    assert refused.value.status == "expired"
    assert contents(market) == before


def test_a_result_at_the_last_moment_counts(market):
    sell(market, "t1")
    held = leases.lease_next("w1", now=at(0), db=market)

    assert finish(market, held, SECONDS - 0.001).task_status == "done"


def test_a_heartbeat_that_comes_late_renews_nothing(market):
    sell(market, "t1")
    held = leases.lease_next("w1", now=at(0), db=market)

    assert workers.check_in("w1", [held.fence], now=at(SECONDS), db=market) == []
    with pytest.raises(LeaseLost):
        leases.heartbeat(held.fence, now=at(SECONDS), db=market)
    assert sweeper.sweep(at(SECONDS), db=market).leases_expired == 1


def test_a_heartbeat_before_the_end_renews_by_the_leases_own_length(market):
    sell(market, "t1")
    held = leases.lease_next("w1", now=at(0), db=market)

    assert leases.heartbeat(held.fence, now=at(SECONDS - 1), db=market).ends_at == at(2 * SECONDS - 1)
    assert leases.heartbeat(held.fence, now=at(2 * SECONDS - 2), db=market).heartbeats == 2
    assert sweeper.sweep(at(2 * SECONDS), db=market).leases_expired == 0


def test_an_expired_lease_is_voided_tokens_return_and_the_task_runs_again(market):
    [slot_id] = sell(market, "t1")
    held = leases.lease_next("w1", now=at(0), db=market)
    assert wallet(market, "quest:q1") == (1_000, 10)

    swept = sweeper.sweep(at(SECONDS + 1), db=market)

    assert swept == Swept(leases_expired=1, workers_lost=1, asks_expired=0, slots_voided=0)
    assert wallet(market, "quest:q1") == (1_000, 0)
    assert task_status(market, "t1") == "open"
    assert leases.get_lease(held.fence, db=market).status == "expired"
    worker(market, "w2", now=at(SECONDS + 2))
    [again] = sell(market, "t1", worker_id="w2")
    assert again != slot_id
    assert leases.lease_next("w2", now=at(SECONDS + 3), db=market).fence > held.fence


def test_an_expired_lease_of_work_without_a_sale_opens_its_task_and_gives_back_its_share(market):
    workers.keep_offers("w1", 1, now=NOON, db=market)
    clear(market)
    held = leases.lease_task("w1", now=at(0), db=market)

    assert sweeper.sweep(at(SECONDS), db=market).leases_expired == 1

    assert task_status(market, held.assignment.task_id) == "open"
    with pytest.raises(LeaseLost):
        finish(market, held, SECONDS + 1)


def test_sweeping_when_all_is_well_writes_nothing(market):
    sell(market, "t1")
    leases.lease_next("w1", now=at(0), db=market)
    before = contents(market)

    assert sweeper.sweep(at(1), db=market) == NOTHING
    assert contents(market) == before


def test_without_a_time_the_databases_own_counts(market):
    sell(market, "t1")
    worker(market, "w2", now=None)
    held = leases.lease_next("w2", db=market)

    assert held.leased_at <= market.now() < held.ends_at
    assert leases.heartbeat(held.fence, db=market).ends_at >= held.ends_at


# --- workers


def test_a_worker_that_is_not_heard_of_is_lost_with_its_offers_and_what_it_won(market):
    sell(market, "t1")
    workers.keep_offers("w1", 3, now=NOON, db=market)

    swept = sweeper.sweep(at(SECONDS), db=market)

    assert swept == Swept(leases_expired=0, workers_lost=1, asks_expired=2, slots_voided=1)
    assert compute_auction.get_order_book(now=at(SECONDS), db=market)["asks"] == []
    assert task_status(market, "t1") == "open"
    assert wallet(market, "quest:q1") == (1_000, 0)
    assert sweeper.sweep(at(SECONDS), db=market) == NOTHING


def test_a_worker_that_is_heard_of_lives(market):
    workers.keep_offers("w1", 1, now=NOON, db=market)
    workers.check_in("w1", now=at(SECONDS - 1), db=market)

    assert sweeper.sweep(at(SECONDS + 1), db=market) == NOTHING
    [known] = workers.list_workers(db=market)
    assert (known.status, known.seen_at, known.on_offer) == ("alive", at(SECONDS - 1), 1)


def test_a_lost_worker_is_told_so_and_may_register_again(market):
    sweeper.sweep(at(SECONDS), db=market)
    for refused in (
        lambda: workers.check_in("w1", now=at(SECONDS), db=market),
        lambda: workers.keep_offers("w1", 1, now=at(SECONDS), db=market),
        lambda: leases.lease_next("w1", now=at(SECONDS), db=market),
        lambda: leases.lease_task("w1", now=at(SECONDS), db=market),
    ):
        with pytest.raises(WorkerLost):
            refused()

    worker(market, now=at(SECONDS + 1))

    assert sweeper.sweep(at(SECONDS + 2), db=market) == NOTHING
    assert len(workers.keep_offers("w1", 1, now=at(SECONDS + 2), db=market)) == 1


def test_a_stopped_worker_leaves_nothing_on_offer_and_may_finish_what_it_holds(market):
    sell(market, "t1", "t2")
    held = leases.lease_next("w1", now=at(0), db=market)
    workers.keep_offers("w1", 2, now=at(0), db=market)

    workers.stop_worker("w1", now=at(1), db=market)
    workers.stop_worker("w1", now=at(1), db=market)

    assert compute_auction.get_order_book(now=at(1), db=market)["asks"] == []
    assert dict(query(market, "SELECT status, COUNT(*) FROM compute_auction_clears GROUP BY status")) == {
        "running": 1,
        "voided": 1,
    }
    assert workers.check_in("w1", [held.fence], now=at(SECONDS - 1), db=market) == [held.fence]
    assert finish(market, held, SECONDS + 2).task_status == "done"


def test_a_workers_id_belongs_to_one_account(market):
    with pytest.raises(WorkerExists):
        worker(market, "w1", "worker:bob")
    with pytest.raises(UnknownWorker):
        workers.check_in("nobody", db=market)
    with pytest.raises(UnknownLease):
        leases.heartbeat(99, db=market)


def test_offers_are_kept_at_the_number_that_is_wanted(market):
    def on_offer() -> int:
        return len(compute_auction.get_order_book(now=NOON, db=market)["asks"])

    counts = []
    for wanted in (3, 3, 1, 2, 0):
        workers.keep_offers("w1", wanted, now=NOON, db=market)
        counts.append(on_offer())

    assert counts == [3, 3, 1, 2, 0]


def test_a_slot_that_was_sold_and_waits_takes_a_seat(market):
    sell(market, "t1")
    workers.keep_offers("w1", 2, now=at(1), db=market)

    assert workers.list_workers(db=market)[0].on_offer == 1


def test_one_workers_offers_are_not_anothers(market):
    worker(market, "w2")
    workers.keep_offers("w1", 2, now=NOON, db=market)
    workers.keep_offers("w2", 1, now=NOON, db=market)
    workers.keep_offers("w1", 0, now=NOON, db=market)

    assert [one.on_offer for one in sorted(workers.list_workers(db=market))] == [0, 1]


# --- many at once


def test_many_workers_lease_at_once_and_each_slot_goes_to_one(market):
    names = [f"many-{n}" for n in range(6)]
    for n in range(12):
        task(market, f"many-{n}")
    sell(market, *(f"many-{n}" for n in range(12)))
    for name in names:
        worker(market, name, now=None)
    held: list[Lease] = []

    def take(name: str) -> None:
        while (one := leases.lease_next(name, db=market)) is not None:
            held.append(one)

    threads = [threading.Thread(target=take, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(one.assignment.task_id for one in held) == sorted(f"many-{n}" for n in range(12))
    assert len({one.fence for one in held}) == 12


@pytest.mark.parametrize("db", ["postgres"], indirect=True)
def test_a_slot_locked_by_another_worker_is_passed_over(market):
    """On PostgreSQL nobody waits for a worker that is about to take a slot; SQLite has one writer anyway."""
    sell(market, "t1", "t2")
    taken, go_on = threading.Event(), threading.Event()

    def hold(tx) -> None:
        assert tx.values("claim_slot_provided", account_id="system:treasury", pool="scidex-agent")
        taken.set()
        go_on.wait(20)

    holder = threading.Thread(target=lambda: market.write(hold))
    holder.start()
    assert taken.wait(20)
    with connect(market.url) as other:
        held = leases.lease_next("w1", now=at(1), db=other)
    go_on.set()
    holder.join(20)

    assert held is not None


def test_sweepers_at_once_end_a_lease_once(market):
    sell(market, "t1", "t2", "t3")
    for _ in range(3):
        leases.lease_next("w1", now=at(0), db=market)
    swept: list[Swept] = []
    threads = [threading.Thread(target=lambda: swept.append(sweeper.sweep(at(SECONDS), db=market))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sum(one.leases_expired for one in swept) == 3
    assert sum(one.workers_lost for one in swept) == 1


def test_a_lease_of_the_heartbeat_that_was_first_is_not_swept(market):
    """A sweep that found a lease run out looks again under its lock, where a heartbeat may have come first."""
    sell(market, "t1")
    held = leases.lease_next("w1", now=at(0), db=market)
    workers.check_in("w1", [held.fence], now=at(SECONDS - 1), db=market)

    arguments = {"run_id": held.assignment.assignment_id, "fence": held.fence, "source": "auction"}
    assert execute_journaled(market, work_leases.expire_lease, arguments, now=at(SECONDS + 1)) is False
    assert task_status(market, "t1") == "running"


# --- the story of a run


def test_the_timeline_tells_each_step_in_order(market):
    [slot_id] = sell(market, "t1")
    held = leases.lease_next("w1", now=at(1), db=market)
    leases.note_step(held.fence, "started", now=at(2), db=market)
    workers.check_in("w1", [held.fence], now=at(5), db=market)
    leases.note_step(held.fence, "exited", "exited with 0", now=at(8), db=market)
    leases.note_step(held.fence, "metered", "reported", now=at(9), db=market)
    finish(market, held, 10)
    compute_auction.attest(slot_id, 3.0, "evaluator:ci", now=at(60), db=market)

    told = services.timeline(slot_id, db=market)

    assert [(event.event, (event.at - NOON).total_seconds()) for event in told] == [
        ("offered", 0),
        ("won", 0),
        ("leased", 1),
        ("started", 2),
        ("exited", 8),
        ("metered", 9),
        ("last heartbeat", 9),
        ("settled", 10),
        ("attested", 60),
    ]
    assert [event.note for event in told[-5:-1]] == ["exited with 0", "reported", "4 in all", "cost 7 tokens"]


def test_the_timeline_tells_of_a_lease_that_ran_out(market):
    [slot_id] = sell(market, "t1")
    leases.lease_next("w1", now=at(0), db=market)
    sweeper.sweep(at(SECONDS), db=market)

    assert [event.event for event in services.timeline(slot_id, db=market)] == [
        "offered", "won", "leased", "voided", "lease expired",
    ]  # fmt: skip


def test_a_worker_that_waits_hears_of_a_round_that_sold_something(market):
    open_round = compute_auction.get_pool("scidex-agent", db=market).open_round_id
    assert leases.wait_for_round(open_round, 0.0, db=market) == open_round
    heard: list[int] = []
    waiting = threading.Thread(target=lambda: heard.append(leases.wait_for_round(open_round, 30.0, db=market)))
    waiting.start()
    sell(market, "t1")
    waiting.join(20)

    assert heard == [compute_auction.get_pool("scidex-agent", db=market).open_round_id]
    assert token_ledger.verify(market).ok

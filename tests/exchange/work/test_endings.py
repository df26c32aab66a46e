"""Every end of a run has a class: only what failed costs; what was interrupted pauses what it depends on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scidex.errors import InvalidArgument, InvalidTime, WorkerLost, WorkerStopped
from scidex.exchange import backlog, compute_auction, leases, runs, services, sweeper, token_ledger, workers
from scidex.records import Usage
from tests.backlogs import quest, task
from tests.databases import contents
from tests.market import NOON, TREASURY, bid, clear, prove, wallet

SECONDS = 30.0


def at(seconds: float):
    return NOON + timedelta(seconds=seconds)


@pytest.fixture
def market(db):
    """A market with a quest of 10,000 tokens and twelve tasks."""
    quest(db, tokens=10_000)
    for number in range(12):
        task(db, f"t{number}")
    for name in ("worker:ada", "worker:bob"):
        token_ledger.create_account(name, kind="worker", now=NOON, db=db)
    yield db
    prove(db)


def worker(db, worker_id="w1", account_id="worker:ada", **terms) -> str:
    known = {"lease_seconds": SECONDS, "seats": 4, "now": NOON, **terms}
    workers.register_worker(worker_id, account_id, **known, db=db)
    return worker_id


def lease(db, worker_id, task_id, seconds=0.0):
    """Let a worker offer a slot, sell it to a task, and lease it."""
    workers.keep_offers(worker_id, 1, reserve_price_tokens=10, now=at(seconds), db=db)
    bid(db, "quest:q1", task_id, 50, now=at(seconds))
    assert [sold.winning_task_id for sold in clear(db, at(seconds)).clears] == [task_id]
    return leases.lease_next(worker_id, now=at(seconds), db=db)


def finish(db, held, seconds, *, succeeded=True, cause="done"):
    return services.finish(
        held.assignment,
        succeeded=succeeded,
        actual_cost_tokens=5,
        cause=cause,
        fence=held.fence,
        now=at(seconds),
        db=db,
    )


def interrupt(db, held, seconds, cause="quota", retry=None):
    again = None if retry is None else at(retry)
    services.give_back(
        held.assignment, f"{cause}: it said so", cause=cause, retry_at=again, fence=held.fence, now=at(seconds), db=db
    )


def offered(db, worker_id, seconds, wanted=4) -> int:
    workers.keep_offers(worker_id, wanted, now=at(seconds), db=db)
    [one] = [one for one in workers.list_workers(db=db) if one.worker_id == worker_id]
    return one.on_offer


def attempts(db, task_id) -> tuple[str, int]:
    known = backlog.get_task(task_id, db=db)
    return known.status, known.attempts


# --- what costs, and what does not


def test_what_was_interrupted_gives_everything_back_and_says_why(market):
    held = lease(market, worker(market), "t0")
    interrupt(market, held, 20, retry=3_600)
    runs.record_usage(held.assignment.assignment_id, Usage("file", "reported", 9), now=at(21), db=market)

    ended = runs.get_ending(held.assignment.assignment_id, db=market)
    assert (ended.ending, ended.cause, ended.note, ended.retry_at) == (
        "interrupted",
        "quota",
        "quota: it said so",
        at(3_600),
    )
    assert (wallet(market, "quest:q1"), wallet(market, TREASURY)) == ((10_000, 0), (0, 0))
    assert attempts(market, "t0") == ("open", 0)
    assert runs.get_usage(held.assignment.assignment_id, db=market)[0].tokens == 9


def test_what_was_given_back_does_not_use_up_the_attempts_of_what_fails(market):
    now = 0.0
    worker(market, lease_seconds=86_400.0)
    for _ in range(4):
        interrupt(market, lease(market, "w1", "t0", now), now + 1, cause="machine")
        now += 1_000
    states = []
    for _ in range(3):
        finish(market, lease(market, "w1", "t0", now), now + 100, succeeded=False, cause="exit_code")
        states.append(attempts(market, "t0"))
        now += 1_000

    assert states == [("open", 1), ("open", 2), ("failed", 3)]


def test_a_task_that_ends_its_worker_three_times_is_held(market):
    states = []
    for number in range(3):
        now = number * 100
        worker(market, f"w{number}", now=at(now))
        held = lease(market, f"w{number}", "t0", now)
        sweeper.sweep(at(now + SECONDS), db=market)
        states.append(attempts(market, "t0"))
        assert runs.get_ending(held.assignment.assignment_id, db=market).ending == "lost"

    assert states == [("open", 0), ("open", 0), ("held", 0)]
    assert backlog.get_task("t0", db=market).status_reason == "3 workers in a row were lost while they ran it"
    assert wallet(market, "quest:q1") == (10_000, 0)


@pytest.mark.parametrize("end", ["finished", "interrupted"])
def test_only_workers_lost_in_a_row_hold_a_task(market, end):
    for number in range(5):
        now = number * 100
        worker(market, f"w{number}", now=at(now))
        held = lease(market, f"w{number}", "t0", now)
        if number == 2:
            if end == "interrupted":
                interrupt(market, held, now + 20, cause="stopped")
            else:
                finish(market, held, now + 20, succeeded=False, cause="exit_code")
        sweeper.sweep(at(now + SECONDS), db=market)

    assert attempts(market, "t0")[0] == "open"


# --- pauses


def test_an_interrupted_worker_offers_nothing_until_the_time_that_was_named_and_then_tries_with_one_run(market):
    worker(market, lease_seconds=86_400.0)
    interrupt(market, lease(market, "w1", "t0"), 10, retry=600)

    assert [offered(market, "w1", seconds) for seconds in (11, 599)] == [0, 0]
    assert offered(market, "w1", 601) == 1
    assert offered(market, "w1", 602) == 1
    bid(market, "quest:q1", "t0", 50, now=at(603))
    clear(market, at(603))
    trial = leases.lease_next("w1", now=at(604), db=market)
    assert offered(market, "w1", 605) == 0
    finish(market, trial, 610)
    assert offered(market, "w1", 611) == 4
    assert workers.list_pauses(db=market) == []


def test_a_trial_that_is_interrupted_too_makes_the_pause_longer(market):
    worker(market, lease_seconds=86_400.0)
    interrupt(market, lease(market, "w1", "t0"), 10, cause="overload")
    interrupt(market, lease(market, "w1", "t1", 100), 110, cause="overload")

    [pause] = workers.list_pauses(db=market)
    assert (pause.trips, pause.cause) == (2, "overload")
    assert pause.ends_at - pause.opened_at >= timedelta(seconds=4)


def test_a_trial_that_has_lasted_a_minute_lets_the_others_begin(market):
    worker(market, lease_seconds=86_400.0)
    interrupt(market, lease(market, "w1", "t0"), 10, retry=600)
    lease(market, "w1", "t0", 601)

    assert [offered(market, "w1", seconds, wanted=3) for seconds in (660, 662)] == [0, 3]


@pytest.mark.parametrize(
    ("cause", "draws_on", "other_offers"),
    [
        ("quota", "plan", 0),
        ("login", "plan", 0),
        ("machine", "plan", 4),
        ("quota", "another", 4),
        ("quota", "", 4),
    ],
)
def test_what_interrupts_at_a_provider_pauses_all_that_draw_on_the_account(market, cause, draws_on, other_offers):
    worker(market, draws_on="plan", lease_seconds=86_400.0)
    worker(market, "w2", draws_on=draws_on, lease_seconds=86_400.0)
    interrupt(market, lease(market, "w1", "t0"), 10, cause=cause, retry=600)

    assert (offered(market, "w1", 11), offered(market, "w2", 11)) == (0, other_offers)


def test_of_all_that_draw_on_an_account_one_tries(market):
    for name in ("w1", "w2", "w3"):
        worker(market, name, draws_on="plan", lease_seconds=86_400.0)
    interrupt(market, lease(market, "w1", "t0"), 10, retry=600)

    assert [offered(market, name, 601) for name in ("w2", "w1", "w3")] == [1, 0, 0]
    workers.stop_worker("w2", now=at(610), db=market)
    assert [offered(market, name, 611) for name in ("w1", "w3")] == [1, 0]


def test_a_worker_that_was_to_try_and_does_not_lets_another(market):
    for name in ("w1", "w2"):
        worker(market, name, draws_on="plan", lease_seconds=86_400.0)
    interrupt(market, lease(market, "w1", "t0"), 10, retry=600)

    assert offered(market, "w1", 601) == 1
    assert [offered(market, "w2", seconds) for seconds in (602, 720, 722)] == [0, 0, 1]


def test_another_providers_account_of_the_same_name_is_another(market):
    worker(market, draws_on="plan", lease_seconds=86_400.0)
    worker(market, "w2", "worker:bob", provider_id="worker:bob", draws_on="plan", lease_seconds=86_400.0)
    interrupt(market, lease(market, "w2", "t0"), 10, retry=600)

    assert (offered(market, "w1", 11), offered(market, "w2", 11)) == (4, 0)


def test_what_a_worker_had_sold_is_voided_when_it_pauses(market):
    worker(market, lease_seconds=86_400.0)
    workers.keep_offers("w1", 2, reserve_price_tokens=10, now=NOON, db=market)
    for name in ("t0", "t1"):
        bid(market, "quest:q1", name, 50)
    clear(market)
    interrupt(market, leases.lease_next("w1", now=at(1), db=market), 2, retry=600)

    assert leases.lease_next("w1", now=at(3), db=market) is None
    assert offered(market, "w1", 3, wanted=1) == 0
    assert {clear.status for clear in compute_auction.list_clears(db=market)} == {"voided"}
    assert wallet(market, "quest:q1") == (10_000, 0)


def test_an_operator_ends_a_pause(market):
    worker(market, lease_seconds=86_400.0)
    interrupt(market, lease(market, "w1", "t0"), 10, retry=600)

    assert workers.end_pause("worker", "w1", now=at(11), db=market)
    assert not workers.end_pause("worker", "w1", now=at(11), db=market)
    assert offered(market, "w1", 12) == 4


def test_a_worker_that_has_ended_is_not_paused(market):
    worker(market, lease_seconds=86_400.0)
    interrupt(market, lease(market, "w1", "t0"), 10, retry=600)
    workers.stop_worker("w1", now=at(11), db=market)

    assert workers.list_pauses(db=market) == []


def test_a_run_that_the_agent_stopped_pauses_nothing(market):
    worker(market, lease_seconds=86_400.0)
    interrupt(market, lease(market, "w1", "t0"), 10, cause="stopped")

    assert offered(market, "w1", 11) == 4


@pytest.mark.parametrize(
    ("told", "refusal"),
    [
        ({"cause": "Quota!"}, InvalidArgument),
        ({"cause": None}, InvalidArgument),
        ({"retry_at": at(36 * 86_400)}, InvalidTime),
        ({"retry_at": "soon"}, InvalidTime),
    ],
)
def test_a_word_that_is_none_changes_nothing(market, told, refusal):
    held = lease(market, worker(market), "t0")
    before = contents(market)

    with pytest.raises(refusal):
        services.give_back(held.assignment, fence=held.fence, now=at(1), db=market, **told)
    assert contents(market) == before


# --- workers at fault


def fail_at_once(db, worker_id, task_ids, began=0.0):
    """Let a worker's runs for these tasks fail within a second each, as soon as it offers."""
    now = began
    for task_id in task_ids:
        finish(db, lease(db, worker_id, task_id, now), now + 1, succeeded=False, cause="exit_code")
        now += 2_000
    return now


def test_a_worker_at_which_all_tasks_fail_at_once_is_at_fault_from_the_fourth_on(market):
    worker(market, lease_seconds=86_400.0)
    fail_at_once(market, "w1", [f"t{number}" for number in range(8)])

    states = [attempts(market, f"t{number}") for number in range(8)]
    assert states == [("open", 1)] * 3 + [("open", 0)] * 5
    assert wallet(market, TREASURY) == (30, 0)
    [pause] = workers.list_pauses(db=market)
    assert (pause.name, pause.cause, pause.trips) == ("w1", "machine", 5)


def test_a_task_that_fails_at_once_three_times_is_its_own_fault(market):
    worker(market, lease_seconds=86_400.0)
    fail_at_once(market, "w1", ["t0", "t0", "t0"])

    assert attempts(market, "t0") == ("failed", 3)


@pytest.mark.parametrize(("seconds", "succeeded"), [(1, True), (60, False)])
def test_one_success_or_one_long_run_ends_the_suspicion(market, seconds, succeeded):
    worker(market, lease_seconds=86_400.0)
    now = fail_at_once(market, "w1", ["t0", "t1", "t2"])
    finish(market, lease(market, "w1", "t9", now), now + seconds, succeeded=succeeded)
    fail_at_once(market, "w1", ["t3"], now + 2_000)

    assert attempts(market, "t3") == ("open", 1)


def test_a_black_hole_is_stopped_for_good_and_earns_nothing_more(market):
    worker(market, lease_seconds=86_400.0)
    worker(market, "w2", "worker:bob", lease_seconds=86_400.0)
    now = fail_at_once(market, "w1", ["t0", "t1", "t2"])
    finish(market, lease(market, "w2", "t8", now), now + 60)
    fail_at_once(market, "w1", ["t3"], now + 100)

    [stopped] = [one for one in workers.list_workers(ended_too=True, db=market) if one.worker_id == "w1"]
    assert (stopped.status, "others' succeeded" in stopped.stopped_because) == ("stopped", True)
    with pytest.raises(WorkerLost):
        workers.keep_offers("w1", 1, now=at(now + 200), db=market)
    with pytest.raises(WorkerStopped) as refused:
        worker(market, now=at(now + 200))
    assert "others' succeeded" in str(refused.value)
    assert attempts(market, "t3") == ("open", 0)


def test_work_without_a_sale_ends_by_the_same_rules(market):
    worker(market, lease_seconds=86_400.0)
    ends: list[tuple[str, str | None, int]] = []
    for number in range(4):
        now = number * 100
        workers.keep_offers("w1", 1, now=at(now), db=market)
        clear(market, at(now))
        for task_id, *_ in ends:
            backlog.set_task_status(task_id, "held", now=at(now), db=market)
        ended = finish(market, leases.lease_task("w1", now=at(now), db=market), now + 1, succeeded=False, cause="x")
        ends.append((ended.task_id, ended.task_status, ended.attempts))

    assert [end[1:] for end in ends] == [("open", 1)] * 3 + [("open", 0)]
    assert offered(market, "w1", 302) == 0

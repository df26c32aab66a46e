"""What agents run: slots they won first, then slots that nobody bought, and in the fallback whatever is whose turn."""

from __future__ import annotations

import threading
from collections import Counter
from itertools import count

import pytest

from scidex.errors import (
    AlreadyFinished,
    AlreadySettled,
    AlreadyStarted,
    AssignmentGivenBack,
    AttesterNotIndependent,
    InvalidAmount,
    InvalidArgument,
    InvalidId,
    ScidexError,
    SlotVoided,
    TaskNotOpen,
    UnknownAccount,
    UnknownAssignment,
    UnknownPool,
)
from scidex.exchange import backlog, compute_auction, cycle, ev_scorer, services, token_ledger
from scidex.records import Allocation
from tests.backlogs import JUDGE, agents, quest, run, statuses, task, task_status
from tests.market import NOON, after, bid, clear, fund, offer, status, wallet
from tests.raw_sql import query

ADA, BOB = "agent:ada", "agent:bob"
LATE = after(10_000)  # long after the last cycle


@pytest.fixture
def market(db):
    """Ada and Bob, a judge, and a quest with 1,000 tokens."""
    agents(db, ADA, BOB)
    quest(db, tokens=1_000)
    return db


@pytest.fixture
def stopped(market):
    """The market, whose last cycle was at noon."""
    assert cycle.run_cycle(now=NOON, db=market).error is None
    return market


def sold(db, task_id="a", price=10, **terms):
    """Ada's slot, sold to the quest for a task."""
    [slot] = offer(db, **{"provider_id": ADA, **terms})
    bid(db, "quest:q1", task_id, price)
    clear(db)
    [work] = services.won_slots(ADA, db=db)
    assert work.assignment_id == slot.slot_id
    return work


def settled(done):
    """The clear that a finished assignment settled."""
    assert done.clear is not None
    return done.clear


def next_task(db, agent_id=ADA, at=NOON, **terms):
    return services.next_task(agent_id, at, **terms, db=db)


# --- won slots


def test_an_agent_finds_the_slots_that_it_provides_and_those_that_it_bought(market):
    task(market, "a", 7.0, title="A", payload={"command": ["true"]})
    token_ledger.mint(ADA, 100, now=NOON, db=market)
    own, other = offer(market, provider_id=BOB, token_allowance=500, max_seconds=60), offer(market)
    bid(market, "quest:q1", "a", 10, expected_value_usd=7.0)
    bid(market, ADA, "outside", 5)
    clear(market)

    [provided] = services.won_slots(BOB, db=market)
    assert provided.assignment_id == own[0].slot_id
    assert provided[:1] + provided[2:] == (
        "auction", BOB, "a", "q1", "A", {"command": ["true"]}, "scidex-agent", 500, 60, 7.0, None
    )  # fmt: skip
    [bought] = services.won_slots(ADA, db=market)
    assert (bought.assignment_id, bought.task_id, bought.quest_id, bought.payload) == (
        other[0].slot_id, "outside", None, {}
    )  # fmt: skip


def test_a_won_slot_is_started_once_and_its_task_with_it(market):
    task(market, "a")
    work = sold(market)

    assert services.start(work, now=after(1), db=market) == work
    started = query(market, "SELECT status, slot_started_at FROM compute_auction_clears")[0]
    assert (started["status"], task_status(market, "a")) == ("running", "running")
    assert services.won_slots(ADA, db=market) == []
    with pytest.raises(AlreadyStarted):
        services.start(work, db=market)
    assert backlog.get_task("a", db=market).attempts == 1


def test_a_slot_for_a_task_of_somebody_else_is_started_as_well(market):
    work = sold(market, "outside")

    services.start(work, now=NOON, db=market)
    done = services.finish(work, succeeded=True, actual_cost_tokens=5, now=NOON, db=market)
    assert (done.task_status, done.attempts, settled(done).status) == (None, 0, "settled")


def test_a_slot_whose_task_runs_elsewhere_is_not_started(market):
    work = sold(market, "a")
    backlog.put_tasks([{"task_id": "a", "quest_id": "q1", "status": "running"}], now=NOON, db=market)

    with pytest.raises(TaskNotOpen):
        services.start(work, db=market)
    services.give_back(work, "runs elsewhere", now=NOON, db=market)
    assert wallet(market, "quest:q1") == (1_000, 0)


def test_a_success_settles_the_slot_and_ends_the_task(market):
    task(market, "a")
    task(market, "b", depends_on=["a"])
    rival = bid(market, "quest:q1", "other", 4)

    done = run(market, sold(market), 2.0)
    assert (done.source, done.task_status, done.attempts) == ("auction", "done", 1)
    sale = settled(done)
    assert (sale.clearing_price_tokens, sale.actual_impact, sale.attested_by) == (4, 2.0, JUDGE)
    assert statuses(market) == {"a": "done", "b": "open"}
    assert status(market, rival) == "lost"
    assert wallet(market, "quest:q1") == (1_000 - 4 + 1_400, 0)
    assert wallet(market, ADA) == (4, 0)


@pytest.mark.parametrize(("judge", "impact"), [(None, None), (JUDGE, 0.0)])
def test_a_failure_is_settled_and_the_task_may_be_tried_again(market, judge, impact):
    task(market, "a")
    work = sold(market)
    services.start(work, now=NOON, db=market)

    told = {"actual_cost_tokens": 9, "actual_impact": 50.0, "attested_by": judge, "note": "exit code 3"}
    done = services.finish(work, succeeded=False, **told, now=NOON, db=market)
    sale = settled(done)
    assert (sale.status, sale.actual_impact, sale.reason) == ("settled", impact, "exit code 3")
    assert sale.is_judged == (judge is not None)
    assert (done.task_status, done.attempts) == ("open", 1)


def test_a_task_is_tried_a_set_number_of_times(market, monkeypatch):
    monkeypatch.setenv("SCIDEX_MOST_ATTEMPTS", "2")
    task(market, "a")

    assert run(market, sold(market), succeeded=False).task_status == "open"
    assert run(market, sold(market), succeeded=False)[3:5] == ("failed", 2)
    assert backlog.set_task_status("a", "open", now=NOON, db=market).attempts == 0


def test_an_attempt_that_was_not_marked_as_started_counts(market):
    task(market, "a")

    done = services.finish(sold(market), succeeded=False, actual_cost_tokens=0, now=NOON, db=market)
    assert (done.task_status, done.attempts) == ("open", 1)


def test_finishing_again_answers_the_same_and_other_numbers_are_refused(market):
    task(market, "a")
    work = sold(market)
    first = run(market, work, 2.0)

    again = services.finish(
        work, succeeded=True, actual_cost_tokens=100, actual_impact=2.0, attested_by=JUDGE, db=market
    )
    assert again == first
    with pytest.raises(AlreadySettled):
        services.finish(work, succeeded=True, actual_cost_tokens=101, db=market)


def test_a_slot_that_is_given_back_costs_nothing_and_its_task_is_open(market):
    task(market, "a")
    work = sold(market)
    services.start(work, now=NOON, db=market)

    services.give_back(work, "agent stopped", now=NOON, db=market)
    assert task_status(market, "a") == "open"
    assert wallet(market, "quest:q1") == (1_000, 0)
    with pytest.raises(SlotVoided):
        services.finish(work, succeeded=True, actual_cost_tokens=1, db=market)
    with pytest.raises(SlotVoided):
        services.start(work, db=market)


def test_what_makes_no_sense_is_refused(market):
    task(market, "a")
    work = sold(market)

    with pytest.raises(InvalidArgument, match="succeeded"):
        services.finish(work, succeeded=1, actual_cost_tokens=1, db=market)
    with pytest.raises(InvalidAmount, match="actual_cost_tokens"):
        services.finish(work, succeeded=True, actual_cost_tokens=-1, db=market)
    with pytest.raises(InvalidArgument, match="actual_impact"):
        services.finish(work, succeeded=True, actual_cost_tokens=1, actual_impact=float("nan"), db=market)
    with pytest.raises(InvalidArgument, match="assignment"):
        services.start("slot-1", db=market)
    with pytest.raises(UnknownAssignment):
        services.start(work._replace(source="unsold", assignment_id="assignment-9"), db=market)
    with pytest.raises(UnknownAccount):
        services.won_slots("agent:nobody", db=market)
    with pytest.raises(InvalidId):
        next_task(market, "system:treasury")
    with pytest.raises(UnknownAccount):
        next_task(market, "agent:nobody")
    with pytest.raises(UnknownPool):
        next_task(market, pool="gpu")


# --- slots that nobody bought


def test_before_any_round_there_is_no_slot_to_take(market):
    task(market, "a")
    offer(market)

    assert next_task(market) is None


def test_a_slot_left_unsold_takes_a_task_that_did_not_bid(market):
    task(market, "a", 5.0, title="A", payload={"x": 1}, estimated_cost_tokens=30)
    [slot] = offer(market, token_allowance=700, max_seconds=9)
    clear(market)

    work = next_task(market)
    assert (work.source, work.agent_id, work.task_id, work.quest_id, work.title, work.payload) == (
        "unsold", ADA, "a", "q1", "A", {"x": 1}
    )  # fmt: skip
    assert (work.token_allowance, work.max_seconds, work.expected_value_usd) == (700, 9, 5.0)
    assert task_status(market, "a") == "running"
    assert query(market, f"SELECT status FROM compute_auction_asks WHERE slot_id = '{slot.slot_id}'") == [
        {"status": "withdrawn"}
    ]


def test_losing_is_never_a_way_to_run_free(market):
    """One slot, two quests: whoever lost gets nothing for nothing, however often an idle agent asks."""
    quest(market, "q2", 500)
    task(market, "winner")
    task(market, "loser", quest_id="q2")
    offer(market)
    bid(market, "quest:q1", "winner", 900)
    lost = bid(market, "quest:q2", "loser", 500)
    clear(market)
    assert status(market, lost) == "lost"

    assert next_task(market) is None
    assert next_task(market, BOB, after(1)) is None
    assert task_status(market, "loser") == "open"


def test_a_task_that_bid_takes_no_slot_that_is_left(market):
    """Its owner offered a slot of that round, so that its bid did not compete, and the slot stands idle."""
    backlog.add_quest("adas", owner_id=ADA, now=NOON, db=market)
    token_ledger.mint("quest:adas", 100, now=NOON, db=market)
    task(market, "a", quest_id="adas")
    offer(market, provider_id=ADA)
    passed_over = bid(market, "quest:adas", "a", 50)
    clear(market)
    assert status(market, passed_over) == "lost"

    assert next_task(market) is None
    task(market, "b", 1.0)
    assert next_task(market).task_id == "b"


def test_a_task_with_an_open_bid_waits_for_the_round(market):
    task(market, "a")
    offer(market)
    clear(market)
    bid(market, "quest:q1", "a", 5)

    assert next_task(market) is None


@pytest.mark.parametrize(
    "terms",
    [{"reserve_price_tokens": 1}, {"provider_id": BOB}, {"expires_at": after(1)}],
)
def test_a_slot_that_is_not_free_or_not_anybodys_or_gone_is_not_taken(market, terms):
    task(market, "a")
    offer(market, **terms)
    clear(market)

    assert next_task(market, at=after(2)) is None


def test_a_slot_that_no_round_has_offered_yet_is_not_taken(market):
    task(market, "a")
    offer(market)
    clear(market)
    assert next_task(market) is not None

    task(market, "b")
    offer(market, now=after(1))
    assert next_task(market, at=after(1)) is None


def test_an_agent_takes_its_own_slot_before_the_treasurys(market):
    task(market, "a")
    offer(market)
    [own] = offer(market, provider_id=ADA)
    clear(market)
    next_task(market)

    assert query(market, "SELECT slot_id FROM compute_auction_asks WHERE status = 'withdrawn'") == [
        {"slot_id": own.slot_id}
    ]


def test_each_slot_is_taken_once(market):
    for name in "abc":
        task(market, name)
    offer(market, 2)
    clear(market)

    assert [work and work.task_id for work in (next_task(market), next_task(market, BOB), next_task(market))] == [
        "a", "b", None
    ]  # fmt: skip


def test_work_without_a_sale_moves_no_tokens_and_is_charged_to_the_quests_share(market):
    task(market, "a", estimated_cost_tokens=300)
    task(market, "b")
    offer(market)
    clear(market)
    transfers = query(market, "SELECT COUNT(*) AS n FROM token_transfers")

    work = next_task(market)
    assert ev_scorer.get_quest_budget_allocation(NOON, db=market) == [Allocation("q1", 1, 1_000_000, 300)]
    done = run(market, work, 50.0, actual_cost_tokens=450)
    assert (done.source, done.task_status, done.clear) == ("unsold", "done", None)
    assert ev_scorer.get_quest_budget_allocation(NOON, db=market) == [Allocation("q1", 1, 1_000_000, 450)]
    assert query(market, "SELECT COUNT(*) AS n FROM token_transfers") == transfers
    assert wallet(market, "quest:q1") == (1_000, 0)


def test_work_without_a_sale_is_started_and_finished_once(market):
    task(market, "a")
    offer(market)
    clear(market)
    work = next_task(market)
    services.start(work, now=NOON, db=market)
    with pytest.raises(AlreadyStarted):
        services.start(work, db=market)

    first = services.finish(work, succeeded=True, actual_cost_tokens=5, now=NOON, db=market)
    assert services.finish(work, succeeded=True, actual_cost_tokens=5, db=market) == first
    with pytest.raises(AlreadyFinished):
        services.finish(work, succeeded=False, actual_cost_tokens=5, db=market)
    with pytest.raises(AlreadyFinished):
        services.give_back(work, db=market)


def test_work_that_is_given_back_is_open_to_others(market):
    task(market, "a", estimated_cost_tokens=300)
    offer(market, 2)
    clear(market)
    work = next_task(market)

    services.give_back(work, "agent stopped", now=NOON, db=market)
    services.give_back(work, "agent stopped", now=NOON, db=market)
    assert ev_scorer.get_quest_budget_allocation(NOON, db=market)[0].used_tokens == 0
    with pytest.raises(AssignmentGivenBack):
        services.start(work, db=market)
    with pytest.raises(AssignmentGivenBack):
        services.finish(work, succeeded=True, actual_cost_tokens=1, db=market)
    assert next_task(market, BOB).task_id == "a"


def test_work_without_a_sale_is_tried_again_after_a_failure(market, monkeypatch):
    monkeypatch.setenv("SCIDEX_MOST_ATTEMPTS", "2")
    task(market, "a")
    offer(market, 3)
    clear(market)

    assert run(market, next_task(market), succeeded=False).task_status == "open"
    assert run(market, next_task(market), succeeded=False).task_status == "failed"
    assert next_task(market) is None


def test_impact_of_work_without_a_sale_is_attested_by_others_too(market):
    backlog.add_quest("adas", owner_id="ada", now=NOON, db=market)
    token_ledger.create_account("evaluator:adas", kind="evaluator", owner_id="ada", now=NOON, db=market)
    task(market, "a", quest_id="adas")
    offer(market)
    clear(market)

    with pytest.raises(AttesterNotIndependent):
        run(market, next_task(market), 5.0, attested_by="evaluator:adas")


def test_a_task_that_was_given_out_is_not_sold(market):
    task(market, "a")
    offer(market)
    clear(market)
    next_task(market)

    late = bid(market, "quest:q1", "a", 50)
    assert compute_auction.get_bid(late.id, db=market).reason == "task_running"
    offer(market)
    assert clear(market, after(1)).sold == 0


# --- the fallback


def test_in_the_fallback_agents_go_by_the_proportional_split(stopped, monkeypatch):
    monkeypatch.setenv("SCIDEX_DAILY_BUCKET_TOKENS", "400")
    backlog.set_quest("q1", priority=3, now=NOON, db=stopped)
    quest(stopped, "q2", priority=1)
    for number in range(5):
        task(stopped, f"a{number}", 10.0 - number, estimated_cost_tokens=100)
        task(stopped, f"b{number}", 99.0, "q2", estimated_cost_tokens=100)

    given = [work and work.task_id for work in (next_task(stopped, at=LATE) for _ in range(5))]
    assert given == ["a0", "b0", "a1", "a2", None]
    assert cycle.cycle_status(db=stopped).mode == "fallback"


def test_a_share_of_the_next_day_is_a_new_one(stopped, monkeypatch):
    monkeypatch.setenv("SCIDEX_DAILY_BUCKET_TOKENS", "100")
    task(stopped, "a", estimated_cost_tokens=100)
    task(stopped, "b", estimated_cost_tokens=100)

    assert next_task(stopped, at=LATE).task_id == "a"
    assert next_task(stopped, at=LATE) is None
    assert next_task(stopped, at=after(10_000 + 24 * 60)).task_id == "b"


def test_the_fallback_debits_no_wallet_and_refills_nothing(stopped):
    task(stopped, "a")

    done = run(stopped, next_task(stopped, at=LATE), 50.0, LATE)
    assert (done.source, done.task_status) == ("fallback", "done")
    assert wallet(stopped, "quest:q1") == (1_000, 0)


def test_the_fallback_passes_over_tasks_that_hold_a_slot(stopped):
    task(stopped, "a")
    task(stopped, "b", 1.0)
    sold(stopped)

    assert next_task(stopped, at=LATE).task_id == "b"
    assert next_task(stopped, at=LATE) is None


def test_an_agent_in_the_fallback_takes_its_own_slot_off_the_market(stopped):
    task(stopped, "a")
    offer(stopped, provider_id=ADA, token_allowance=55)
    offer(stopped)

    assert next_task(stopped, at=LATE).token_allowance == 55
    assert len(compute_auction.get_order_book(db=stopped)["asks"]) == 1


def test_deadlines_and_paused_quests_hold_in_the_fallback(stopped):
    quest(stopped, "q2")
    task(stopped, "late", deadline_at=after(5))
    task(stopped, "paused", quest_id="q2")
    backlog.set_quest("q2", status="paused", now=NOON, db=stopped)

    assert next_task(stopped, at=LATE) is None


# --- races


def test_no_task_is_given_out_twice_however_many_ask_at_once(stopped):
    names = [f"agent:{n}" for n in range(6)]
    fund(stopped, 0, *names)
    for number in range(12):
        task(stopped, f"t{number:02}")
    given: list[str] = []

    def ask(agent_id):
        while work := next_task(stopped, agent_id, LATE):
            services.start(work, now=LATE, db=stopped)
            given.append(work.task_id)

    together([lambda name=name: ask(name) for name in names])
    assert sorted(given) == [f"t{number:02}" for number in range(12)]


def test_a_won_slot_is_started_by_one_of_many(market):
    for number in range(4):
        task(market, f"t{number}")
        offer(market, provider_id=ADA)
        bid(market, "quest:q1", f"t{number}", 10)
    clear(market)
    started: list[str] = []

    def start_all():
        for work in services.won_slots(ADA, db=market):
            try:
                services.start(work, now=NOON, db=market)
            except AlreadyStarted:
                continue
            started.append(work.task_id)

    together([start_all] * 6)
    assert sorted(started) == ["t0", "t1", "t2", "t3"]


class Fleet:
    """Agents that run whatever they are given, and count how often each task ran."""

    def __init__(self, db):
        self.db = db
        self.runs: Counter[str] = Counter()
        self.sources: set[str] = set()

    def work_for(self, agent_id):
        for _ in range(60):
            compute_auction.offer_slots(1, provider_id=agent_id, db=self.db)
            other = services.next_task(agent_id, db=self.db)
            for work in [*services.won_slots(agent_id, db=self.db), *([other] if other else [])]:
                self.run(work)
            if "open" not in statuses(self.db).values():
                return

    def run(self, work):
        try:
            services.start(work, db=self.db)
        except (AlreadyStarted, TaskNotOpen):
            return
        self.runs[work.task_id] += 1
        self.sources.add(work.source)
        services.finish(work, succeeded=True, actual_cost_tokens=1, db=self.db)


def test_no_task_runs_twice_while_the_auction_breaks_and_returns(market, monkeypatch):
    """Every second round raises, so that agents go back and forth between won slots and other work."""
    names = [f"agent:{n}" for n in range(4)]
    fund(market, 0, *names)
    for number in range(30):
        task(market, f"t{number:02}", 0.01 if number % 2 else 0.0)
    clear_round, calls = compute_auction.clear_round, count()

    def fragile(*args, **terms):
        if next(calls) % 2 == 0:
            raise RuntimeError("injected")
        return clear_round(*args, **terms)

    def clear_often():
        for _ in range(40):
            cycle.run_cycle(db=market)

    monkeypatch.setattr(compute_auction, "clear_round", fragile)
    fleet = Fleet(market)
    together([*(lambda name=name: fleet.work_for(name) for name in names), clear_often])

    assert set(fleet.runs.values()) == {1}
    assert set(statuses(market).values()) <= {"done", "open"}
    assert len(fleet.runs) == Counter(statuses(market).values())["done"] >= 10
    assert "fallback" in fleet.sources


def together(calls):
    """Run the calls in threads at once; raise what one of them raised."""
    errors: list[BaseException] = []
    gate = threading.Barrier(len(calls))

    def do(call):
        gate.wait()
        try:
            call()
        except (ScidexError, AssertionError) as error:
            errors.append(error)

    threads = [threading.Thread(target=do, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []

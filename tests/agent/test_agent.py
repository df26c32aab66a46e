"""The agent's loop on a real market: what was won runs first, failures settle, and it stops cleanly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from scidex.agent.agent import Agent, AgentWork, Report
from scidex.agent.commands import command_of_task
from scidex.agent.evaluators import Impact
from scidex.agent.evaluators.exit_code import ExitCodeEvaluator
from scidex.agent.executors.local import LocalExecutor
from scidex.agent.offers import Offers
from scidex.clock import utc_now
from scidex.exchange import backlog, compute_auction, cycle, runs, services, token_ledger, workers
from scidex.market.embedded import EmbeddedMarket
from scidex.settings import TREASURY

SUCCEED = ["sh", "-c", """echo '{"tokens": 700}' > "$SCIDEX_USAGE_FILE" """]
FAIL = ["sh", "-c", "exit 3"]
HANG = ["sleep", "600"]


class Fixed:
    """An evaluator that finds every run worth the same."""

    def __init__(self, usd: float, attester_id: str = "evaluator:ci") -> None:
        self.impact = Impact(usd, attester_id)

    def judge(self, place, result) -> Impact:
        return self.impact


@pytest.fixture
def market(db):
    """A market with a quest of 100,000 tokens, an evaluator, and one worker."""
    quest = backlog.add_quest("docs", db=db)
    token_ledger.mint(quest.account_id, 100_000, db=db)
    token_ledger.create_account("evaluator:ci", kind="evaluator", db=db)
    token_ledger.create_account("worker:ada", kind="worker", db=db)
    return db


@pytest.fixture
def agent_with(market, tmp_path) -> Callable[..., Agent]:
    def make(*, evaluator=None, max_seconds=20.0, clock=None, **options) -> Agent:
        work = AgentWork(
            command_of_task,
            tmp_path / "runs",
            executor=LocalExecutor(grace_seconds=0.5),
            evaluator=evaluator or Fixed(5.0),
            max_seconds=max_seconds,
        )
        return Agent("worker:ada", work, market=EmbeddedMarket(market, clock=clock), poll_seconds=0.02, **options)

    return make


def add_task(db, task_id: str, command: list[str], usd: float = 4.0) -> None:
    backlog.add_task(task_id, "docs", expected_value_usd=usd, payload={"command": command}, db=db)


def work_off(agent: Agent) -> list[Any]:
    """Take what there is, and run it here and now."""
    reports = []
    for assignment in agent.take():
        reports.append(agent.work_on(assignment))
        agent.leave_seat(assignment)
    return reports


def run_cycle(db, **options) -> Any:
    # By the clock that offers slots, which may be some milliseconds ahead of this process.
    report = cycle.run_cycle(db=db, **{"now": db.now(), **options})
    assert report.error is None
    return report


def asks(db) -> list[str]:
    return [ask["slot_id"] for ask in compute_auction.get_order_book(db=db)["asks"]]


# --- the whole way


def test_an_idle_seat_is_offered_sold_run_settled_and_offered_again(market, agent_with):
    agent = agent_with()
    add_task(market, "write", SUCCEED)

    assert work_off(agent) == []
    assert len(asks(market)) == 1
    sold = run_cycle(market).round.clears[0]
    [report] = work_off(agent)
    list(agent.take())

    assert (sold.winning_task_id, sold.provider_id) == ("write", TREASURY)
    clear = report.finished.clear
    assert (clear.status, clear.actual_cost_tokens, clear.actual_impact, clear.attested_by) == (
        "settled", 700, 5.0, "evaluator:ci",
    )  # fmt: skip
    assert (report.usage.tokens, report.usage.provenance) == (700, "reported")
    assert backlog.get_task("write", db=market).status == "done"
    assert len(asks(market)) == 1
    assert asks(market) != [sold.slot_id]


@pytest.mark.parametrize(("given", "paid"), [({}, TREASURY), ({"provider_id": "worker:ada"}, "worker:ada")])
def test_proceeds_go_to_the_treasury_unless_another_provider_is_named(market, agent_with, given, paid):
    agent = agent_with(offers=Offers(reserve_price_tokens=50), **given)
    add_task(market, "write", SUCCEED)

    work_off(agent)
    run_cycle(market)
    work_off(agent)

    balances = {name: token_ledger.get_balance(name, db=market).balance for name in (TREASURY, "worker:ada")}
    assert balances == {TREASURY: 0, "worker:ada": 0, paid: 50}
    assert token_ledger.verify(market).ok


def test_attested_impact_refills_the_quest_that_paid(market, agent_with):
    agent = agent_with(evaluator=Fixed(10.0))
    add_task(market, "write", SUCCEED)
    work_off(agent)
    run_cycle(market)
    before = token_ledger.get_balance("quest:docs", db=market).balance

    work_off(agent)

    assert token_ledger.get_balance("quest:docs", db=market).balance > before


# --- what was won runs first


def test_won_slots_run_before_anything_else(market, agent_with):
    agent = agent_with()
    work_off(agent)
    run_cycle(market)  # a round without bids: its slot is left unsold, for a task that did not bid
    add_task(market, "unpaid", SUCCEED, usd=0.0)
    compute_auction.offer_slots(1, provider_id="worker:ada", db=market)
    token_ledger.create_account("agent:bob", db=market)
    token_ledger.mint("agent:bob", 100, db=market)
    add_task(market, "paid", SUCCEED)
    compute_auction.place_bid("agent:bob", "paid", 100, db=market)
    won = compute_auction.clear_round(market.now(), db=market).clears[0]

    [report] = work_off(agent)

    assert (report.assignment.source, report.assignment.assignment_id) == ("auction", won.slot_id)
    assert report.assignment.task_id == "paid"


def test_an_idle_slot_takes_a_task_that_did_not_bid_when_nothing_was_won(market, agent_with):
    agent = agent_with()
    work_off(agent)
    run_cycle(market)
    add_task(market, "unpaid", SUCCEED, usd=0.0)
    offered = asks(market)

    [report] = work_off(agent)

    assert (report.assignment.source, report.finished.clear) == ("unsold", None)
    assert backlog.get_task("unpaid", db=market).status == "done"
    assert token_ledger.get_balance("quest:docs", db=market).held == 0
    assert not set(asks(market)) & set(offered)


def test_a_slot_that_an_agent_bought_elsewhere_is_run_by_it_too(market, agent_with):
    agent = agent_with()
    token_ledger.mint("worker:ada", 1_000, db=market)
    add_task(market, "bought", SUCCEED)
    compute_auction.offer_slots(1, provider_id=TREASURY, db=market)
    compute_auction.place_bid("worker:ada", "bought", 500, db=market)
    compute_auction.clear_round(market.now(), db=market)

    [report] = work_off(agent)

    assert report.assignment.task_id == "bought"


def test_agents_go_on_when_rounds_do_not(market, agent_with):
    add_task(market, "write", SUCCEED)
    began = utc_now()
    run_cycle(market, now=began)
    later = began + timedelta(hours=1)
    agent = agent_with(clock=lambda: later)

    [report] = work_off(agent)

    assert (report.assignment.source, report.finished.clear) == ("fallback", None)
    assert backlog.get_task("write", db=market).status == "done"


# --- failures


@pytest.mark.parametrize(("command", "reason"), [(FAIL, "exited with 3"), (HANG, "its time was up")])
def test_a_command_that_fails_is_settled_and_the_price_is_paid(market, agent_with, command, reason):
    agent = agent_with(offers=Offers(reserve_price_tokens=50), max_seconds=1.0)
    add_task(market, "write", command)
    work_off(agent)
    run_cycle(market)

    [report] = work_off(agent)

    assert reason in report.result.reason
    clear = report.finished.clear
    assert (clear.status, clear.clearing_price_tokens) == ("settled", 50)
    assert token_ledger.get_balance(TREASURY, db=market).balance == 50


@pytest.mark.parametrize(
    ("evaluator", "judged"),
    [(Fixed(5.0), (None, None)), (ExitCodeEvaluator("evaluator:ci", 5.0), (0.0, "evaluator:ci"))],
)
def test_a_run_that_fails_is_worth_nothing_by_the_word_of_one_that_judges(market, agent_with, evaluator, judged):
    agent = agent_with(evaluator=evaluator)
    add_task(market, "write", FAIL)
    work_off(agent)
    run_cycle(market)

    [report] = work_off(agent)

    assert (report.finished.clear.actual_impact, report.finished.clear.attested_by) == judged


@pytest.mark.parametrize(
    ("command", "cause"),
    [
        (["no-such-program"], "machine"),
        ([], "machine"),
        (["sh", "-c", "exit 75"], "not_now"),
        (["sh", "-c", "echo 60 > $SCIDEX_RETRY_AT_FILE; exit 75"], "not_now"),
    ],
)
def test_what_is_not_the_works_fault_is_given_back_and_the_worker_pauses(market, agent_with, command, cause):
    agent = agent_with(offers=Offers(reserve_price_tokens=50))
    add_task(market, "write", command)
    work_off(agent)
    [sold] = run_cycle(market).round.clears

    assert work_off(agent) == [None]
    assert work_off(agent) == []

    ended = runs.get_ending(sold.slot_id, db=market)
    assert (ended.ending, ended.cause, ended.worker_id) == ("interrupted", cause, agent.worker_id)
    task = backlog.get_task("write", db=market)
    assert (task.status, task.attempts) == ("open", 0)
    assert token_ledger.get_balance("quest:docs", db=market).held == 0
    assert asks(market) == []
    [pause] = workers.list_pauses(db=market)
    seconds = (pause.ends_at - pause.opened_at).total_seconds()
    assert (pause.kind, pause.name, pause.cause) == ("worker", agent.worker_id, cause)
    assert seconds > 55 if "echo 60" in " ".join(command) else seconds < 10


def test_a_failed_task_is_tried_again_up_to_the_limit_and_not_once_more(market, agent_with, monkeypatch):
    monkeypatch.setenv("SCIDEX_MOST_ATTEMPTS", "2")
    agent = agent_with()
    add_task(market, "write", FAIL)
    states = []

    for _ in range(3):
        work_off(agent)
        run_cycle(market)
        reports = work_off(agent)
        states.append((len(reports), backlog.get_task("write", db=market).status))

    assert states == [(1, "open"), (1, "failed"), (0, "failed")]


def test_an_evaluator_that_may_not_attest_gives_the_slot_back(market, agent_with):
    agent = agent_with(evaluator=Fixed(5.0, attester_id="worker:ada"))
    add_task(market, "write", SUCCEED)
    work_off(agent)
    slot_id = run_cycle(market).round.clears[0].slot_id

    assert work_off(agent) == [None]

    assert services.won_slots("worker:ada", db=market) == []
    assert backlog.get_task("write", db=market).status == "open"
    assert slot_id not in asks(market)
    assert token_ledger.get_balance("quest:docs", db=market).held == 0


def test_a_won_slot_whose_task_may_not_run_goes_back(market, agent_with):
    agent = agent_with()
    work_off(agent)
    token_ledger.create_account("agent:bob", db=market)
    token_ledger.mint("agent:bob", 100, db=market)
    compute_auction.place_bid("agent:bob", "later", 100, db=market)
    sold = compute_auction.clear_round(market.now(), db=market).clears[0]
    backlog.add_task("first", "docs", db=market)
    backlog.add_task("later", "docs", depends_on=["first"], db=market)

    assert work_off(agent) == []

    assert services.won_slots("worker:ada", db=market) == []
    assert compute_auction.get_round(sold.round_id, db=market).clears[0].status == "voided"
    assert token_ledger.get_balance("agent:bob", db=market).available == 100


# --- seats


def test_no_more_runs_than_seats(market, agent_with):
    agent = agent_with(seats=2)
    compute_auction.offer_slots(3, provider_id="worker:ada", db=market)
    for number in range(3):
        add_task(market, f"task-{number}", SUCCEED)
    run_cycle(market)

    taken = list(agent.take())
    in_vain = list(agent.take())
    agent.leave_seat(taken[0])
    then = list(agent.take())

    assert (len(taken), len(in_vain), len(then)) == (2, 0, 1)
    assert asks(market) == []


def test_a_slot_on_offer_for_each_idle_seat_and_no_more(market, agent_with):
    agent = agent_with(seats=3)

    list(agent.take())
    list(agent.take())

    assert len(asks(market)) == 3


# --- the loop, and its end


def run_until(agent: Agent, reached: Callable[[], bool]) -> None:
    """Let the agent's loop run until something is so, then stop it."""
    stop = threading.Event()
    thread = threading.Thread(target=agent.run, args=(stop,))
    thread.start()
    deadline = time.monotonic() + 60
    while not reached() and time.monotonic() < deadline:
        stop.wait(0.02)
    was_reached = reached()
    stop.set()
    thread.join(60)
    assert was_reached
    assert not thread.is_alive()


def test_the_loop_works_off_a_backlog_and_leaves_no_slot_behind(market, agent_with):
    for number in range(4):
        add_task(market, f"task-{number}", SUCCEED)
    reports: list[Report] = []
    with cycle.CycleRunner(market, interval_seconds=0.05).loop():
        run_until(agent_with(seats=2, on_report=reports.append), lambda: len(reports) == 4)

    assert sorted(report.assignment.task_id for report in reports) == ["task-0", "task-1", "task-2", "task-3"]
    assert {task.status for task in backlog.list_tasks(db=market)} == {"done"}
    assert asks(market) == []
    assert token_ledger.verify(market).ok


def test_stopping_ends_a_long_run_and_gives_it_and_what_waits_back(market, agent_with, tmp_path):
    add_task(market, "long", ["sh", "-c", f"touch {tmp_path}/begun; exec sleep 600"], usd=5.0)
    add_task(market, "waiting", SUCCEED, usd=4.0)
    compute_auction.offer_slots(2, provider_id="worker:ada", db=market)
    run_cycle(market)

    run_until(agent_with(stop_seconds=0.2), (tmp_path / "begun").exists)

    assert services.won_slots("worker:ada", db=market) == []
    assert {task.status for task in backlog.list_tasks(db=market)} == {"open"}
    wallet = token_ledger.get_balance("quest:docs", db=market)
    assert (wallet.held, token_ledger.get_balance("worker:ada", db=market).balance) == (0, 0)
    assert asks(market) == []


def test_a_loop_outlives_what_the_market_refuses(market, tmp_path, caplog):
    work = AgentWork(command_of_task, tmp_path / "runs")
    agent = Agent("worker:nobody", work, market=EmbeddedMarket(market), poll_seconds=0.01)

    run_until(agent, lambda: len(caplog.records) == 3)

    assert {record.getMessage() for record in caplog.records} == {
        "worker:nobody: No account has this id. (account_id: worker:nobody)"
    }


def test_runs_keep_their_directories_only_where_asked(market, tmp_path):
    work = AgentWork(command_of_task, tmp_path / "runs", evaluator=Fixed(1.0), keep_directories=False)
    agent = Agent("worker:ada", work, market=EmbeddedMarket(market))
    add_task(market, "write", SUCCEED)
    work_off(agent)
    run_cycle(market)

    assert len(work_off(agent)) == 1

    assert list(Path(tmp_path / "runs").iterdir()) == []

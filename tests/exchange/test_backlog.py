"""Quests, tasks and what they wait for; a task's change of state moves its bids."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scidex.errors import (
    DependencyCycle,
    InvalidAmount,
    InvalidArgument,
    InvalidId,
    InvalidTime,
    QuestExists,
    TaskExists,
    TaskHoldsSlot,
    TasksRefused,
    TaskStepNotAllowed,
    UnknownDependency,
    UnknownPool,
    UnknownQuest,
    UnknownTask,
)
from scidex.exchange import backlog, compute_auction, token_ledger
from scidex.records import Imported
from tests.backlogs import agents, quest, statuses, task, task_status
from tests.market import NOON, after, bid, clear, fund, offer, status
from tests.raw_sql import contents, query


def test_a_quest_has_a_wallet_of_its_own(db):
    added = backlog.add_quest("q1", "Audit", priority=3, owner_id="ada", now=NOON, db=db)

    assert added == backlog.get_quest("q1", db=db) == ("q1", "Audit", "quest:q1", 3, "active", NOON, "market", False)
    account = token_ledger.get_account("quest:q1", db=db)
    assert (account.kind, account.owner_id) == ("quest", "ada")


def test_a_quest_may_bid_from_a_wallet_that_is_there(db):
    fund(db, 50, "agent:ada")

    assert backlog.add_quest("q1", account_id="agent:ada", now=NOON, db=db).account_id == "agent:ada"
    assert token_ledger.get_balance("agent:ada", db=db).balance == 50


def test_a_quest_may_not_bid_from_an_evaluators_wallet(db):
    agents(db)

    with pytest.raises(InvalidArgument, match="account_id must not be of kind evaluator"):
        backlog.add_quest("q1", account_id="evaluator:ci", now=NOON, db=db)
    with pytest.raises(InvalidId, match="must not be 'system' or begin with 'system:'"):
        backlog.add_quest("q1", account_id="system:treasury", now=NOON, db=db)
    assert backlog.list_quests(db=db) == []


def test_a_wallet_keeps_its_owner(db):
    fund(db, 0, "agent:ada")

    with pytest.raises(InvalidArgument, match="owner_id is not the owner"):
        backlog.add_quest("q1", account_id="agent:ada", owner_id="mallory", now=NOON, db=db)


def test_a_quest_is_added_once(db):
    quest(db)

    with pytest.raises(QuestExists):
        quest(db)


def test_a_quest_can_be_changed(db):
    quest(db)

    changed = backlog.set_quest("q1", priority=5, status="paused", db=db)
    assert (changed.title, changed.priority, changed.status) == ("", 5, "paused")
    assert backlog.list_quests(db=db) == [changed]
    with pytest.raises(UnknownQuest):
        backlog.set_quest("q2", priority=5, db=db)


def test_quests_and_tasks_are_listed_by_page(db):
    for name in ("c", "a", "b"):
        quest(db, name)
        task(db, f"t-{name}", quest_id=name)

    assert [one.quest_id for one in backlog.list_quests(limit=2, db=db)] == ["a", "b"]
    assert [one.quest_id for one in backlog.list_quests(after="b", db=db)] == ["c"]
    assert [one.task_id for one in backlog.list_tasks(after="t-a", limit=1, db=db)] == ["t-b"]
    assert [one.task_id for one in backlog.list_tasks(quest_id="c", status="open", db=db)] == ["t-c"]
    assert backlog.list_tasks(status="done", db=db) == backlog.list_tasks(pool="gpu", db=db) == []


def test_a_task_keeps_all_that_it_is_given(db):
    quest(db)
    payload = {"command": ["echo", "ä"], "due_at": "soon", "deep": {"numbers": [1, 2.5, None, True]}}

    added = task(db, "t1", 12.5, title="One", estimated_cost_tokens=700, payload=payload, deadline_at=after(60))

    assert added == backlog.get_task("t1", db=db)
    assert added.payload == payload
    assert (added.title, added.expected_value_usd, added.estimated_cost_tokens) == ("One", 12.5, 700)
    assert (added.deadline_at, added.status, added.attempts, added.depends_on) == (after(60), "open", 0, ())


def test_a_task_is_blocked_until_all_it_depends_on_is_done(db):
    quest(db)
    for name in ("a", "b"):
        task(db, name)
    assert task(db, "c", depends_on=["b", "a", "b"]).depends_on == ("a", "b")
    assert task_status(db, "c") == "blocked"

    backlog.set_task_status("a", "done", db=db)
    assert task_status(db, "c") == "blocked"
    backlog.set_task_status("b", "done", db=db)
    assert task_status(db, "c") == "open"


def test_a_failed_task_keeps_its_followers_waiting(db):
    quest(db)
    task(db, "a")
    task(db, "b", depends_on=["a"])

    backlog.set_task_status("a", "failed", db=db)
    assert task_status(db, "b") == "blocked"


def test_a_task_that_is_opened_again_blocks_its_followers(db):
    quest(db)
    task(db, "a")
    backlog.set_task_status("a", "done", db=db)
    task(db, "b", depends_on=["a"])
    assert task_status(db, "b") == "open"

    backlog.set_task_status("a", "open", db=db)
    assert task_status(db, "b") == "blocked"


def test_what_is_blocked_is_not_opened_by_hand(db):
    quest(db)
    task(db, "a")
    task(db, "b", depends_on=["a"])

    with pytest.raises(TaskStepNotAllowed):
        backlog.set_task_status("b", "open", db=db)
    with pytest.raises(TaskStepNotAllowed):
        backlog.set_task_status("b", "running", db=db)
    assert task_status(db, "b") == "blocked"


def test_steps_that_no_task_takes_are_refused(db):
    quest(db)
    task(db, "a")
    backlog.set_task_status("a", "done", db=db)

    with pytest.raises(TaskStepNotAllowed):
        backlog.set_task_status("a", "running", db=db)
    with pytest.raises(InvalidArgument, match="status must be one of open, running, done, failed"):
        backlog.set_task_status("a", "blocked", db=db)
    with pytest.raises(UnknownTask):
        backlog.set_task_status("z", "done", db=db)
    assert backlog.set_task_status("a", "done", db=db).status == "done"


def test_a_task_that_holds_a_slot_is_not_ended_by_hand(db):
    quest(db, tokens=1_000)
    task(db, "a")
    offer(db)
    bid(db, "quest:q1", "a", 10)
    clear(db)

    for state in ("running", "done", "failed"):
        with pytest.raises(TaskHoldsSlot):
            backlog.set_task_status("a", state, db=db)


@pytest.mark.parametrize("ended", ["done", "failed", "running"])
def test_bids_for_a_task_that_has_ended_do_not_compete(db, ended):
    quest(db, tokens=1_000)
    task(db, "a")
    round_bid = bid(db, "quest:q1", "a", 10)
    fund(db, 100, "agent:ada")
    resting_bid = bid(db, "agent:ada", "a", 20, time_in_force="gtt")
    backlog.set_task_status("a", ended, db=db)

    offer(db)
    assert clear(db).sold == 0
    assert status(db, round_bid) == "lost"
    assert compute_auction.get_bid(resting_bid.id, db=db).reason == f"task_{ended}"


def test_bids_for_a_task_compete_as_soon_as_it_opens(db):
    quest(db, tokens=1_000)
    task(db, "a")
    task(db, "b", depends_on=["a"])
    waiting = bid(db, "quest:q1", "b", 10)
    assert compute_auction.get_bid(waiting.id, db=db).reason == "task_blocked"

    backlog.set_task_status("a", "done", db=db)
    assert compute_auction.get_bid(waiting.id, db=db).reason == ""
    offer(db)
    assert [sale.winning_task_id for sale in clear(db).clears] == ["b"]


def test_a_backlog_that_learns_of_a_task_moves_the_bids_for_it(db):
    quest(db, tokens=1_000)
    task(db, "a")
    early = bid(db, "quest:q1", "b", 10)

    task(db, "b", depends_on=["a"])
    assert compute_auction.get_bid(early.id, db=db).reason == "task_blocked"


def test_settling_a_slot_ends_its_task(db):
    quest(db, tokens=1_000)
    task(db, "a")
    task(db, "b", depends_on=["a"])
    [slot] = offer(db)
    bid(db, "quest:q1", "a", 10)
    clear(db)

    compute_auction.settle(slot.slot_id, 5, now=NOON, db=db)
    assert statuses(db) == {"a": "done", "b": "open"}


@pytest.mark.parametrize(
    ("terms", "error"),
    [
        ({"quest_id": "q9"}, UnknownQuest),
        ({"pool": "gpu"}, UnknownPool),
        ({"depends_on": ["z"]}, UnknownDependency),
        ({"depends_on": ["t2"]}, DependencyCycle),
        ({"depends_on": "t1"}, InvalidArgument),
        ({"depends_on": ["\x00"]}, InvalidId),
        ({"estimated_cost_tokens": -1}, InvalidAmount),
        ({"estimated_cost_tokens": 1.5}, InvalidAmount),
        ({"usd": float("nan")}, InvalidArgument),
        ({"usd": -1.0}, InvalidArgument),
        ({"payload": []}, InvalidArgument),
        ({"payload": {"x": float("inf")}}, InvalidArgument),
        ({"payload": {"x": {1, 2}}}, InvalidArgument),
        ({"payload": {"x": "\ud800"}}, InvalidArgument),
        ({"payload": {"x": "y" * 300_000}}, InvalidArgument),
        ({"deadline_at": NOON.replace(tzinfo=None)}, InvalidTime),
        ({"title": "a\nb"}, InvalidArgument),
    ],
)
def test_a_task_that_makes_no_sense_is_refused_and_nothing_is_written(db, terms, error):
    quest(db)
    before = contents(db)

    with pytest.raises(error):
        task(db, "t2", **terms)
    assert contents(db) == before


def test_a_task_is_added_once(db):
    quest(db)
    task(db, "t1", 5.0)

    with pytest.raises(TaskExists):
        task(db, "t1", 7.0)
    assert backlog.get_task("t1", db=db).expected_value_usd == 5.0


# --- many at once


def test_tasks_are_put_with_their_quests_in_any_order(db):
    put = backlog.put_tasks(
        [
            {"task_id": "b", "quest_id": "q1", "depends_on": ["a"]},
            {"task_id": "a", "quest_id": "q1", "expected_value_usd": 3},
        ],
        quests=[{"quest_id": "q1", "title": "Audit", "priority": 2}],
        db=db,
    )

    assert put == Imported(added=2, updated=0, unchanged=0)
    assert statuses(db) == {"a": "open", "b": "blocked"}
    assert backlog.get_quest("q1", db=db).priority == 2


def test_tasks_that_are_put_again_are_updated_and_not_doubled(db):
    quest(db)
    rows = [{"task_id": name, "quest_id": "q1", "expected_value_usd": 5.0} for name in "abc"]
    backlog.put_tasks(rows, db=db)

    rows[1]["expected_value_usd"] = 9.0
    rows.append({"task_id": "d", "quest_id": "q1"})
    assert backlog.put_tasks(rows, db=db) == Imported(added=1, updated=1, unchanged=2)
    assert backlog.get_task("b", db=db).expected_value_usd == 9.0
    assert len(backlog.list_tasks(db=db)) == 4


def test_putting_the_same_again_writes_nothing(db):
    rows = [{"task_id": "a", "quest_id": "q1", "payload": {"x": [1]}, "depends_on": []}]
    backlog.put_tasks(rows, quests=[{"quest_id": "q1"}], now=NOON, db=db)
    before = contents(db)

    assert backlog.put_tasks(rows, quests=[{"quest_id": "q1"}], db=db) == Imported(0, 0, 1)
    assert contents(db) == before


def test_what_is_left_out_stays_as_it_is(db):
    quest(db)
    task(db, "a", 5.0, title="A", payload={"x": 1})

    backlog.put_tasks([{"task_id": "a", "quest_id": "q1", "expected_value_usd": 6.0}], db=db)
    kept = backlog.get_task("a", db=db)
    assert (kept.title, kept.payload, kept.expected_value_usd) == ("A", {"x": 1}, 6.0)


def test_all_are_put_or_none_and_every_fault_is_told(db):
    quest(db)
    before = contents(db)

    with pytest.raises(TasksRefused) as refused:
        backlog.put_tasks(
            [
                {"task_id": "a", "quest_id": "q1"},
                {"task_id": "b", "quest_id": "q9"},
                {"task_id": "c", "quest_id": "q1", "depends_on": ["z"]},
            ],
            quests=[{"quest_id": "q2"}],
            db=db,
        )
    assert {index: type(error) for index, error in refused.value.errors.items()} == {
        1: UnknownQuest,
        2: UnknownDependency,
    }
    assert contents(db) == before


@pytest.mark.parametrize(
    "rows",
    [
        [{"task_id": "a", "quest_id": "q1"}, {"task_id": "a", "quest_id": "q1"}],
        [{"task_id": "a"}],
        [{"task_id": "a", "quest_id": "q1", "colour": "red"}],
        ["a"],
        [{"task_id": "a", "quest_id": "q1", "status": "blocked"}],
    ],
)
def test_rows_that_are_no_tasks_are_refused(db, rows):
    quest(db)

    with pytest.raises(TasksRefused):
        backlog.put_tasks(rows, db=db)


@pytest.mark.parametrize("rows", ["a", {"task_id": "a"}, 5, b"a"])
def test_what_is_no_list_of_tasks_is_refused(db, rows):
    with pytest.raises(InvalidArgument):
        backlog.put_tasks(rows, db=db)


def test_a_circle_is_refused_by_the_names_in_it(db):
    quest(db)
    task(db, "a")
    task(db, "b", depends_on=["a"])
    task(db, "c", depends_on=["b"])

    with pytest.raises(TasksRefused) as refused:
        backlog.put_tasks([{"task_id": "a", "quest_id": "q1", "depends_on": ["c"]}], db=db)
    assert refused.value.errors[0].task_ids == ("a", "c", "b")
    assert backlog.get_task("a", db=db).depends_on == ()


def test_new_dependencies_block_and_dropped_ones_open(db):
    quest(db)
    task(db, "a")
    task(db, "b")

    backlog.put_tasks([{"task_id": "b", "quest_id": "q1", "depends_on": ["a"]}], db=db)
    assert task_status(db, "b") == "blocked"
    backlog.put_tasks([{"task_id": "b", "quest_id": "q1", "depends_on": []}], db=db)
    assert task_status(db, "b") == "open"


def test_another_backlogs_word_ends_a_task_and_opens_what_waits(db):
    quest(db)
    task(db, "a")
    task(db, "b", depends_on=["a"])

    backlog.put_tasks([{"task_id": "a", "quest_id": "q1", "status": "done"}], db=db)
    assert statuses(db) == {"a": "done", "b": "open"}


@pytest.mark.parametrize(("kept", "wish"), [("done", "open"), ("failed", "open"), ("done", "failed")])
def test_another_backlogs_word_does_not_undo_what_ended_here(db, kept, wish):
    quest(db)
    task(db, "a")
    backlog.set_task_status("a", kept, db=db)

    backlog.put_tasks([{"task_id": "a", "quest_id": "q1", "status": wish, "title": "new"}], db=db)
    assert (task_status(db, "a"), backlog.get_task("a", db=db).title) == (kept, "new")


def test_another_backlogs_word_does_not_end_what_holds_a_slot_here(db):
    quest(db, tokens=1_000)
    task(db, "a")
    offer(db)
    bid(db, "quest:q1", "a", 10)
    clear(db)

    backlog.put_tasks([{"task_id": "a", "quest_id": "q1", "status": "done"}], db=db)
    assert task_status(db, "a") == "open"


def test_a_task_that_somebody_took_up_elsewhere_is_let_go_again(db):
    quest(db)
    backlog.put_tasks([{"task_id": "a", "quest_id": "q1", "status": "running"}], db=db)
    assert task_status(db, "a") == "running"

    backlog.put_tasks([{"task_id": "a", "quest_id": "q1", "status": "open"}], db=db)
    assert task_status(db, "a") == "open"


def test_a_large_backlog_is_put_at_once(db):
    quest(db)
    rows = [
        {"task_id": f"t{n:05}", "quest_id": "q1", "depends_on": [f"t{n - 1:05}"] if n % 10 else []}
        for n in range(3_000)
    ]

    assert backlog.put_tasks(rows, now=NOON, db=db).added == 3_000
    assert query(db, "SELECT status, COUNT(*) AS tasks FROM tasks GROUP BY status ORDER BY status") == [
        {"status": "blocked", "tasks": 2_700},
        {"status": "open", "tasks": 300},
    ]


def test_a_deadline_that_has_passed_is_kept_for_the_record(db):
    quest(db)

    assert task(db, "a", deadline_at=NOON - timedelta(days=1)).status == "open"

"""A task that is held, or that only groups others, is neither bid for nor run; a source's word follows its own."""

from __future__ import annotations

import pytest

from scidex.errors import TaskHoldsSlot
from scidex.exchange import backlog, compute_auction, ev_scorer, services, token_ledger
from tests.backlogs import agents, quest, task, task_status
from tests.market import NOON, after, bid, clear, fund, offer


def put(db, status, minutes=0, task_id="t1", **fields):
    given = {"task_id": task_id, "quest_id": "q1", "expected_value_usd": 5.0, "status": status, **fields}
    return backlog.put_tasks([given], now=after(minutes), db=db)


def bids(db):
    return [bid.task_id for bid in ev_scorer.submit_bids_for_tasks(NOON, db=db)]


@pytest.fixture
def market(db):
    quest(db, "q1")
    token_ledger.mint("quest:q1", 100_000, now=NOON, db=db)
    return db


def test_a_held_task_waits_until_someone_opens_it(market):
    task(market, "t1", quest_id="q1")

    held = backlog.set_task_status("t1", "held", reason="a person looks at it", now=NOON, db=market)
    assert (held.status, held.status_reason, held.status_by) == ("held", "a person looks at it", "operator")
    assert bids(market) == []

    opened = backlog.set_task_status("t1", "open", now=NOON, db=market)
    assert (opened.status, opened.status_reason, opened.attempts) == ("open", "", 0)
    assert bids(market) == ["t1"]


def test_bids_for_a_held_task_say_so_and_compete_again_when_it_opens(market):
    task(market, "t1", quest_id="q1")
    fund(market, 100, "agent:ada")
    rests = bid(market, "agent:ada", "t1", 10, time_in_force="gtt", ttl_at=after(600))
    backlog.set_task_status("t1", "held", now=NOON, db=market)
    offer(market)

    assert clear(market).clears == ()
    explained = compute_auction.explain(rests.id, now=NOON, db=market)
    assert "its task is held" in str(explained)

    backlog.set_task_status("t1", "open", now=NOON, db=market)
    assert [sold.winning_task_id for sold in clear(market).clears] == ["t1"]


def test_what_has_a_slot_is_not_held(market):
    task(market, "t1", quest_id="q1")
    fund(market, 100, "agent:ada")
    bid(market, "agent:ada", "t1", 10)
    offer(market)
    clear(market)

    with pytest.raises(TaskHoldsSlot):
        backlog.set_task_status("t1", "held", now=NOON, db=market)


def test_what_waits_for_a_held_task_waits_on(market):
    task(market, "t1", quest_id="q1")
    task(market, "t2", quest_id="q1", depends_on=["t1"])
    backlog.set_task_status("t1", "held", now=NOON, db=market)

    assert task_status(market, "t2") == "blocked"


def test_a_held_task_that_opens_is_blocked_where_it_waits(market):
    task(market, "t1", quest_id="q1")
    put(market, "held", task_id="t2", depends_on=["t1"])
    put(market, "open", task_id="t2")

    assert task_status(market, "t2") == "blocked"


def test_a_source_opens_again_what_it_closed_or_held(market):
    for word in ("done", "held", "running", "failed"):
        put(market, word, status_reason="deferred" if word == "held" else "")
        assert task_status(market, "t1") == word
        put(market, "open")
        assert task_status(market, "t1") == "open"


def test_a_source_does_not_open_what_this_market_or_an_operator_ended_or_held(market):
    put(market, "open")
    for word in ("done", "failed", "held"):
        backlog.set_task_status("t1", word, now=NOON, db=market)
        put(market, "open")
        assert task_status(market, "t1") == word
        backlog.set_task_status("t1", "open", now=NOON, db=market)


def test_a_source_ends_what_an_operator_held(market):
    put(market, "open")
    backlog.set_task_status("t1", "held", now=NOON, db=market)
    put(market, "done")

    assert task_status(market, "t1") == "done"


def test_a_held_task_that_is_told_again_changes_nothing(market):
    put(market, "held", status_reason="deferred until June")

    assert put(market, "held", status_reason="deferred until June").unchanged == 1
    assert put(market, "held", status_reason="deferred until July").updated == 1


def test_a_group_is_listed_and_neither_bid_for_nor_given_out(market):
    agents(market, "agent:ada")
    put(market, "open", kind="group")

    assert (task_status(market, "t1"), bids(market)) == ("open", [])
    assert ev_scorer.score_all(NOON, db=market) == []
    offer(market)
    clear(market)
    assert services.next_task("agent:ada", NOON, db=market) is None

    put(market, "open", kind="task")
    assert bids(market) == ["t1"]

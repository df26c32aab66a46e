"""Slots of the operator's own fleet are the treasury's: the floor serves a real fleet within its bound."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from scidex.exchange import backlog, compute_auction, cycle, leases, services, token_ledger, workers
from scidex.money.floor import longest_wait_bound
from scidex.profiles import profile_named
from scidex.settings import TREASURY
from scidex.store import Database
from tests.databases import assert_books_are_right
from tests.market import NOON

SEATS = 4
CYCLE = timedelta(minutes=1)


def rich_and_poor(db: Database) -> None:
    """Two entitled quests with more tasks than slots, of which one cannot pay for any."""
    compute_auction.configure_pool("scidex-agent", "recommended", now=NOON, db=db)
    for quest_id, tokens, value in (("rich", 5_000_000, 500.0), ("poor", 0, 0.01)):
        quest = backlog.add_quest(quest_id, priority=1 if tokens else 0, now=NOON, db=db)
        if tokens:
            token_ledger.mint(quest.account_id, tokens, now=NOON, db=db)
        backlog.entitle_quest(quest_id, now=NOON, db=db)
        backlog.put_tasks(
            [
                {"task_id": f"{quest_id}-{number}", "quest_id": quest_id, "expected_value_usd": value}
                for number in range(200 if tokens else 3)
            ],
            now=NOON,
            db=db,
        )


def work_off(db: Database, now: datetime) -> list[str | None]:
    """Run what the worker's slots sold and offer them anew; return the quests served."""
    served = []
    while lease := leases.lease_next("w", now=now, db=db):
        services.finish(lease.assignment, succeeded=True, actual_cost_tokens=1, fence=lease.fence, now=now, db=db)
        served.append(lease.assignment.quest_id)
    workers.keep_offers("w", SEATS, now=now, db=db)
    return served


@pytest.mark.parametrize("provider_id", [TREASURY, "worker:w"])
def test_a_poor_quest_is_served_within_the_bound_whoever_provides_the_slots(db, provider_id):
    rich_and_poor(db)
    token_ledger.create_account("worker:w", kind="worker", now=NOON, db=db)
    token_ledger.mint(TREASURY, 1_000_000, now=NOON, db=db)
    workers.register_worker(
        "w", "worker:w", seats=SEATS, lease_seconds=86_400, provider_id=provider_id, now=NOON, db=db
    )
    bound = longest_wait_bound(entitled=2, slots=SEATS, profile=profile_named("recommended"))
    now, served = NOON, []
    work_off(db, now)
    for _ in range(bound):
        now += CYCLE
        report = cycle.run_cycle(now=now, db=db)
        assert report.error is None
        assert report.round.sold == SEATS
        served.append(work_off(db, now))

    assert "poor" in {quest for quests in served for quest in quests}
    revenue = token_ledger.get_balance(provider_id, db=db).balance - (1_000_000 if provider_id == TREASURY else 0)
    assert revenue > 0
    assert_books_are_right(db)

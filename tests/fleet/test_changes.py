"""A market is brought in line with a fleet's file: what differs is said before, and nothing differs after."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scidex.client import Client
from scidex.exchange import backlog, compute_auction, token_ledger
from scidex.fleet.changes import apply, changes
from scidex.fleet.reading import parse
from scidex.market import Market
from scidex.market.embedded import EmbeddedMarket
from scidex.store.db_writes import read_journal
from scidex.web.serving import running_server
from tests.databases import assert_books_are_right, assert_journal_tells_all
from tests.web.doors import key_for

FILE = """
[pools.scidex-agent]
settings = { refill_percent = 50 }
[pools.gpu]
profile = "brief"
[quests.docs]
title = "Docs"
priority = 3
floor = true
[accounts."team:docs"]
owner = "docs"
[[agents]]
name = "mine"
command = ["true"]
evaluator = "exit-code:1"
attester = "evaluator:ci"
"""


@pytest.fixture(params=["database", "server"])
def market(request, db) -> Iterator[Market]:
    """A new market set to the recommended profile, as its operator reaches it each way in turn."""
    compute_auction.configure_pool(profile="recommended", db=db)
    if request.param == "database":
        yield EmbeddedMarket(db)
        return
    with running_server(db) as address, Client(address, key_for(db, "system:treasury", "admin")) as client:
        yield client


def test_what_the_file_says_is_made_and_then_nothing_differs(market, db):
    found = changes(parse(FILE), market)

    assert [str(one) for one in found] == [
        "~ pool scidex-agent: refill_percent 0 → 50",
        "+ pool gpu: profile brief",
        "+ quest docs: priority 3",
        "+ account team:docs: agent",
        "+ account worker:mine: worker",
        "+ account evaluator:ci: evaluator",
    ]
    apply(found, market)
    assert changes(parse(FILE), market) == []
    assert backlog.get_quest("docs", db=db).floor_entitled
    assert compute_auction.get_market_settings("gpu", db=db).profile == "brief"
    assert token_ledger.get_account("team:docs", db=db).owner_id == "docs"
    assert_books_are_right(db)
    assert_journal_tells_all(db)


def test_what_was_changed_by_hand_is_said_and_set_back(market, db):
    apply(changes(parse(FILE), market), market)
    backlog.set_quest("docs", priority=9, title="Other", db=db)
    backlog.entitle_quest("docs", False, db=db)

    found = changes(parse(FILE), market)

    assert [str(one) for one in found] == [
        '~ quest docs: title "Other" → "Docs", priority 9 → 3',
        "~ quest docs: entitled to the floor",
    ]
    apply(found, market)
    assert backlog.get_quest("docs", db=db).priority == 3


def test_what_the_file_does_not_name_is_left_alone(market, db):
    backlog.add_quest("other", priority=7, db=db)
    compute_auction.create_pool("cpu", db=db)

    apply(changes(parse(FILE), market), market)

    assert backlog.get_quest("other", db=db).priority == 7
    assert {pool.pool for pool in compute_auction.list_pools(db=db)} == {"scidex-agent", "cpu", "gpu"}


def test_looking_for_changes_writes_nothing(market, db):
    before = len(list(read_journal(db)))

    changes(parse(FILE), market)

    assert len(list(read_journal(db))) == before

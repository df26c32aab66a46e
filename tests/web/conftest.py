"""A market with something to show, a server for it, and a browser to look at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from scidex.exchange import backlog, compute_auction, keys, token_ledger
from scidex.store import Database, connect
from scidex.web.serving import running_server
from scidex.web.sessions import Sessions
from tests.chromium import arguments, find_chromium
from tests.web.doors import key_for

MARKUP = "<img src=x onerror=\"document.title='stolen'\"> & <b>bold</b>"


def open_market(db: Database) -> None:
    """
    Two quests, one with three times the other's priority; one round of 2 slots for bids of 900, 700 and 400 tokens.

    The price is 400. The task of the best bid has markup for a title and brought 31.50 USD.
    """
    for quest, priority in (("security", 3), ("style", 1)):
        backlog.add_quest(quest, f"{quest.title()} audit", priority=priority, db=db)
        token_ledger.mint(f"quest:{quest}", 10_000, db=db)
    token_ledger.create_account("evaluator:ci", kind="evaluator", db=db)
    backlog.add_task("t1", "security", MARKUP, expected_value_usd=5, db=db)
    backlog.add_task("t2", "security", "Second", expected_value_usd=4, db=db)
    backlog.add_task("t3", "style", "Third", expected_value_usd=3, db=db)
    backlog.add_task("t4", "style", "Fourth", expected_value_usd=3, db=db)
    compute_auction.offer_slots(2, db=db)
    for task, quest, price in (("t1", "security", 900), ("t2", "security", 700), ("t3", "style", 400)):
        compute_auction.place_bid(f"quest:{quest}", task, price, 5.0, db=db)
    sold = compute_auction.clear_round(db=db)
    compute_auction.settle(sold.clears[0].slot_id, 2_000, 31.5, "evaluator:ci", db=db)


@pytest.fixture
def market(db: Database) -> Database:
    """The market of `open_market`, on each database in turn."""
    open_market(db)
    return db


@pytest.fixture
def sessions() -> Sessions:
    """The sessions of the server of `shown`."""
    return Sessions()


@pytest.fixture
def shown(tmp_path, sessions) -> Iterator[tuple[Database, str]]:
    """The market of `open_market` on SQLite, and the address at which it is served."""
    with connect(f"sqlite:///{tmp_path}/market.db") as db:
        compute_auction.ensure_schema(db=db)
        open_market(db)
        with running_server(db, sessions=sessions) as address:
            yield db, address


def link(db: Database, sessions: Sessions) -> str:
    """Return the path that opens the dashboard for the operator, once."""
    return sessions.new_link(keys.id_of(key_for(db, "system:treasury", "admin")))


# For one file, and not for all: while playwright is open an event loop counts as running in this thread, and whatever
# other tests would run in a loop of their own is refused.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium with an empty profile, for the tests of one file."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=arguments())
        yield chromium
        chromium.close()

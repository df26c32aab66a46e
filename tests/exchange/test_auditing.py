"""An audit proves a market that is right, and names what a hand in the tables changed."""

from __future__ import annotations

import pytest

from scidex.exchange import auditing, compute_auction, token_ledger
from scidex.store.comparing import TABLES
from tests.databases import contents
from tests.market import bid, clear, fund, offer, settle
from tests.raw_sql import change

pytestmark = pytest.mark.tampers


@pytest.fixture
def market(db):
    """Two rounds in one pool and one in another; a bid that stands."""
    fund(db, 100, "a", "b")
    for task in ("t1", "t2"):
        bid(db, "a", task, 50)
        bid(db, "b", task, 40)
        offer(db)
        settle(db, clear(db).clears[0])
    compute_auction.create_pool("gpu", db=db)
    offer(db, pool="gpu")
    bid(db, "b", "t3", 20, pool="gpu")
    clear(db, pool="gpu")
    bid(db, "b", "t4", 15)
    return db


def test_a_market_that_is_right_is_proved(market):
    told: list[tuple[str, int, int]] = []
    report = auditing.audit(on_progress=lambda *step: told.append(step), db=market)

    assert report.ok, report.problems
    assert report.rounds == 3
    assert report.ledger == token_ledger.verify(market)
    assert report.entries == len(contents(market)["journal"])
    assert told[2] == ("rounds", 3, 0)
    assert told[-1] == ("journal entries", report.entries, report.entries)


def test_an_audit_writes_nothing(market):
    before = contents(market)
    auditing.audit(db=market)

    assert contents(market) == before


def test_every_table_that_the_journal_tells_of_is_compared(db):
    assert {statement.removeprefix("all_of_") for statement in TABLES} == contents(db).keys()


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("UPDATE token_accounts SET balance_tokens = balance_tokens + 1 WHERE account_id = 'a'", "balances sum to 1"),
        ("UPDATE token_accounts SET owner_id = 'eve' WHERE account_id = 'a'", "token_accounts: rows that differ: 1"),
        ("UPDATE compute_auction_bids SET max_price_tokens = 45 WHERE task_id = 't4'", "compute_auction_bids"),
        ("UPDATE compute_auction_bids SET placed_at = '2026-05-01T12:00:00.000001+00:00' WHERE id = 5", 'first "5"'),
        ("DELETE FROM compute_auction_attestations", "compute_auction_attestations: rows that differ: 2"),
        ("UPDATE compute_auction_rounds SET seed = 'x' WHERE pool = 'gpu'", "recomputed to other digest"),
        ("UPDATE compute_auction_rounds SET previous_digest = 'x' WHERE pool = 'gpu'", "digest chain of pool gpu"),
        ("UPDATE compute_auction_pools SET last_digest = 'x' WHERE pool = 'gpu'", "digest chain of pool gpu"),
        (
            "DELETE FROM journal WHERE entry_id = (SELECT MAX(entry_id) FROM journal WHERE verb = 'mint')",
            "InsufficientTokens|fewer available tokens",
        ),
        ("UPDATE journal SET verb = 'steal' WHERE verb = 'mint'", "no such verb"),
        ("UPDATE journal SET actor = 'eve' WHERE verb = 'mint'", None),
    ],
)
def test_a_changed_row_is_named(market, sql, named):
    change(market, sql)
    report = auditing.audit(db=market)

    if named is None:  # the journal is what is replayed: what it says of who did it is taken at its word
        assert report.ok, report.problems
        return
    assert not report.ok
    assert any(part in problem for problem in report.problems for part in named.split("|")), report.problems


def test_rows_are_named_without_what_they_hold(market):
    change(market, "UPDATE token_accounts SET owner_id = 'a-secret' WHERE account_id = 'a'")

    assert "a-secret" not in str(auditing.audit(db=market).problems)


def test_a_market_may_be_at_work_meanwhile(market):
    def at_work(what: str, done: int, of: int) -> None:
        bid(market, "a", f"{what} {done}", 1)

    first = auditing.audit(on_progress=at_work, db=market)
    second = auditing.audit(db=market)

    assert first.ok, first.problems
    assert second.ok, second.problems
    assert second.entries > first.entries

"""PostgreSQL places a plain bid in one journey, as the rules in Python would place it in more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any
from unittest import mock

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scidex.errors import InsufficientTokens, ScidexError, StoreError
from scidex.exchange import compute_auction, token_ledger
from scidex.mechanism.hold import most_owed
from scidex.mechanism.registry import MECHANISMS
from scidex.settings import MOST_TOKENS
from scidex.store import Database, connect
from scidex.store.db_writes import Work, read_journal
from scidex.store.requests import Request, serving
from tests.databases import differences
from tests.exchange.book.test_plain_bid import answers
from tests.histories import steps
from tests.market import NOON, after, bid, clear, fund, know_task, offer, wallet
from tests.postgres_markets import PostgresMarkets
from tests.raw_sql import change, query, row_counts

pytestmark = pytest.mark.parametrize("db", ["postgres"], indirect=True)
Placed = list[dict[str, Any] | None]


@contextmanager
def journeys_noted() -> Iterator[Placed]:
    """Note what each bid came to that PostgreSQL was asked to place at once; None where it declined."""
    placed: Placed = []
    ask = Work.done_at_once

    def noting(*arguments: Any, **named: Any) -> Any:
        placed.append(ask(*arguments, **named))
        return placed[-1]

    with mock.patch.object(Work, "done_at_once", noting):
        yield placed


def test_it_is(db):
    fund(db, 100, "a")
    with journeys_noted() as placed:
        first = bid(db, "a", "t", 30, expected_value_usd=1.5, ttl_at=after(9))
        second = bid(db, "a", "t2", 20)
        amended = bid(db, "a", "t", 40, expected_value_usd=2.0, ttl_at=after(8), now=after(1))

    assert placed == [
        {"id": 1, "sequence": 1, "round_id": 1},
        {"id": 2, "sequence": 2, "round_id": 1},
        {"id": 1, "sequence": 3, "round_id": 1},
    ]
    assert (first.max_price_tokens, first.expected_value_usd, first.ttl_at) == (30, 1.5, after(9))
    assert compute_auction.list_open_bids("a", now=NOON, db=db) == [amended, second]
    assert query(db, "SELECT SUM(round_bids) AS bids FROM compute_auction_book_counts") == [{"bids": 2}]
    assert wallet(db, "a") == (100, 40)


def test_what_an_earlier_round_decided_counts_no_more(db):
    fund(db, 100, "a", "b")
    for bidder, price in (("a", 40), ("b", 50)):
        bid(db, bidder, f"{bidder}1", price)
    offer(db)
    clear(db)

    with journeys_noted() as placed:
        bid(db, "a", "a2", 60)
        assert wallet(db, "a") == (100, 60)
        bid(db, "a", "a1", 50)

    assert placed == [{"id": 3, "sequence": 3, "round_id": 2}, {"id": 4, "sequence": 4, "round_id": 2}]
    assert wallet(db, "a") == (100, 100)
    held = query(db, "SELECT round_id, round_tokens FROM token_bid_holds WHERE account_id = 'a'")
    assert held == [{"round_id": 2, "round_tokens": 100}]
    counted = query(db, "SELECT SUM(round_bids) AS bids FROM compute_auction_book_counts WHERE round_id = 2")
    assert counted == [{"bids": 2}]


def test_what_other_pools_hold_stays_beside_it(db):
    compute_auction.create_pool("gpu", now=NOON, db=db)
    fund(db, 100, "a")
    with journeys_noted() as placed:
        bid(db, "a", "t", 30, pool="gpu")
        bid(db, "a", "t", 60)
        with pytest.raises(InsufficientTokens):
            bid(db, "a", "t2", 36)
        bid(db, "a", "t2", 35)

    assert [one is not None for one in placed] == [True, True, False, True]
    assert wallet(db, "a") == (100, 100)


def test_the_round_of_another_pool_that_holds_does_not_end_meanwhile(db):
    """Else the journal could tell of its end before the bid, and a replay would find the wallet freer."""
    compute_auction.create_pool("gpu", now=NOON, db=db)
    fund(db, 100, "a", "b")
    bid(db, "a", "t", 30, pool="gpu")
    bid(db, "b", "t2", 40, pool="gpu")
    offer(db, pool="gpu")
    with psycopg.connect(db.url) as ending:
        # As a round that clears just now: it is over, and not committed.
        ending.execute("UPDATE compute_auction_pools SET open_round_id = 1000 WHERE pool = 'gpu'")
        with ThreadPoolExecutor(1) as elsewhere, journeys_noted() as placed:
            waiting = elsewhere.submit(bid, db, "a", "t3", 10)
            while not query(
                db, "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            ):
                assert not waiting.done(), "it did not wait"
            ending.rollback()
            assert waiting.result().status == "open"
    assert placed != [None]
    assert wallet(db, "a") == (100, 40)


def test_its_journal_row_says_what_one_says_that_was_placed_in_more(db):
    fund(db, 100, "a")
    bid(db, "a", "t", 30)
    with mock.patch.object(Work, "done_at_once", return_value=None):
        bid(db, "a", "t2", 30)

    one, other = list(read_journal(db))[-2:]
    assert other.entry_id == one.entry_id + 1
    assert (one.verb, one.actor, one.made_at) == (other.verb, other.actor, other.made_at)
    assert one.generated == {"bid_numbers": [1, 1]}
    assert other.generated == {"bid_numbers": [2, 2]}
    for entry in (one, other):
        del entry.arguments["bids"][0]["task_id"]
    assert one.arguments == other.arguments


def test_what_changes_no_hold_writes_no_wallet(db):
    fund(db, 100, "a")
    bid(db, "a", "t", 30)
    written = "SELECT a.xmin AS wallet, h.xmin AS hold FROM token_accounts a JOIN token_bid_holds h USING (account_id)"
    before = query(db, written)

    with journeys_noted() as placed:
        bid(db, "a", "t2", 10)

    assert placed != [None]
    assert query(db, written) == before
    bid(db, "a", "t3", 29)
    assert query(db, written) != before


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(steps(), min_size=5, max_size=40))
def test_a_market_comes_out_as_it_would_without(db, postgres_markets: PostgresMarkets, script):
    with (
        postgres_markets.lend() as one,
        postgres_markets.lend() as other,
        connect(one) as at_once,
        connect(other) as not_so,
    ):
        told = answers(at_once, script)
        with mock.patch.object(Work, "done_at_once", return_value=None):
            assert told == answers(not_so, script)
        assert differences(at_once, not_so) == []


_tokens = st.one_of(st.integers(1, 12), st.sampled_from([1, MOST_TOKENS // 7, MOST_TOKENS // 2, MOST_TOKENS]))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    asked=st.lists(st.tuples(st.integers(0, 5), _tokens), min_size=1, max_size=14),
    mechanism=st.sampled_from(sorted(name for name, rule in MECHANISMS.items() if rule.balanced)),
)
def test_what_is_held_is_the_most_that_can_be_owed(db, postgres_markets: PostgresMarkets, asked, mechanism):
    standing: dict[int, int] = {}
    with postgres_markets.lend() as dsn, connect(dsn) as market, journeys_noted() as placed:
        fund(market, MOST_TOKENS, "a")
        compute_auction.create_pool("p", mechanism=mechanism, now=NOON, db=market)
        for task, price in asked:
            wanted = {**standing, task: price}
            try:
                bid(market, "a", f"t{task}", price, pool="p")
            except InsufficientTokens:
                assert most_owed(mechanism, list(wanted.values())) > MOST_TOKENS
            else:
                standing = wanted
            assert wallet(market, "a") == (MOST_TOKENS, most_owed(mechanism, list(standing.values())))
        assert any(placed)


# --- what it leaves to the rules in Python


def nobody_has_such_a_wallet(db: Database) -> None:
    bid(db, "nobody", "t", 1)


def there_is_no_such_pool(db: Database) -> None:
    bid(db, "a", "t", 1, pool="none")


def it_is_the_systems_wallet(db: Database) -> None:
    token_ledger.mint("system:treasury", 100, now=NOON, db=db)
    bid(db, "system:treasury", "t", 1)


def the_wallet_does_not_cover_it(db: Database) -> None:
    bid(db, "a", "t0", 60)
    bid(db, "a", "t", 51)


def it_is_one_too_many(db: Database) -> None:
    for number in range(4):
        bid(db, "a", f"t{number}", 1)


def its_price_stays(db: Database) -> None:
    bid(db, "a", "t", 10)
    bid(db, "a", "t", 10)


def another_bid_rests(db: Database) -> None:
    bid(db, "a", "t0", 10, time_in_force="gtt")
    bid(db, "a", "t", 10)


def another_bid_is_suspended(db: Database) -> None:
    bid(db, "a", "t0", 90, time_in_force="gtt")
    bid(db, "a", "t1", 40, time_in_force="gtt")
    bid(db, "b", "t2", 85)
    offer(db)
    clear(db)
    assert query(db, "SELECT suspended_bids FROM token_bid_holds WHERE account_id = 'a'") == [{"suspended_bids": 1}]
    bid(db, "a", "t", 1)


def another_pool_held_for_a_bid(db: Database) -> None:
    bid(db, "a", "t0", 10, pool="gpu")
    bid(db, "b", "t1", 20, pool="gpu")
    offer(db, pool="gpu")
    clear(db, pool="gpu")
    bid(db, "a", "t", 10)


def the_task_waits(db: Database) -> None:
    know_task(db, "t", "blocked", account_id="a")
    bid(db, "a", "t", 10)


def the_task_is_done(db: Database) -> None:
    know_task(db, "t", "done", account_id="a")
    bid(db, "a", "t", 10)


def the_task_holds_a_slot(db: Database) -> None:
    bid(db, "a", "t", 10)
    offer(db)
    clear(db)
    bid(db, "b", "t", 10)


@pytest.mark.parametrize(
    "left",
    [
        nobody_has_such_a_wallet,
        there_is_no_such_pool,
        it_is_the_systems_wallet,
        the_wallet_does_not_cover_it,
        it_is_one_too_many,
        its_price_stays,
        another_bid_rests,
        another_bid_is_suspended,
        another_pool_held_for_a_bid,
        the_task_waits,
        the_task_is_done,
        the_task_holds_a_slot,
    ],
)
def test_it_is_not_where(db, monkeypatch, left: Callable[[Database], None]):
    monkeypatch.setenv("SCIDEX_MOST_OPEN_BIDS", "3")
    compute_auction.create_pool("gpu", now=NOON, db=db)
    fund(db, 100, "a", "b")
    with journeys_noted() as placed, suppress(ScidexError):
        left(db)
    assert placed[-1] is None


def test_a_task_that_may_run_is_no_bar(db):
    know_task(db, "t", "open", account_id="a")
    fund(db, 100, "b")
    with journeys_noted() as placed:
        bid(db, "b", "t", 10)
    assert placed != [None]


def test_what_has_more_to_write_is_not_asked_for_at_once(db):
    """Its answer is kept under its key, in the same transaction."""
    fund(db, 100, "a")
    with journeys_noted() as placed:
        first = bid(db, "a", "t", 10, idempotency_key="k")
        assert bid(db, "a", "t", 10, idempotency_key="k") == first
        with serving(Request(None, "a", "k", "digest")):
            bid(db, "a", "t2", 10)
        keyed = {"bidder_id": "a", "task_id": "t", "max_price_tokens": 10, "idempotency_key": "k"}
        fresh = {"bidder_id": "a", "task_id": "t3", "max_price_tokens": 10}
        compute_auction.place_bids([keyed, fresh], now=NOON, db=db)
    assert placed == [None, None]
    assert len(query(db, "SELECT 1 FROM idempotency_keys WHERE answer IS NOT NULL")) == 2


def test_one_that_cannot_be_committed_is_refused(db):
    """Its commit has no answer of its own: it is said by the end of what was sent."""
    fund(db, 100, "a")
    change(
        db,
        """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not today'; END $$;
        CREATE CONSTRAINT TRIGGER refused AFTER INSERT ON compute_auction_bids
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()""",
    )
    before = row_counts(db)

    with pytest.raises(StoreError, match="not today"):
        bid(db, "a", "t", 10)

    assert row_counts(db) == before
    change(db, "DROP TRIGGER refused ON compute_auction_bids")
    assert bid(db, "a", "t", 10).status == "open"

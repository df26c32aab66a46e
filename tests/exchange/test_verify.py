"""`verify` names every kind of fault that a hand in the tables can make."""

from __future__ import annotations

import pytest

from scidex.errors import JournalMismatch
from scidex.exchange import compute_auction, token_ledger
from tests.market import bid, clear, fund, offer, settle
from tests.raw_sql import change

pytestmark = pytest.mark.tampers


@pytest.fixture
def busy_market(db):
    """Tokens minted, moved, held and paid."""
    fund(db, 100, "a", "b")
    token_ledger.transfer("a", "b", 10, db=db)
    bid(db, "a", "t1", 50)
    bid(db, "b", "t2", 40)
    offer(db, 1)
    round_id = settle(db, clear(db).clears[0]).round_id
    bid(db, "b", "t3", 20)
    bid(db, "b", "t4", 15, time_in_force="gtt")
    assert token_ledger.verify(db).ok
    return round_id


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("UPDATE token_accounts SET balance_tokens = balance_tokens + 1 WHERE account_id = 'a'", ["balances sum to 1"]),
        (
            "UPDATE token_accounts SET balance_tokens = 200 - balance_tokens WHERE account_id IN ('a', 'b')",
            ["balances_unlike_transfers", "'a'", "'b'"],
        ),
        (
            "UPDATE token_transfers SET amount_tokens = amount_tokens + 1 WHERE reason = 'transfer'",
            ["balances_unlike_transfers", "broken_entry_chains"],
        ),
        ("DELETE FROM token_transfers WHERE reason = 'transfer'", ["balances_unlike_transfers", "broken_entry_chains"]),
        (
            "UPDATE token_transfers SET credit_balance_after = credit_balance_after + 1 WHERE reason = 'transfer'",
            ["broken_entry_chains", "'b'"],
        ),
        ("UPDATE token_accounts SET held_tokens = 1 WHERE account_id = 'a'", ["holds_unlike_wallets", "'a'"]),
        ("UPDATE token_accounts SET held_tokens = 0 WHERE account_id = 'b'", ["holds_unlike_wallets", "'b'"]),
        ("UPDATE token_bid_holds SET round_tokens = 7 WHERE account_id = 'b'", ["holds_unlike_wallets", "'b'"]),
        ("UPDATE token_bid_holds SET resting_tokens = 7 WHERE account_id = 'b'", ["holds_unlike_wallets", "'b'"]),
        ("UPDATE compute_auction_clears SET status = 'won'", ["holds_unlike_wallets", "'a'"]),
        ("UPDATE token_accounts SET entries = entries + 1 WHERE account_id = 'a'", ["balances_unlike_transfers"]),
    ],
)
def test_a_changed_row_is_named(db, busy_market, sql, names):
    change(db, sql)

    report = token_ledger.verify(db)

    assert not report.ok
    told = "\n".join(report.problems)
    assert [name for name in names if name not in told] == []


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE compute_auction_rounds SET clearing_price_tokens = 41",
        "UPDATE compute_auction_rounds SET slots = slots + 1",
        "UPDATE compute_auction_rounds SET cleared_at = '2026-05-01T12:00:00.000001+00:00'",
        "UPDATE compute_auction_rounds SET digest = previous_digest",
        "UPDATE compute_auction_rounds SET seed = 'another'",
        "UPDATE compute_auction_bids SET max_price_tokens = 45 WHERE task_id = 't2'",
        "UPDATE compute_auction_bids SET max_price_tokens = 60 WHERE task_id = 't2'",
        "UPDATE compute_auction_bids SET competing = 0 WHERE task_id = 't1'",
        "UPDATE compute_auction_clears SET runner_up_task_id = 'another'",
        "UPDATE compute_auction_clears SET provider_proceeds_tokens = 39",
        "DELETE FROM compute_auction_attestations; DELETE FROM compute_auction_clears",
    ],
)
def test_a_changed_round_does_not_recompute(db, busy_market, sql):
    compute_auction.recompute(busy_market, db=db)

    change(db, sql)

    with pytest.raises(JournalMismatch) as refused:
        compute_auction.recompute(busy_market, db=db)
    assert refused.value.facts["round_id"] == busy_market


def test_the_schema_itself_refuses_what_no_wallet_can_hold(db, busy_market):
    for sql in (
        "UPDATE token_accounts SET balance_tokens = -1 WHERE account_id = 'a'",
        "UPDATE token_accounts SET held_tokens = balance_tokens + 1 WHERE account_id = 'a'",
        "UPDATE token_accounts SET held_tokens = -1 WHERE account_id = 'a'",
        "UPDATE token_transfers SET amount_tokens = 0",
        "UPDATE compute_auction_bids SET max_price_tokens = 0",
        "UPDATE compute_auction_clears SET clearing_price_tokens = max_price_tokens + 1",
        "UPDATE compute_auction_clears SET winning_premium_tokens = winning_premium_tokens + 1",
        "UPDATE compute_auction_clears SET provider_proceeds_tokens = clearing_price_tokens + 1",
    ):
        with pytest.raises(Exception, match=r"(?i)constraint"):
            change(db, sql)
    assert token_ledger.verify(db).ok

"""Accounts, transfers in pairs, and supply."""

from __future__ import annotations

import pytest

from scidex.errors import (
    AccountExists,
    InsufficientTokens,
    InvalidAmount,
    InvalidId,
    SupplyExceeded,
    UnknownAccount,
)
from scidex.exchange import token_ledger
from scidex.settings import MOST_TOKENS
from tests.market import NOON, TREASURY, after, bid, fund, wallet

ISSUANCE = "system:issuance"


def moves(db, account_id, **page):
    """An account's movements as (from, to, amount, reason), newest first."""
    return [
        (m.debit_account_id, m.credit_account_id, m.amount_tokens, m.reason)
        for m in token_ledger.get_transfers(account_id, **page, db=db)
    ]


def test_an_account_is_its_own_owner_unless_another_is_named(db):
    alone = token_ledger.create_account("agent:ada", now=NOON, db=db)
    owned = token_ledger.create_account("quest:q1", kind="quest", owner_id="team", now=NOON, db=db)

    assert (alone.owner_id, alone.kind, alone.created_at) == ("agent:ada", "agent", NOON)
    assert (owned.owner_id, owned.kind) == ("team", "quest")
    assert token_ledger.get_account("quest:q1", db=db) == owned
    assert wallet(db, "agent:ada") == (0, 0)


def test_an_account_is_opened_once(db):
    fund(db, 5, "a")

    with pytest.raises(AccountExists):
        token_ledger.create_account("a", kind="quest", now=NOON, db=db)

    assert token_ledger.get_account("a", db=db).kind == "agent"
    assert wallet(db, "a") == (5, 0)


def test_account_names_differ_by_case(db):
    fund(db, 1, "ada", "Ada")

    assert [account.account_id for account in token_ledger.list_accounts(after="A", db=db)][:2] == ["Ada", "ada"]


def test_nobody_opens_an_account_of_the_system(db):
    for name in ("system", "system:mine", "system:treasury"):
        with pytest.raises(InvalidId, match="account_id must not be 'system'"):
            token_ledger.create_account(name, db=db)
        with pytest.raises(InvalidId, match="owner_id must not be 'system'"):
            token_ledger.create_account("mine", owner_id=name, db=db)


def test_minted_tokens_come_out_of_issuance(db):
    fund(db, 70, "a")
    fund(db, 30, "b")

    assert wallet(db, ISSUANCE) == (-100, 0)
    report = token_ledger.verify(db)
    assert (report.accounts, report.transfers, report.minted_tokens, report.held_tokens) == (4, 2, 100, 0)


def test_burnt_tokens_go_back_to_issuance(db):
    fund(db, 70, "a")

    token_ledger.burn("a", 30, now=NOON, db=db)

    assert (wallet(db, "a"), wallet(db, ISSUANCE)) == ((40, 0), (-40, 0))
    assert token_ledger.verify(db).minted_tokens == 40


def test_a_transfer_moves_tokens_and_tells_both_balances(db):
    fund(db, 70, "a")
    fund(db, 1, "b")

    moved = token_ledger.transfer(debit="a", credit="b", amount_tokens=20, reason="gift", now=after(1), db=db)

    assert (moved.debit_balance_after, moved.credit_balance_after) == (50, 21)
    assert (moved.debit_entry, moved.credit_entry, moved.made_at) == (2, 2, after(1))
    assert moves(db, "b") == [("a", "b", 20, "gift"), (ISSUANCE, "b", 1, "grant")]


def test_more_than_is_there_is_not_moved(db):
    fund(db, 70, "a", "b")

    for move in (
        lambda: token_ledger.transfer("a", "b", 71, db=db),
        lambda: token_ledger.burn("a", 71, db=db),
    ):
        with pytest.raises(InsufficientTokens) as refused:
            move()
        assert (refused.value.needed, refused.value.available) == (71, 70)
    assert (wallet(db, "a"), wallet(db, "b")) == ((70, 0), (70, 0))


def test_what_is_held_for_a_bid_is_not_moved(db):
    fund(db, 70, "a", "b")
    bid(db, "a", "t", 60)

    with pytest.raises(InsufficientTokens) as refused:
        token_ledger.transfer("a", "b", 11, db=db)

    assert refused.value.available == 10
    token_ledger.transfer("a", "b", 10, now=NOON, db=db)
    assert wallet(db, "a") == (60, 60)


def test_tokens_do_not_move_to_themselves_or_past_issuance(db):
    fund(db, 70, "a")

    for debit, credit, field in (("a", "a", "credit"), ("a", ISSUANCE, "credit"), (ISSUANCE, "a", "debit")):
        with pytest.raises(InvalidId) as refused:
            token_ledger.transfer(debit, credit, 1, db=db)
        assert refused.value.field == field
    with pytest.raises(InvalidId):
        token_ledger.mint(ISSUANCE, 1, db=db)


def test_unknown_accounts_are_named_by_their_argument(db):
    fund(db, 70, "a")

    for move, field in (
        (lambda: token_ledger.transfer("ghost", "a", 1, db=db), "debit"),
        (lambda: token_ledger.transfer("a", "ghost", 1, db=db), "credit"),
        (lambda: token_ledger.mint("ghost", 1, db=db), "account_id"),
        (lambda: token_ledger.burn("ghost", 1, db=db), "account_id"),
        (lambda: token_ledger.get_balance("ghost", db=db), "account_id"),
        (lambda: token_ledger.get_transfers("ghost", db=db), "account_id"),
    ):
        with pytest.raises(UnknownAccount) as refused:
            move()
        assert refused.value.facts["field"] == field
        assert refused.value.facts["account_id"] == "ghost"


def test_the_supply_has_an_end_that_every_client_can_count_to(db):
    fund(db, 0, "a", "b")
    token_ledger.mint("a", MOST_TOKENS - 1, now=NOON, db=db)

    with pytest.raises(SupplyExceeded):
        token_ledger.mint("b", 2, now=NOON, db=db)
    token_ledger.mint("b", 1, now=NOON, db=db)
    with pytest.raises(SupplyExceeded):
        token_ledger.mint("b", 1, now=NOON, db=db)
    with pytest.raises(InvalidAmount):
        token_ledger.mint("b", MOST_TOKENS + 1, now=NOON, db=db)

    token_ledger.transfer("b", "a", 1, now=NOON, db=db)
    assert wallet(db, "a") == (MOST_TOKENS, 0)
    token_ledger.burn("a", MOST_TOKENS, now=NOON, db=db)
    assert wallet(db, ISSUANCE) == (0, 0)


def test_the_treasury_may_give_what_it_has(db):
    fund(db, 0, "a")
    token_ledger.mint(TREASURY, 10, now=NOON, db=db)

    token_ledger.transfer(TREASURY, "a", 4, now=NOON, db=db)
    with pytest.raises(InsufficientTokens):
        token_ledger.transfer(TREASURY, "a", 7, now=NOON, db=db)

    assert (wallet(db, "a"), wallet(db, TREASURY)) == ((4, 0), (6, 0))


def test_transfers_are_read_in_pages_newest_first(db):
    fund(db, 0, "a", "b")
    for amount in range(1, 8):
        token_ledger.mint("a", amount, now=NOON, db=db)
        token_ledger.mint("b", 100, now=NOON, db=db)

    pages = [token_ledger.get_transfers("a", limit=3, db=db)]
    while pages[-1]:
        pages.append(token_ledger.get_transfers("a", limit=3, before=pages[-1][-1].transfer_id, db=db))

    assert [[m.amount_tokens for m in page] for page in pages] == [[7, 6, 5], [4, 3, 2], [1], []]


def test_accounts_are_read_in_pages_by_name(db):
    fund(db, 0, *"cab")

    assert [a.account_id for a in token_ledger.list_accounts(limit=2, db=db)] == ["a", "b"]
    assert [a.account_id for a in token_ledger.list_accounts(after="b", db=db)] == ["c", ISSUANCE, TREASURY]


def test_a_refused_movement_leaves_no_journal_row(db):
    from scidex.store.db_writes import read_journal

    fund(db, 5, "a", "b")
    before = list(read_journal(db))

    with pytest.raises(InsufficientTokens):
        token_ledger.transfer("a", "b", 6, db=db)

    assert list(read_journal(db)) == before

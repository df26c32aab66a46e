"""Wallets over HTTP: balances, transfers, and the opening of accounts."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from scidex.exchange import ownership, token_ledger
from scidex.records import Account, Balance, IncomeShare, Transfer, WalletSummary
from scidex.web import schemas
from scidex.web.access import allows
from scidex.web.dependencies import ANY, Before, Db, Limit, Name, Who, router
from scidex.web.paging import link_next

routes = router("/api/wallets", "wallets")


@routes.get("", response_model=schemas.WalletSummaries)
@allows(*ANY)
def list_wallets(
    who: Who,
    request: Request,
    response: Response,
    db: Db,
    after: Annotated[str, Query(max_length=200)] = "",
    limit: Limit = 100,
) -> list[WalletSummary]:
    """Return wallets in the order of their ids, those past `after`: all of them to an operator, else the owner's."""
    if who.is_operator:
        found = token_ledger.list_wallets(after=after, limit=limit, db=db)
    else:
        found = ownership.wallets_seen(who, after=after, limit=limit, db=db)
    return link_next(request, response, found, limit, after=lambda last: last.account_id)


@routes.post("", status_code=201, response_model=schemas.Account)
@allows("admin")
def create_account(account: schemas.NewAccount, db: Db) -> Account:
    """Open an account."""
    return token_ledger.create_account(**account.model_dump(), db=db)


@routes.get("/{account_id:id}", response_model=schemas.Balance)
@allows(*ANY)
def get_wallet(account_id: Name, who: Who, db: Db) -> Balance:
    """Return an account's tokens: all of them, those set aside, and those free to spend."""
    ownership.check_sees_account(who, account_id, db=db)
    return token_ledger.get_balance(account_id, db=db)


@routes.get("/{account_id:id}/transfers", response_model=schemas.Transfers)
@allows(*ANY)
def list_transfers(
    account_id: Name,
    who: Who,
    request: Request,
    response: Response,
    db: Db,
    before: Before = None,
    limit: Limit = 100,
) -> list[Transfer]:
    """Return an account's movements, newest first."""
    ownership.check_sees_account(who, account_id, db=db)
    found = token_ledger.get_transfers(account_id, before=before, limit=limit, db=db)
    return link_next(request, response, found, limit, before=lambda last: last.transfer_id)


@routes.get("/{account_id:id}/income", response_model=schemas.IncomeShares)
@allows(*ANY)
def list_income(
    account_id: Name,
    who: Who,
    request: Request,
    response: Response,
    db: Db,
    before: Annotated[str | None, Query(max_length=10, description="Only earlier days, such as 2026-05-02.")] = None,
    limit: Limit = 100,
) -> list[IncomeShare]:
    """Return an account's shares of the daily buckets, the newest first."""
    ownership.check_sees_account(who, account_id, db=db)
    found = token_ledger.list_income(account_id, before=before, limit=limit, db=db)
    return link_next(request, response, found, limit, before=lambda last: last.day)


@routes.post("/{account_id:id}/transfers", status_code=201, response_model=schemas.Transfer)
@allows("bid", "admin", moves_tokens=True)
def transfer(account_id: Name, order: schemas.NewTransfer, who: Who, db: Db) -> Transfer:
    """Move available tokens of the key's own account to another."""
    ownership.check_sees_account(who, account_id, db=db)
    ownership.check_named(who, account_id, "account_id")
    return token_ledger.transfer(account_id, **order.model_dump(), db=db)


@routes.post("/{account_id:id}/mint", status_code=201, response_model=schemas.Transfer)
@allows("admin", moves_tokens=True)
def mint(account_id: Name, order: schemas.NewMint, db: Db) -> Transfer:
    """Issue new tokens to this account."""
    return token_ledger.mint(account_id, **order.model_dump(), db=db)


@routes.post("/{account_id:id}/burn", status_code=201, response_model=schemas.Transfer)
@allows("admin", moves_tokens=True)
def burn(account_id: Name, order: schemas.NewBurn, db: Db) -> Transfer:
    """Take available tokens of this account out of the market."""
    return token_ledger.burn(account_id, **order.model_dump(), db=db)

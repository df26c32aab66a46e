"""Wallets over HTTP: balances, transfers, and the opening of accounts."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from scidex.exchange import token_ledger
from scidex.exchange.records import Account, Balance, Transfer, WalletSummary
from scidex.web import schemas
from scidex.web.dependencies import Before, Db, IdempotencyKey, Limit, Name, router

routes = router("/api/wallets", "wallets")


@routes.get("", response_model=schemas.WalletSummaries)
def list_wallets(db: Db, after: Annotated[str, Query(max_length=200)] = "", limit: Limit = 100) -> list[WalletSummary]:
    """Return wallets in the order of their ids, those past `after`."""
    return token_ledger.list_wallets(after=after, limit=limit, db=db)


@routes.post("", status_code=201, response_model=schemas.Account)
def create_account(account: schemas.NewAccount, db: Db) -> Account:
    """Open an account."""
    return token_ledger.create_account(**account.model_dump(), db=db)


@routes.get("/{account_id:id}", response_model=schemas.Balance)
def get_wallet(account_id: Name, db: Db) -> Balance:
    """Return an account's tokens: all of them, those set aside, and those free to spend."""
    return token_ledger.get_balance(account_id, db=db)


@routes.get("/{account_id:id}/transfers", response_model=schemas.Transfers)
def list_transfers(account_id: Name, db: Db, before: Before = None, limit: Limit = 100) -> list[Transfer]:
    """Return an account's movements, newest first."""
    return token_ledger.get_transfers(account_id, before=before, limit=limit, db=db)


@routes.post("/{account_id:id}/transfers", status_code=201, response_model=schemas.Transfer)
def transfer(account_id: Name, order: schemas.NewTransfer, db: Db, idempotency_key: IdempotencyKey = None) -> Transfer:
    """Move available tokens of this account to another."""
    return token_ledger.transfer(account_id, **_with_key(order, idempotency_key), db=db)


@routes.post("/{account_id:id}/mint", status_code=201, response_model=schemas.Transfer)
def mint(account_id: Name, order: schemas.NewMint, db: Db, idempotency_key: IdempotencyKey = None) -> Transfer:
    """Issue new tokens to this account."""
    return token_ledger.mint(account_id, **_with_key(order, idempotency_key), db=db)


def _with_key(body: schemas.NewTransfer | schemas.NewMint, idempotency_key: str | None) -> dict[str, Any]:
    given = body.model_dump()
    return {**given, "idempotency_key": given["idempotency_key"] or idempotency_key}

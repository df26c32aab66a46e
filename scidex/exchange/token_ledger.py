"""Accounts, and the double-entry transfers between them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from scidex.errors import AccountExists, InvalidId, UnknownAccount
from scidex.exchange import arguments as checked
from scidex.exchange.book import holds
from scidex.exchange.ledger import wallets
from scidex.exchange.ledger.wallets import Move
from scidex.records import Account, Balance, IncomeShare, LedgerReport, Transfer, WalletSummary
from scidex.settings import ISSUANCE, MOST_TOKENS, TREASURY
from scidex.store import Database
from scidex.store.db_writes import Work, effect, execute_journaled

KINDS = ("agent", "quest", "worker", "evaluator")
_MOST_PAGE = 1_000

Result = TypeVar("Result")


def create_account(
    account_id: str,
    kind: str = "agent",
    owner_id: str | None = None,
    *,
    now: datetime | None = None,
    db: Database | None = None,
) -> Account:
    """
    Open an account: of an `agent`, a `quest`, a `worker` or an `evaluator`.

    `owner_id` is the verified principal behind it, the account itself unless given. Raises AccountExists, InvalidId.
    """
    arguments = {
        "account_id": checked.outsider(account_id, "account_id"),
        "kind": checked.choice(kind, "kind", KINDS),
        "owner_id": account_id if owner_id is None else checked.outsider(owner_id, "owner_id"),
    }
    return _journaled(db, _create_account, arguments, now)


def mint(
    account_id: str,
    amount_tokens: int,
    reason: str = "grant",
    idempotency_key: str | None = None,
    *,
    now: datetime | None = None,
    db: Database | None = None,
) -> Transfer:
    """Issue new tokens to an account. Raises UnknownAccount, InvalidAmount, SupplyExceeded, IdempotencyConflict."""
    arguments = {
        "account_id": _payable(account_id),
        **_amount(amount_tokens, reason, idempotency_key),
    }
    return _journaled(db, _mint, arguments, now)


def burn(
    account_id: str,
    amount_tokens: int,
    reason: str = "burn",
    idempotency_key: str | None = None,
    *,
    now: datetime | None = None,
    db: Database | None = None,
) -> Transfer:
    """Take tokens out of circulation. Raises UnknownAccount, InvalidAmount, InsufficientTokens, IdempotencyConflict."""
    arguments = {
        "account_id": _payable(account_id),
        **_amount(amount_tokens, reason, idempotency_key),
    }
    return _journaled(db, _burn, arguments, now)


def transfer(
    debit: str,
    credit: str,
    amount_tokens: int,
    reason: str = "transfer",
    idempotency_key: str | None = None,
    *,
    now: datetime | None = None,
    db: Database | None = None,
) -> Transfer:
    """
    Move available tokens from one account to another.

    Raises UnknownAccount, InvalidAmount, InsufficientTokens, IdempotencyConflict, and InvalidId where both are one.
    """
    if checked.identifier(debit, "debit") == checked.identifier(credit, "credit"):
        raise InvalidId(field="credit", value=credit, fact="must not be the account that is debited")
    for field, account_id in (("debit", debit), ("credit", credit)):
        if account_id == ISSUANCE:
            raise InvalidId(field=field, value=account_id, fact="moves by mint and burn alone")
    arguments = {"debit": debit, "credit": credit, **_amount(amount_tokens, reason, idempotency_key)}
    return _journaled(db, _transfer, arguments, now)


def get_account(account_id: str, *, db: Database | None = None) -> Account:
    """Return who an account is. Raises UnknownAccount."""
    with checked.database(db).reading() as tx:
        row = tx.row("account", account_id=checked.identifier(account_id, "account_id"))
    if row is None:
        raise UnknownAccount(field="account_id", account_id=account_id)
    return Account(**row)


def get_balance(account_id: str, *, db: Database | None = None) -> Balance:
    """Return an account's tokens: `.balance`, `.held` and `.available`. Raises UnknownAccount."""
    with checked.database(db).reading() as tx:
        row = tx.row("wallet", account_id=checked.identifier(account_id, "account_id"))
    if row is None:
        raise UnknownAccount(field="account_id", account_id=account_id)
    return Balance(account_id, row["balance_tokens"], row["held_tokens"])


def list_accounts(*, after: str = "", limit: int = _MOST_PAGE, db: Database | None = None) -> list[Account]:
    """Return accounts in the order of their ids, those past `after`, at most `limit` (1 to 1,000)."""
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    if after != "":
        checked.identifier(after, "after")
    with checked.database(db).reading() as tx:
        return [Account(**row) for row in tx.rows("accounts_page", after=after, page=page)]


def list_wallets(*, after: str = "", limit: int = _MOST_PAGE, db: Database | None = None) -> list[WalletSummary]:
    """Return wallets as they stand in the order of their ids, those past `after`, at most `limit` (1 to 1,000)."""
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    if after != "":
        checked.identifier(after, "after")
    with checked.database(db).reading() as tx:
        return [WalletSummary(**row) for row in tx.rows("wallets_page", after=after, page=page)]


def get_transfers(
    account_id: str, *, before: int | None = None, limit: int = 100, db: Database | None = None
) -> list[Transfer]:
    """
    Return an account's movements, newest first, at most `limit` (1 to 1,000).

    Pass the last transfer_id as `before` for the next page. Raises UnknownAccount.
    """
    get_account(account_id, db=db)
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    last = MOST_TOKENS if before is None else checked.count(before, "before", most=MOST_TOKENS)
    with checked.database(db).reading() as tx:
        rows = tx.rows("transfers_of_account", account_id=account_id, before=last, page=page)
    return [Transfer(**row) for row in rows]


def list_transfers(*, after: int = 0, limit: int = _MOST_PAGE, db: Database | None = None) -> list[Transfer]:
    """
    Return the movements of all accounts in the order in which they were made, at most `limit` (1 to 1,000).

    Pass the last transfer_id as `after` for the next page.
    """
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    past = checked.tokens(after, "after", least=0)
    with checked.database(db).reading() as tx:
        return [Transfer(**row) for row in tx.rows("transfers_after", after=past, page=page)]


def list_income(
    account_id: str, *, before: str | None = None, limit: int = 100, db: Database | None = None
) -> list[IncomeShare]:
    """
    Return an account's shares of the daily buckets of pools that pay by their profile, newest first, at most `limit`.

    Pass the last one's day, such as 2026-05-02, as `before` for earlier days. Raises UnknownAccount.
    """
    get_account(account_id, db=db)
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    last = "9999-12-31" if before is None else checked.identifier(before, "before")
    with checked.database(db).reading() as tx:
        rows = tx.rows("income_shares_of_account", account_id=account_id, before=last, page=page)
    return [IncomeShare(**row) for row in rows]


def verify(db: Database | None = None) -> LedgerReport:
    """
    Prove the books, in one consistent view of the database.

    Balances sum to 0; every balance is the sum of its transfers, whose entries chain without a gap; held equals the sum
    of holds; nothing is negative. Every fault found is named in `problems`.
    """
    with checked.database(db).reading() as tx:
        total = tx.values("sum_of_balances")[0]
        problems = [f"balances sum to {total}, not 0"] if total else []
        for statement in (
            "balances_unlike_transfers",
            "broken_entry_chains",
            "holds_unlike_wallets",
            "negative_wallets",
        ):
            problems += [f"{statement}: {row}" for row in tx.rows(statement)]
        counts = tx.rows("count_books")[0]
    return LedgerReport(
        accounts=counts["accounts"],
        transfers=counts["transfers"],
        minted_tokens=counts["minted"],
        held_tokens=counts["held"],
        problems=tuple(problems),
    )


def _amount(amount_tokens: int, reason: str, key: str | None) -> dict[str, Any]:
    return {
        "amount_tokens": checked.tokens(amount_tokens, "amount_tokens"),
        "reason": checked.text(reason, "reason"),
        "idempotency_key": None if key is None else checked.identifier(key, "idempotency_key"),
    }


def _journaled(
    db: Database | None, what: Callable[..., Result], arguments: dict[str, Any], now: datetime | None
) -> Result:
    moment = None if now is None else checked.instant(now, "now")
    has_own_key = arguments.get("idempotency_key") is not None
    return execute_journaled(checked.database(db), what, arguments, now=moment, has_own_key=has_own_key)


def _payable(account_id: str) -> str:
    return TREASURY if account_id == TREASURY else checked.outsider(account_id, "account_id")


@effect("create_account")
def _create_account(work: Work, *, account_id: str, kind: str, owner_id: str) -> Account:
    account = Account(account_id, kind, owner_id, work.now)
    if not work.tx.run("add_account", **account._asdict()):
        raise AccountExists(field="account_id", account_id=account_id)
    return account


@effect("mint")
def _mint(work: Work, *, account_id: str, **amount: Any) -> Transfer:
    return _moved(work, {"issuance": ISSUANCE, "account_id": account_id}, **amount)


@effect("burn")
def _burn(work: Work, *, account_id: str, **amount: Any) -> Transfer:
    return _moved(work, {"account_id": account_id, "issuance": ISSUANCE}, **amount)


@effect("transfer")
def _transfer(work: Work, *, debit: str, credit: str, **amount: Any) -> Transfer:
    return _moved(work, {"debit": debit, "credit": credit}, **amount)


def _moved(
    work: Work, parties: dict[str, str], *, amount_tokens: int, reason: str, idempotency_key: str | None
) -> Transfer:
    debit, credit = parties.values()

    def act() -> Transfer:
        locked = wallets.lock_known(work.tx, **parties)
        made = wallets.transfer(work, locked, [Move(debit, credit, amount_tokens, reason)])[0]
        holds.resume(work.tx, [locked[credit]])
        wallets.save(work.tx, locked.values())
        return made

    # A key belongs to whoever pays: used with another payee it is refused, as with any other argument.
    asked = {"credit": credit, "amount_tokens": amount_tokens, "reason": reason}
    return work.once(f"move {debit}", idempotency_key, asked, act, lambda answer: Transfer(**answer))

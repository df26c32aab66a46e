"""The ledger in the formats of other programs: CSV (RFC 4180), Beancount, and the journal of hledger and Ledger."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from scidex.records import Account, Transfer
from scidex.settings import ISSUANCE

_CURRENCY = "TOKEN"
# A sheet reads a cell that begins so as a formula. A mark that stands there already gets one more, so that a reader who
# takes one away has the text as it was.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")


def csv_lines(transfers: Iterable[Transfer]) -> Iterator[str]:
    """Yield the transfers as CSV with a line of names; a text that a sheet would run gets a ' before it."""
    yield _line(Transfer._fields)
    for one in transfers:
        yield _line([_cell(value) for value in one])


def json_lines(transfers: Iterable[Transfer]) -> Iterator[str]:
    """Yield the transfers as JSON, one a line."""
    for one in transfers:
        yield json.dumps({**one._asdict(), "made_at": one.made_at.isoformat()}) + "\n"


def beancount(transfers: Sequence[Transfer], accounts: Sequence[Account]) -> Iterator[str]:
    """
    Yield the transfers as a Beancount ledger: accounts opened, a transaction each, and balances to be checked.

    Tokens are the currency TOKEN; the account that issues them is one of Equity, every other one of Assets, with its
    id as metadata. The balances are those that the transfers leave, on the day after the last one.
    """
    first = min((_day(one.made_at) for one in transfers), default="9999-12-31")
    for account in accounts:
        yield f"{min(first, _day(account.created_at))} open {name_of(account.account_id)} {_CURRENCY}\n"
        yield f"  account_id: {_text(account.account_id)}\n"
    left: dict[str, int] = {account.account_id: 0 for account in accounts}
    for one in transfers:
        left[one.debit_account_id] -= one.amount_tokens
        left[one.credit_account_id] += one.amount_tokens
        yield from _transaction(one)
    if transfers:
        day = max(one.made_at.astimezone(UTC) for one in transfers) + timedelta(days=1)
        for account_id, tokens in left.items():
            yield f"{_day(day)} balance {name_of(account_id)} {tokens} {_CURRENCY}\n"


def journal(transfers: Sequence[Transfer], accounts: Sequence[Account]) -> Iterator[str]:
    """
    Yield the transfers as a journal that hledger and Ledger read: a transaction each, and the balances they leave.

    Accounts and currency are those of `beancount`. The transfer's id is the transaction's code.
    """
    for account in accounts:
        yield f"account {name_of(account.account_id)}\n    ; account_id: {_printable(account.account_id)}\n"
    left: dict[str, int] = {account.account_id: 0 for account in accounts}
    for one in transfers:
        left[one.debit_account_id] -= one.amount_tokens
        left[one.credit_account_id] += one.amount_tokens
        yield f"\n{_day(one.made_at)} * ({one.transfer_id}) {_description(one.reason)}\n"
        yield f"    ; made_at: {one.made_at.astimezone(UTC).isoformat()}\n"
        yield f"    {name_of(one.debit_account_id)}  {-one.amount_tokens} {_CURRENCY}\n"
        yield f"    {name_of(one.credit_account_id)}  {one.amount_tokens} {_CURRENCY}\n"
    if transfers:
        yield f"\n{max(_day(one.made_at) for one in transfers)} * balances\n"
        for account_id, tokens in left.items():
            yield f"    {name_of(account_id)}  0 {_CURRENCY} = {tokens} {_CURRENCY}\n"


def name_of(account_id: str) -> str:
    """
    Return an account's name in other programs' books: a different one for each id, readable where the id is plain.

    It is the id's first word and all the others, so no account is an account of another: a balance there is that of an
    account with all that is below it.
    """
    root = "Equity" if account_id == ISSUANCE else "Assets"
    kind, *rest = account_id.split(":")
    if _PLAIN.fullmatch(account_id):
        return ":".join([root, _capitalized(kind), "-".join(map(_capitalized, rest))])
    mark = hashlib.sha256(account_id.encode("utf-8", "surrogatepass")).hexdigest()[:12].upper()
    words = [re.sub(r"[^A-Za-z0-9-]", "-", part).strip("-") for part in (rest or [kind])]
    leaf = "-".join(_capitalized(word) for word in words if word)[:80]
    first = re.sub(r"[^A-Za-z0-9]", "", kind)[:40] if rest else ""
    return ":".join([root, _capitalized(first) or "Other", f"{leaf}-X{mark}" if leaf else f"X{mark}"])


# Two words, or more that all begin with a letter: only these are told apart by where capitals stand.
_PLAIN = re.compile(r"[a-z][a-z0-9]*:(?:[a-z0-9][a-z0-9-]*|[a-z][a-z0-9-]*(?::[a-z][a-z0-9-]*)+)")


def _capitalized(word: str) -> str:
    return word[:1].upper() + word[1:]


def _transaction(one: Transfer) -> Iterator[str]:
    yield f"\n{_day(one.made_at)} * {_text(one.reason)}\n"
    yield f"  transfer_id: {one.transfer_id}\n"
    yield f'  made_at: "{one.made_at.astimezone(UTC).isoformat()}"\n'
    yield f"  {name_of(one.debit_account_id)}  {-one.amount_tokens} {_CURRENCY}\n"
    yield f"  {name_of(one.credit_account_id)}  {one.amount_tokens} {_CURRENCY}\n"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def _description(text: str) -> str:
    """A text as a journal's description: a semicolon would begin a comment, and two spaces may end an account."""
    words = _printable(text).replace(";", ",").replace("|", "/").split()
    # A mark at the beginning would be a status, a code or a date.
    return " ".join(words).lstrip("*!(= ") or "transfer"


def _day(instant: datetime) -> str:
    return instant.astimezone(UTC).date().isoformat()


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _line(cells: Sequence[object]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value

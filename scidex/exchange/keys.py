"""Keys of the API: each acts for one account, with the scopes it was given, until it expires or is revoked."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from scidex.errors import (
    InvalidArgument,
    InvalidId,
    InvalidTime,
    KeyRevoked,
    NotAuthenticated,
    UnknownAccount,
    UnknownKey,
)
from scidex.exchange import arguments as checked
from scidex.records import Key, NewKey, Principal
from scidex.settings import ISSUANCE, TREASURY
from scidex.store import Database
from scidex.store.database import Row
from scidex.store.db_writes import Work, effect, execute_journaled

__all__ = [
    "authenticate",
    "create_key",
    "get_key",
    "has_live_key",
    "id_of",
    "list_keys",
    "note_key_uses",
    "principal_of",
    "revoke_key",
    "rotate_key",
]

SCOPES = ("admin", "attest", "bid", "read", "work")
_FORM = re.compile(r"scidex_([0-9a-f]{16})_([0-9a-f]{64})", re.ASCII)
_ID = re.compile(r"[0-9a-f]{16}", re.ASCII)
_MOST_PAGE = 1_000
_MOST_OVERLAP_SECONDS = 30 * 86_400
_MOST_USES = 10_000
# Compared with where no key has the id, so that an unknown id takes as long as a wrong secret.
_NOBODY = hashlib.sha256(b"nobody").hexdigest()

Result = TypeVar("Result")


def create_key(
    account_id: str,
    scopes: Iterable[str],
    *,
    expires_at: datetime | None = None,
    label: str = "",
    now: datetime | None = None,
    db: Database | None = None,
) -> NewKey:
    """
    Make a key that acts for an account; its `text` is told here and never again.

    `scopes` are of `bid`, `work`, `attest`, `read` and `admin`; a key that mints and clears cannot bid, and `admin`
    is for the account `system:treasury` alone. Raises UnknownAccount, InvalidId, InvalidTime, InvalidArgument.
    """
    database = checked.database(db)
    moment = checked.moment(now, database)
    account = checked.identifier(account_id, "account_id")
    arguments = {
        "account_id": account,
        "scopes": _scopes(scopes, account),
        "expires_at": _expiry(expires_at, moment),
        "label": checked.text(label, "label"),
    }
    return _made(db, _create_key, arguments, moment)


def rotate_key(
    key_id: str,
    *,
    overlap_seconds: int = 86_400,
    expires_at: datetime | None = None,
    now: datetime | None = None,
    db: Database | None = None,
) -> NewKey:
    """
    Make a key that takes another one's place: the same account and scopes, a new secret, told here and never again.

    The old key works on for `overlap_seconds` (0 to 30 days), or until it expires. Raises UnknownKey, KeyRevoked,
    InvalidTime, InvalidArgument.
    """
    database = checked.database(db)
    moment = checked.moment(now, database)
    arguments = {
        "old_key_id": checked.identifier(key_id, "key_id"),
        "overlap_seconds": checked.count(overlap_seconds, "overlap_seconds", least=0, most=_MOST_OVERLAP_SECONDS),
        "expires_at": _expiry(expires_at, moment),
    }
    return _made(db, _rotate_key, arguments, moment)


def revoke_key(key_id: str, *, now: datetime | None = None, db: Database | None = None) -> Key:
    """
    End a key at once: nothing that it asked for and that is not committed yet will be. Again, it answers the same.

    Raises UnknownKey.
    """
    name = checked.identifier(key_id, "key_id")
    database = checked.database(db)
    execute_journaled(database, _revoke_key, {"key_id": name}, now=checked.moment(now, database))
    return get_key(name, db=database)


def get_key(key_id: str, *, db: Database | None = None) -> Key:
    """Return a key, without its secret. Raises UnknownKey."""
    with checked.database(db).reading() as tx:
        return _told(_known(tx.row("key", key_id=checked.identifier(key_id, "key_id")), key_id))


def list_keys(
    *, account_id: str | None = None, after: str = "", limit: int = _MOST_PAGE, db: Database | None = None
) -> list[Key]:
    """Return keys in the order of their ids, of one account or of all, those past `after`, at most `limit` (1,000)."""
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    wanted = {
        "account_id": "" if account_id is None else checked.identifier(account_id, "account_id"),
        "after": "" if after == "" else checked.identifier(after, "after"),
    }
    with checked.database(db).reading() as tx:
        return [_told(row) for row in tx.rows("keys_page", **wanted, page=page)]


def authenticate(text: str, *, now: datetime | None = None, db: Database | None = None) -> Principal:
    """Return who acts by a key's text. Raises NotAuthenticated, and does not tell why."""
    key_id, secret, database = id_of(text), text[-64:], checked.database(db)
    with database.reading() as tx:
        row = tx.row("key", key_id=key_id)
    known = hmac.compare_digest(_digest(secret), row["secret_sha256"] if row else _NOBODY)
    if row is None or not known:
        raise NotAuthenticated
    return _principal(row, checked.moment(now, database))


def id_of(text: str) -> str:
    """Return the id that a key's text has. Raises NotAuthenticated for what is no key."""
    form = _FORM.fullmatch(text) if type(text) is str else None
    if form is None:
        raise NotAuthenticated
    return form[1]


def principal_of(key_id: str, *, now: datetime | None = None, db: Database | None = None) -> Principal:
    """Return who acts by a key that was shown before, as a session does. Raises NotAuthenticated."""
    database = checked.database(db)
    if type(key_id) is not str or _ID.fullmatch(key_id) is None:
        raise NotAuthenticated
    with database.reading() as tx:
        row = tx.row("key", key_id=key_id)
    if row is None:
        raise NotAuthenticated
    return _principal(row, checked.moment(now, database))


def has_live_key(*, now: datetime | None = None, db: Database | None = None) -> bool:
    """Return whether anybody could be let in: whether a key has neither ended nor been revoked."""
    database = checked.database(db)
    moment = checked.moment(now, database)
    with database.reading() as tx:
        return bool(tx.values("live_keys", now=moment)[0])


def note_key_uses(uses: Mapping[str, datetime], *, now: datetime | None = None, db: Database | None = None) -> None:
    """Remember when keys were last used, many of them in one write. Raises InvalidArgument."""
    if not isinstance(uses, Mapping) or len(uses) > _MOST_USES:
        raise InvalidArgument(field="uses", value=uses, fact=f"must be instants by key id, at most {_MOST_USES}")
    noted = [
        {"key_id": checked.identifier(key_id, "uses"), "last_used_at": checked.instant(used_at, "uses")}
        for key_id, used_at in sorted(uses.items())
    ]
    database = checked.database(db)
    if noted:
        execute_journaled(database, _note_key_uses, {"uses": noted}, now=checked.moment(now, database))


@effect("create_key")
def _create_key(work: Work, *, account_id: str, scopes: list[str], secret_sha256: str, **given: Any) -> Key:
    if work.tx.row("account", account_id=account_id) is None:
        raise UnknownAccount(field="account_id", account_id=account_id)
    return _added(work, account_id, scopes, secret_sha256=secret_sha256, **given)


@effect("rotate_key")
def _rotate_key(
    work: Work, *, old_key_id: str, overlap_seconds: int, key_id: str, secret_sha256: str, expires_at: datetime | None
) -> Key:
    old = _known(work.tx.row("lock_key_to_change", key_id=old_key_id), old_key_id)
    if not _is_live(old, work.now):
        raise KeyRevoked(field="key_id", key_id=old_key_id)
    scopes = old["scopes"].split(" ")
    key = _added(work, old["account_id"], scopes, key_id, secret_sha256, expires_at, old["label"])
    ends_at = work.now + timedelta(seconds=overlap_seconds)
    if old["expires_at"] is not None:
        ends_at = min(ends_at, old["expires_at"])
    work.tx.post("succeed_key", key_id=old_key_id, expires_at=ends_at, successor_id=key_id)
    return key


@effect("revoke_key")
def _revoke_key(work: Work, *, key_id: str) -> None:
    key = _known(work.tx.row("lock_key_to_change", key_id=key_id), key_id)
    work.changed = key["revoked_at"] is None
    if work.changed:
        work.tx.post("revoke_key", key_id=key_id, revoked_at=work.now)


@effect("note_key_uses")
def _note_key_uses(work: Work, *, uses: list[dict[str, Any]]) -> None:
    known = [use for use in uses if work.tx.row("key", key_id=use["key_id"])]
    work.tx.run_many("note_key_use", known)
    work.changed = bool(known)


def _added(
    work: Work,
    account_id: str,
    scopes: list[str],
    key_id: str,
    secret_sha256: str,
    expires_at: datetime | None,
    label: str = "",
) -> Key:
    work.tx.run(
        "add_key",
        key_id=key_id,
        account_id=account_id,
        scopes=" ".join(scopes),
        secret_sha256=secret_sha256,
        label=label,
        created_at=work.now,
        expires_at=expires_at,
    )
    return Key(key_id, account_id, tuple(scopes), label, work.now, expires_at, None, None, None)


def _made(db: Database | None, what: Callable[..., Key], arguments: dict[str, Any], now: datetime) -> NewKey:
    """Make a key by an effect, which hears of its id and its secret's digest alone."""
    key_id, secret = secrets.token_hex(8), secrets.token_hex(32)
    made = {**arguments, "key_id": key_id, "secret_sha256": _digest(secret)}
    key = execute_journaled(checked.database(db), what, made, now=now)
    return NewKey(key, f"scidex_{key_id}_{secret}" if key.key_id == key_id else None)


def _digest(secret: str) -> str:
    # A fast hash is enough: of 256 random bits there is nothing to guess.
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


def _principal(row: Row, now: datetime) -> Principal:
    if not _is_live(row, now):
        raise NotAuthenticated
    return Principal(row["key_id"], row["account_id"], row["owner_id"], frozenset(row["scopes"].split(" ")))


def _is_live(row: Row, now: datetime) -> bool:
    return row["revoked_at"] is None and (row["expires_at"] is None or row["expires_at"] > now)


def _known(row: dict[str, Any] | None, key_id: str) -> dict[str, Any]:
    if row is None:
        raise UnknownKey(field="key_id", key_id=key_id)
    return row


def _told(row: dict[str, Any]) -> Key:
    facts = {name: row[name] for name in Key._fields}
    return Key(**{**facts, "scopes": tuple(row["scopes"].split(" "))})


def _scopes(given: Any, account_id: str) -> list[str]:
    """Return scopes in one order. Raises InvalidArgument for what does not go together, InvalidId for the system's."""
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise InvalidArgument(field="scopes", value=given, fact=f"must be a list of {', '.join(SCOPES)}")
    scopes = sorted({checked.choice(scope, "scopes", SCOPES) for scope in given})
    if not scopes:
        raise InvalidArgument(field="scopes", value=[], fact=f"must name at least one of {', '.join(SCOPES)}")
    if "admin" in scopes and "bid" in scopes:
        raise InvalidArgument(field="scopes", value=scopes, fact="must not join admin and bid: who mints cannot bid")
    if account_id == ISSUANCE:
        raise InvalidId(field="account_id", value=account_id, fact="has no keys: it moves by mint and burn alone")
    if "admin" in scopes and account_id != TREASURY:
        raise InvalidArgument(field="scopes", value=scopes, fact=f"may have admin for the account {TREASURY} alone")
    if account_id == TREASURY and not {"admin", "read"}.issuperset(scopes):
        raise InvalidArgument(field="scopes", value=scopes, fact=f"must be admin or read for the account {TREASURY}")
    return scopes


def _expiry(expires_at: datetime | None, now: datetime) -> datetime | None:
    if expires_at is None:
        return None
    moment = checked.instant(expires_at, "expires_at")
    if moment <= now:
        raise InvalidTime(field="expires_at", value=expires_at, fact="must lie in the future")
    return moment

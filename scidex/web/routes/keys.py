"""Keys over HTTP: who the caller is, and the making and ending of keys."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from scidex.errors import UnknownKey
from scidex.exchange import keys
from scidex.records import Key, NewKey, Principal
from scidex.store import Database
from scidex.web import schemas
from scidex.web.access import allows
from scidex.web.dependencies import ANY, Db, Limit, Name, Who, router
from scidex.web.paging import link_next

routes = router("/api", "keys")

Account = Annotated[str | None, Query(min_length=1, max_length=200, description="Of this account alone.")]


@routes.get("/whoami", response_model=schemas.Principal)
@allows(*ANY)
def whoami(who: Who) -> Principal:
    """Return for whom the key acts, and what it may do."""
    return who


@routes.get("/keys", response_model=schemas.Keys)
@allows(*ANY)
def list_keys(
    who: Who,
    request: Request,
    response: Response,
    db: Db,
    account_id: Account = None,
    after: Annotated[str, Query(max_length=200)] = "",
    limit: Limit = 100,
) -> list[Key]:
    """Return keys in the order of their ids: all of them to an operator, else those of the key's own account."""
    wanted = account_id if who.is_operator else who.account_id
    found = keys.list_keys(account_id=wanted, after=after, limit=limit, db=db)
    return link_next(request, response, found, limit, after=lambda last: last.key_id)


@routes.post("/keys", status_code=201, response_model=schemas.NewKeyTold)
@allows("admin")
def create_key(key: schemas.KeyWanted, db: Db) -> NewKey:
    """Make a key; its text is in this answer alone, and not in the answer to a repeated request."""
    return keys.create_key(**key.model_dump(), db=db)


@routes.post("/keys/{key_id:id}/rotate", status_code=201, response_model=schemas.NewKeyTold)
@allows(*ANY)
def rotate_key(key_id: Name, rotation: schemas.Rotation, who: Who, db: Db) -> NewKey:
    """Make a key that takes another one's place; an account may do this to its own."""
    _check_acts_on(who, key_id, db)
    return keys.rotate_key(key_id, **rotation.model_dump(), db=db)


@routes.delete("/keys/{key_id:id}", response_model=schemas.Key)
@allows(*ANY)
def revoke_key(key_id: Name, who: Who, db: Db) -> Key:
    """End a key at once; an account may do this to its own."""
    _check_acts_on(who, key_id, db)
    return keys.revoke_key(key_id, db=db)


def _check_acts_on(who: Principal, key_id: str, db: Database) -> None:
    """
    Make sure that a key is the principal's own, and that it can do no more than the one that asks.

    Raises UnknownKey.
    """
    if "admin" in who.scopes:
        return
    key = keys.get_key(key_id, db=db)
    if key.account_id != who.account_id or not who.scopes.issuperset(key.scopes):
        raise UnknownKey(field="key_id", key_id=key_id)

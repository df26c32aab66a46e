"""A role of the database that can do what a server does, and nothing to schema, journal and transfers beside."""

from __future__ import annotations

from typing import Any

from scidex.errors import InvalidArgument
from scidex.store.database import Database, Transaction

APPEND_ONLY = ("journal", "journal_seals", "refused_attempts", "token_transfers")
"""The tables in which rows are written once; triggers refuse the rest to everybody."""

DELETED_FROM = (
    "breakers",
    "idempotency_keys",
    "lease_heartbeats",
    "task_dependencies",
    "task_losses",
    "worker_failures",
    "worker_heartbeats",
    "worker_slots",
)
"""The tables from which a server deletes."""

_MOST_NAME_BYTES = 63


def grant_role(role: str, *, db: Database) -> None:
    """
    Let a role that there is do what a server needs in this database's schema, and take from it what else it was given.

    For the owner of the tables to call, and to call again when migrations were taken. Raises InvalidArgument for no
    such role, one that owns the tables, and a database that has no roles.
    """
    if not isinstance(role, str) or not 0 < len(role.encode("utf-8", "replace")) <= _MOST_NAME_BYTES or "\0" in role:
        raise InvalidArgument(field="role", value=role, fact="must be a role's name")
    if db.dialect != "postgres":
        raise InvalidArgument(field="role", value=role, fact="is for PostgreSQL: SQLite has no roles")
    db.write(lambda tx: _grant(tx, role))


def _grant(tx: Transaction, role: str) -> None:
    known = tx.row("role_facts", role=role)
    if known is None:
        raise InvalidArgument(field="role", value=role, fact="must be a role that there is: make it by CREATE ROLE")
    if known["owns_them"]:
        raise InvalidArgument(field="role", value=role, fact="owns the tables or may do everything: take another one")
    tx.script(
        " ".join(tx.values("grants_of_role", role=role, append_only=list(APPEND_ONLY), deleted_from=list(DELETED_FROM)))
    )


def excess_rights(db: Database) -> dict[str, Any]:
    """Return what a database's own role could do that no server needs, each True or False; nothing on SQLite."""
    if db.dialect != "postgres":
        return {}
    with db.reading() as tx:
        return dict(tx.rows("rights_of_ours", append_only=list(APPEND_ONLY))[0])

"""Refused attempts: what was asked of the market's servers and not done, kept as the journal keeps what was done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from scidex.errors import InvalidArgument
from scidex.exchange import arguments as checked
from scidex.records import RefusedAttempt
from scidex.store import Database
from scidex.store.db_writes import Work, effect, execute_journaled

__all__ = ["list_refusals", "note_refusals"]

MOST_AT_ONCE = 1_000
_MOST_PAGE = 1_000
_MOST_ATTEMPTS = 2**53 - 1
_FIELDS = frozenset(RefusedAttempt._fields) - {"attempt_id"}
_TEXTS = ("method", "route", "error", "request_id", "place")
_NAMES = ("account_id", "key_id")


def note_refusals(
    attempts: Sequence[Mapping[str, Any]], *, now: datetime | None = None, db: Database | None = None
) -> int:
    """
    Keep what was refused, up to 1,000 attempts in one write; return how many rows that makes.

    Each is a mapping of the fields of a `RefusedAttempt` without its number. Raises InvalidArgument, InvalidId,
    InvalidTime, each naming the field.
    """
    if not isinstance(attempts, (list, tuple)) or len(attempts) > MOST_AT_ONCE:
        raise InvalidArgument(
            field="attempts", value=attempts, fact=f"must be a list of at most {MOST_AT_ONCE} attempts"
        )
    database = checked.database(db)
    noted = [_checked(one) for one in attempts]
    if noted:
        execute_journaled(database, _note_refusals, {"attempts": noted}, now=checked.moment(now, database))
    return len(noted)


def list_refusals(*, before: int | None = None, limit: int = 100, db: Database | None = None) -> list[RefusedAttempt]:
    """Return refused attempts, the latest first, those of lower numbers than `before`, at most `limit` (1,000)."""
    page = checked.count(limit, "limit", most=_MOST_PAGE)
    first = checked.MOST_NUMBER if before is None else checked.count(before, "before", most=checked.MOST_NUMBER)
    with checked.database(db).reading() as tx:
        return [RefusedAttempt(**row) for row in tx.rows("attempts_page", before=first, page=page)]


@effect("note_refusals")
def _note_refusals(work: Work, *, attempts: list[dict[str, Any]]) -> None:
    numbers = work.numbers("attempt_numbers", len(attempts))
    for number, attempt in zip(numbers, attempts, strict=True):
        work.tx.post("add_attempt", attempt_id=number, **attempt)


def _checked(attempt: Any) -> dict[str, Any]:
    if not isinstance(attempt, Mapping) or set(attempt) != _FIELDS:
        raise InvalidArgument(
            field="attempts", value=attempt, fact=f"must each have the fields {', '.join(sorted(_FIELDS))}"
        )
    return {
        "refused_at": checked.instant(attempt["refused_at"], "refused_at"),
        "status": checked.count(attempt["status"], "status", least=400, most=599),
        "attempts": checked.count(attempt["attempts"], "attempts", most=_MOST_ATTEMPTS),
        **{name: checked.text(attempt[name], name) for name in _TEXTS},
        **{name: None if attempt[name] is None else checked.identifier(attempt[name], name) for name in _NAMES},
    }

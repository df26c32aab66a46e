"""The boundary: every argument of a verb is checked here once, and refused by name."""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from scidex.errors import InvalidAmount, InvalidArgument, InvalidId, InvalidTime
from scidex.settings import MOST_TOKENS
from scidex.store import Database, default_database

MOST_ID_CHARACTERS = 200
MOST_TEXT_CHARACTERS = 2_000
MOST_USD = 1e15
MOST_NUMBER = 2**63 - 1

# Control, format (zero width, direction), surrogate, private and unassigned characters; line and paragraph ends.
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)
# No exponent: a few characters would be a number that fills the memory.
_WEIGHT = re.compile(r"\d{1,18}(/\d{1,18}|\.\d{1,18})?", re.ASCII)
_CAUSE = re.compile(r"[a-z_]{0,40}", re.ASCII)
_MOST_DENOMINATOR = 2**1074  # the smallest float's


def tokens(value: Any, field: str, *, least: int = 1, most: int = MOST_TOKENS) -> int:
    """Return a whole number of tokens within bounds. Raises InvalidAmount."""
    if type(value) is not int:
        raise InvalidAmount(field=field, value=value, fact="must be a whole number of tokens (an int)")
    if not least <= value <= most:
        raise InvalidAmount(field=field, value=value, fact=f"must lie between {least} and {most}")
    return value


def count(value: Any, field: str, *, least: int = 1, most: int) -> int:
    """Return a whole number within bounds. Raises InvalidArgument."""
    if type(value) is not int or not least <= value <= most:
        raise InvalidArgument(field=field, value=value, fact=f"must be a whole number between {least} and {most}")
    return value


def numbers(value: Any, field: str, *, most: int) -> list[int]:
    """Return a list of positive whole numbers. Raises InvalidArgument."""
    if type(value) not in (list, tuple) or len(value) > most:
        raise InvalidArgument(field=field, value=value, fact=f"must be a list of at most {most} whole numbers")
    return [count(one, field, most=MOST_NUMBER) for one in value]


def flag(value: Any, field: str) -> bool:
    """Return True or False. Raises InvalidArgument."""
    if type(value) is not bool:
        raise InvalidArgument(field=field, value=value, fact="must be True or False")
    return value


def number(value: Any, field: str, *, least: float, most: float = MOST_USD) -> float:
    """Return a finite number within bounds, as a float. Raises InvalidArgument."""
    if type(value) not in (int, float):
        raise InvalidArgument(field=field, value=value, fact="must be a number (an int or a float)")
    # Compared before it is converted: an int of a thousand digits has no float.
    if not (least <= value <= most) or not math.isfinite(value):
        raise InvalidArgument(field=field, value=value, fact=f"must be finite and lie between {least:g} and {most:g}")
    return float(value) + 0.0  # -0.0 becomes 0.0


def identifier(value: Any, field: str) -> str:
    """Return a name that people and machines read the same way. Raises InvalidId."""
    if type(value) is not str:
        raise InvalidId(field=field, value=value, fact="must be text (a str)")
    if not 1 <= len(value) <= MOST_ID_CHARACTERS:
        raise InvalidId(field=field, value=value, fact=f"must have 1 to {MOST_ID_CHARACTERS} characters")
    if value.isascii() and value.isprintable():
        if value[0] == " " or value[-1] == " ":
            raise InvalidId(field=field, value=value, fact="must not begin or end with a space")
        return value
    if any(unicodedata.category(character) in _UNSEEN for character in value):
        raise InvalidId(field=field, value=value, fact="must have no control or invisible characters")
    if unicodedata.normalize("NFC", value) != value:
        raise InvalidId(field=field, value=value, fact="must be in Unicode's composed form (NFC)")
    if value != value.strip():
        raise InvalidId(field=field, value=value, fact="must not begin or end with a space")
    return value


def outsider(value: Any, field: str) -> str:
    """Return the name of somebody who is not the system, which owns the treasury. Raises InvalidId."""
    if identifier(value, field) == "system" or value.startswith("system:"):
        raise InvalidId(field=field, value=value, fact="must not be 'system' or begin with 'system:'")
    return str(value)


def cause(value: Any) -> str:
    """Return a word for why a run ended, '' for none. Raises InvalidArgument."""
    if type(value) is not str or not _CAUSE.fullmatch(value):
        raise InvalidArgument(field="cause", value=value, fact="must be a word of at most 40 of a-z and _, or ''")
    return str(value)


def text(value: Any, field: str) -> str:
    """Return a line of free text. Raises InvalidArgument."""
    if type(value) is not str:
        raise InvalidArgument(field=field, value=value, fact="must be text (a str)")
    if len(value) > MOST_TEXT_CHARACTERS:
        raise InvalidArgument(field=field, value=value, fact=f"must have at most {MOST_TEXT_CHARACTERS} characters")
    if not value.isprintable() and any(unicodedata.category(c) in ("Cc", "Cs") for c in value):
        raise InvalidArgument(field=field, value=value, fact="must have no control characters")
    return value


def instant(value: Any, field: str) -> datetime:
    """Return an instant in UTC. Raises InvalidTime for a time without its zone."""
    if not isinstance(value, datetime):
        raise InvalidTime(field=field, value=value, fact="must be a datetime")
    if value.tzinfo is None or value.utcoffset() is None:
        raise InvalidTime(field=field, value=value, fact="must say its time zone (a naive datetime does not)")
    try:
        moment = value.astimezone(UTC)
    except OverflowError:
        raise InvalidTime(field=field, value=value, fact="must lie between the years 1970 and 9000") from None
    if not _EARLIEST <= moment < _LATEST:
        raise InvalidTime(field=field, value=value, fact="must lie between the years 1970 and 9000")
    return moment


def choice(value: Any, field: str, allowed: tuple[str, ...]) -> str:
    """Return one of the allowed words. Raises InvalidArgument."""
    if type(value) is not str or value not in allowed:
        raise InvalidArgument(field=field, value=value, fact=f"must be one of {', '.join(allowed)}")
    return value


def weight(value: Any, field: str) -> Fraction:
    """Return an exact number from 0 to 1, given as one or as text such as `1/3` or `0.25`. Raises InvalidArgument."""
    readable = _WEIGHT.fullmatch(value) if type(value) is str else type(value) in (int, float, Fraction)
    try:
        # Compared before it is converted: neither infinity nor NaN is a fraction.
        exact = Fraction(value) if readable and (type(value) is str or 0 <= value <= 1) else None
    except ZeroDivisionError:
        exact = None
    if exact is None or not 0 <= exact <= 1 or exact.denominator > _MOST_DENOMINATOR:
        raise InvalidArgument(
            field=field, value=value, fact="must be a number between 0 and 1, as text with at most 18 digits"
        )
    return exact


def database(value: Any) -> Database:
    """Return the database given, or for None the one of `SCIDEX_DATABASE_URL`. Raises InvalidArgument."""
    if value is not None and not isinstance(value, Database):
        raise InvalidArgument(field="db", value=value, fact="must be a database that `connect` returned")
    return default_database() if value is None else value


def moment(value: Any, db: Database) -> datetime:
    """Return the time given, or the database's own: a worker's clock may be wrong, and must change nothing."""
    return db.now() if value is None else instant(value, "now")

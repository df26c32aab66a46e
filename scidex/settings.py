"""What an operator may set, with its default and the reason for it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

from scidex.errors import InvalidSetting

DEFAULT_POOL = "scidex-agent"
TREASURY = "system:treasury"
ISSUANCE = "system:issuance"

# The largest integer that every JSON reader keeps exact; it also bounds the supply, so that no sum can overflow.
MOST_TOKENS = 2**53 - 1


@dataclass(frozen=True)
class Settings:
    """Settings of one process, read from the environment once."""

    database_url: str = "sqlite:///scidex.db"
    # How many tokens one US dollar is: turns expected value into bids, and actual cost into ROI.
    tokens_per_usd: int = 1_000
    # Tokens that the quests of a pool share as income each UTC day; also the bucket that the fallback splits.
    daily_bucket_tokens: int = 1_000_000
    # Of the tokens that attested impact is worth, so many in a hundred refill the account that paid for the slot.
    refill_percent: int = 70
    # A task that failed is tried again until it has been started this often.
    most_attempts: int = 3
    # A task is held when so many workers in a row were lost while they ran it.
    most_losses: int = 3
    # A pool clears this often, unless its loop says otherwise.
    cycle_seconds: float = 60.0
    # When no cycle of a pool has completed for so many intervals, its agents go by the proportional split.
    fallback_after_cycles: int = 3
    # A bidder's open bids in one pool; placing a bid costs the number of them, so it has a limit.
    most_open_bids: int = 10_000
    # A bid without a time to live stands for this long.
    bid_hours: int = 24
    # A worker that is not heard of for so long loses what it leased; it is heard of three times in that time.
    lease_seconds: float = 60.0
    # No call to the database takes longer than this; after it the caller gets an error, not silence.
    database_deadline_seconds: float = 30.0
    # Connections that one process keeps to PostgreSQL.
    postgres_connections: int = 16
    # Where the keys of served markets are kept for this user's commands, beside those next to a SQLite file.
    key_directory: str = "~/.config/scidex"
    # Bids that one account may place over HTTP in a second; a batch counts each of its bids.
    most_bids_per_second: int = 20_000
    # Requests that one key may make in a second.
    most_requests_per_second: int = 5_000
    # Requests without a valid key that one address may make in a second.
    most_refusals_per_second: int = 20
    # Connections that a server keeps, of which one address may have half; fewer where it may not open so many files.
    most_connections: int = 1_000
    # Event streams that one process keeps open, and that one key may.
    most_event_streams: int = 200
    most_event_streams_per_key: int = 20


_DEFAULTS = vars(Settings())
_VARIABLES = {f"SCIDEX_{name.upper()}": name for name in _DEFAULTS}
_VARIABLE_OF = {name: variable for variable, name in _VARIABLES.items()}


def from_environment() -> Settings:
    """
    Return settings with every `SCIDEX_…` variable that is set taking the place of its default.

    Raises InvalidSetting for a value that is not of the default's kind, or not above zero.
    """
    return _read(tuple(os.environ.get(variable) for variable in _VARIABLES))


def one(name: str) -> Any:
    """
    Return one setting, without reading the others: for verbs that are called so often that this shows.

    Raises InvalidSetting as `from_environment` does.
    """
    variable = _VARIABLE_OF[name]
    value = os.environ.get(variable)
    return _DEFAULTS[name] if value is None else _value(variable, name, value)


@cache
def _read(values: tuple[str | None, ...]) -> Settings:
    given = zip(_VARIABLES.items(), values, strict=True)
    return Settings(**{name: _value(variable, name, value) for (variable, name), value in given if value is not None})


def _value(variable: str, name: str, value: str) -> Any:
    kind = type(_DEFAULTS[name])
    try:
        read = kind(value)
    except ValueError:
        raise InvalidSetting(field=variable, value=value, fact=f"must be {_KINDS[kind]}") from None
    if kind is not str and not 0 < read < _MOST:
        raise InvalidSetting(field=variable, value=value, fact="must lie above 0 and below 2**31")
    return read


_KINDS = {int: "a whole number", float: "a number", str: "text"}
_MOST = 2**31

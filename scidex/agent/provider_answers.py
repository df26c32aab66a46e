"""What providers say when they refuse a call: what it means for a run, and when to try again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from scidex.agent.endings import Ending

# A time further ahead than any window is long is not believed.
MOST_AHEAD = timedelta(days=35)


def of_answer(status: int | None, message: str, ended_at: datetime) -> Ending | None:
    """
    Return what a provider's refusal means, by its HTTP status (None: not known) and its message.

    None where the request itself was wrong, as one that is too long: that is not an interruption.
    """
    reason = _reason_of_message(message) if status is None else _reason_of(status, _reason_of_message(message))
    if reason is None:
        return None
    said = message if status is None else f"API status {status} {message}"
    return Ending(reason, said, retry_at_in(message, ended_at))


def _reason_of(status: int, by_message: str | None) -> str | None:
    by_status = _STATUSES.get(status) or ("provider_error" if 500 <= status < 600 else None)
    if by_status is None:
        # Providers answer a call that cannot be paid for, or a model that may not be used, as a wrong request.
        return by_message if by_message in ("quota", "login") else None
    # A message only makes a status more exact: a login that is refused may well speak of a limit.
    return by_message if (by_status, by_message) in _MORE_EXACT else by_status


_STATUSES = {401: "login", 402: "quota", 403: "login", 407: "network", 408: "network", 429: "rate_limit"} | {
    503: "overload", 529: "overload", 504: "network",
}  # fmt: skip
_MORE_EXACT = {("rate_limit", "quota"), ("login", "quota"), ("provider_error", "overload"), ("overload", "quota")}

# The first that is found counts. Each is a phrase of a provider's or a client's own error.
_PHRASES: tuple[tuple[str, str], ...] = (
    ("quota", r"usage.limit|quota|credit balance|out of credits|hit your (?:\w+ )?limit|billing|spend(?:ing)? limit"),
    ("quota", r"payment required|insufficient (?:funds|credits)|key limit exceeded"),
    ("quota", r"budget (?:has been )?exceeded|budget_exceeded|exceededbudget|over budget|crossed budget"),
    ("rate_limit", r"rate.?limit|too many requests|\b429\b|resource_exhausted|resource has been exhausted"),
    ("overload", r"overload|(?:at|over) capacity|service unavailable|server is busy|\b(?:503|529)\b"),
    ("login", r"invalid (?:x-)?api.?key|incorrect api key|api.key.(?:is )?not.valid|api_key_invalid|authenticat"),
    ("login", r"unauthori[sz]ed|not logged in|/login|log ?in again|token (?:has )?expired|permission.(?:error|denied)"),
    (
        "login",
        r"forbidden|auth method|oauth|\b(?:401|403)\b|model_not_found|not have access to|model: |model .*not exist",
    ),
    ("network", r"econn\w+|enotfound|eai_again|etimedout|epipe|fetch failed|socket hang up|stream disconnected"),
    ("network", r"connection ?(?:error|refused|reset)|(?:unable to|could not|cannot) connect|dns error"),
    ("network", r"error sending request|network (?:error|is unreachable)|(?:request|connection|read) timed? ?out"),
    ("provider_error", r"internal.?server.?error|bad gateway|api_error|server_error|\b(?:500|502)\b"),
)
_REASON_OF = [(reason, re.compile(phrase, re.IGNORECASE)) for reason, phrase in _PHRASES]


def _reason_of_message(message: str) -> str | None:
    return next((reason for reason, phrase in _REASON_OF if phrase.search(message)), None)


# --- when to try again


def retry_at_of(text: str, ended_at: datetime) -> datetime | None:
    """
    Return the time that a command left in its file for it; None where the text says none that can be meant.

    It is an ISO 8601 time with its zone, a date as in HTTP, a Unix time in seconds, or a number of seconds from the
    end.
    """
    text = text.strip()[:100]
    for read in (_number_in, _iso_in, _http_date_in):
        if (found := read(text, ended_at)) is not None:
            return believable(found, ended_at)
    return None


def believable(moment: datetime, ended_at: datetime) -> datetime | None:
    """Return a moment unless it lies further ahead of the end of a run than any window is long."""
    return moment if moment <= ended_at + MOST_AHEAD else None


def of_unix_time(seconds: object, ended_at: datetime) -> datetime | None:
    """Return the moment of a Unix time in seconds; None where it is no number, or none that can be meant."""
    if type(seconds) not in (int, float) or not 1e9 <= seconds <= 1e11:  # type: ignore[operator]
        return None
    return believable(datetime.fromtimestamp(seconds, UTC), ended_at)  # type: ignore[arg-type]


def _number_in(text: str, ended_at: datetime) -> datetime | None:
    if not re.fullmatch(r"\d{1,11}(?:\.\d{1,9})?", text, re.ASCII):
        return None
    seconds = float(text)
    return datetime.fromtimestamp(seconds, UTC) if seconds >= 1e9 else ended_at + timedelta(seconds=seconds)


def _iso_in(text: str, ended_at: datetime) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else _in_utc(moment)


def _http_date_in(text: str, ended_at: datetime) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return None if moment.tzinfo is None else _in_utc(moment)


def _in_utc(moment: datetime) -> datetime | None:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None


# "try again in 2 hours 5 minutes", "retry after 33.5s", "will reset after 1h2m3s"
_IN_A_WHILE = re.compile(
    r"(?:in|after|retryDelay\W{1,5})\s*((?:\d+(?:\.\d+)?\s*(?:ms|milliseconds?|seconds?|secs?|s|minutes?|mins?|m|"
    r"hours?|hrs?|h|days?|d)\b[\s,and]*|\d+(?:\.\d+)?\s*[dhms](?=\d))+)",
    re.IGNORECASE,
)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|milli|[smhd])", re.IGNORECASE)
_SECONDS_OF = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
# "usage limit reached|1790000000"
_BAR = re.compile(r"\|(\d{10})\b")
# "try again at 3:05 PM", "try again at Sep 21st, 2026 2:13 PM", by the clock of the machine that it was printed on
_AT = re.compile(
    r"try again at (?:([A-Z][a-z]{2}) (\d{1,2})(?:st|nd|rd|th)?, (\d{4}),? )?(\d{1,2}):(\d{2}) ?([AP]M)", re.IGNORECASE
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def retry_at_in(message: str, ended_at: datetime) -> datetime | None:
    """Return when a provider's message says to try again, where it does."""
    for moment in _moments_in(message[:2_000], ended_at):
        return believable(moment, ended_at)
    return None


def _moments_in(message: str, ended_at: datetime) -> Iterator[datetime]:
    if found := _BAR.search(message):
        yield datetime.fromtimestamp(int(found[1]), UTC)
    if found := _IN_A_WHILE.search(message):
        seconds = sum(float(number) * _SECONDS_OF[unit.lower()] for number, unit in _PART.findall(found[1]))
        if seconds <= MOST_AHEAD.total_seconds():
            yield ended_at + timedelta(seconds=seconds)
    if (found := _AT.search(message)) and (moment := _at_clock(found, ended_at)) is not None:
        yield moment


def _at_clock(found: re.Match[str], ended_at: datetime) -> datetime | None:
    month, day, year, hour, minute, half = found.groups()
    here = ended_at.astimezone()
    try:
        moment = here.replace(
            hour=int(hour) % 12 + (12 if half.upper() == "PM" else 0), minute=int(minute), second=0, microsecond=0
        )
        if month is None:
            # The next time that a clock shows this.
            return (moment if moment > here else moment + timedelta(days=1)).astimezone(UTC)
        moment = moment.replace(year=int(year), month=_MONTHS.index(month.lower()) + 1, day=int(day))
        # The zone's offset of that day, which may differ from today's.
        return moment.replace(tzinfo=None).astimezone().astimezone(UTC)
    except (ValueError, OverflowError):
        return None

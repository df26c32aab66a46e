"""The connection to a server: a deadline for every call, and retries of what cannot act twice."""

from __future__ import annotations

import random
import re
import time
import uuid
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import httpx2

from scidex import errors
from scidex.clock import utc_now
from scidex.errors import MarketRefused, MarketUnreachable, ScidexError

_FIRST_PAUSE_SECONDS = 0.1
_MOST_PAUSE_SECONDS = 2.0
# Try again: a request like this is being done, there were too many, or the database was busy.
_TRY_AGAIN = frozenset({429, 503})
_IN_FLIGHT = "urn:scidex:problem:request-in-flight"

_KINDS: dict[str, type[ScidexError]] = {
    re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower(): kind
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, ScidexError)
}


class Connection:
    """Requests to one server, by one key. Safe to share between threads."""

    def __init__(self, url: str, key: str | None, *, deadline_seconds: float) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.deadline_seconds = deadline_seconds
        try:
            self._http = httpx2.Client(
                base_url=url, headers=headers, timeout=deadline_seconds, limits=httpx2.Limits(max_connections=None)
            )
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise errors.InvalidArgument(field="url", value=url, fact=f"is no address: {error}") from error

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def get(self, address: str, **params: Any) -> Any:
        """Read, and read again where the server cannot be reached before the deadline."""
        asked = {name: value for name, value in params.items() if value is not None and value != ""}
        return self._until_answered("GET", address, params=asked)

    def act(self, method: str, address: str, body: Any = None, *, idempotency_key: str | None = None) -> Any:
        """
        Write once: sent again under one idempotency key until there is an answer, or the deadline has passed.

        Raises MarketUnreachable where none came; what became of the write, the same call with the same key tells.
        """
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        what: dict[str, Any] = {"headers": headers} if body is None else {"headers": headers, "json": body}
        return self._until_answered(method, address, **what)

    def call(self, method: str, address: str, **what: Any) -> Any:
        """Ask once. Raises MarketUnreachable without an answer, and what the server refuses."""
        response = self._sent(method, address, what)
        return self._answer(response)

    def lines(self, address: str, **headers: str) -> Iterator[str]:
        """Yield the lines of a stream as they come. Raises MarketUnreachable where it breaks."""
        try:
            with self._http.stream("GET", address, headers=headers, timeout=self.deadline_seconds) as response:
                if not response.is_success:
                    response.read()
                    self._answer(response)
                yield from response.iter_lines()
        except httpx2.HTTPError as error:
            raise self._unreachable(error) from error

    def _until_answered(self, method: str, address: str, **what: Any) -> Any:
        ends = time.monotonic() + self.deadline_seconds
        pause = _FIRST_PAUSE_SECONDS
        while True:
            # Clients that were turned away together must not come back together.
            wait = pause * random.uniform(0.5, 1.0)
            try:
                response = self._sent(method, address, {**what, "timeout": max(0.05, ends - time.monotonic())})
                wait = max(wait, _retry_after(response))
                if not _says_try_again(response) or time.monotonic() + wait >= ends:
                    return self._answer(response)
            except MarketUnreachable:
                if time.monotonic() + wait >= ends:
                    raise
            time.sleep(wait)
            pause = min(2 * pause, _MOST_PAUSE_SECONDS)

    def _sent(self, method: str, address: str, what: dict[str, Any]) -> httpx2.Response:
        try:
            return self._http.request(method, address, **what)
        except httpx2.HTTPError as error:
            raise self._unreachable(error) from error

    def _answer(self, response: httpx2.Response) -> Any:
        try:
            told = response.json() if response.content else None
        except ValueError as error:
            raise self._unreachable(error) from error
        if response.is_success:
            return told
        raise refusal(told, response.status_code)

    def _unreachable(self, error: Exception) -> MarketUnreachable:
        return MarketUnreachable(fact=f"{type(error).__name__}: {error}", address=str(self._http.base_url))


def part(text: object) -> str:
    """Return an id as one segment of an address."""
    return quote(str(text), safe="")


def _says_try_again(response: httpx2.Response) -> bool:
    return response.status_code in _TRY_AGAIN or (response.status_code == 409 and _IN_FLIGHT in response.text)


def _retry_after(response: httpx2.Response) -> float:
    """Return the seconds that a server asks its client to wait, 0 where it does not."""
    asked = response.headers.get("Retry-After", "")
    if asked.isdecimal():
        return float(asked)
    try:
        return (parsedate_to_datetime(asked) - utc_now()).total_seconds()
    except (TypeError, ValueError):  # no date, or one without its zone
        return 0.0


def refusal(problem: Any, status: int) -> ScidexError:
    """Return the refusal that a problem document tells of."""
    told = problem if isinstance(problem, dict) else {}
    detail = str(told.get("detail", ""))
    name = str(told.get("type", "")).rpartition(":")[2]
    kind = _KINDS.get(name)
    if kind in (errors.BidsRefused, errors.TasksRefused) and told.get("errors"):
        return kind(errors={_place(one): refusal(_of_item(one), status) for one in told["errors"]})
    if kind is None:
        return MarketRefused(status=status, detail=detail)
    if issubclass(kind, errors.StoreError):
        return kind(fact=detail)
    facts: dict[str, Any] = {"field": told.get("field"), **(told.get("facts") or {})}
    if issubclass(kind, errors.InvalidArgument):
        facts = {"value": None, "fact": detail, **facts}
    return kind(**{name: value for name, value in facts.items() if name != "field" or value is not None})


def _of_item(told: dict[str, Any]) -> dict[str, Any]:
    """Return a refusal of one item of a batch, its field named as of the item alone."""
    return {**told, "field": re.sub(r"^\w*\[\d+\]\.?", "", str(told.get("field", ""))) or None}


def _place(told: dict[str, Any]) -> int:
    """Return the index of a refused item: `tasks[3].title` and `[3].task_id` are of the fourth."""
    found = re.search(r"\[(\d+)\]", str(told.get("field", "")))
    return int(found[1]) if found else 0

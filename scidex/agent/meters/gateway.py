"""Meters by a gateway that all calls go through: a key for each run, with its budget, which is closed at its end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import httpx2

from scidex.agent.endings import Word
from scidex.agent.executors import RunResult
from scidex.agent.meters import Usage, reading, unknown
from scidex.agent.workplace import Workplace
from scidex.errors import InvalidArgument, MeterUnavailable

_log = logging.getLogger(__name__)

_ANSWER_SECONDS = 10.0
_LOOK_SECONDS = 1.0
# When what a closed key was charged is looked at again, after its run was read.
_LATER_SECONDS = (60.0, 300.0)


class GatewayKey(NamedTuple):
    """A key of one run: what the run calls by, and the name that the gateway knows it by."""

    secret: str
    name: str


class Gateway(Protocol):
    """What a meter asks of a gateway. Each call raises ValueError where the gateway refuses, or says something else."""

    @property
    def name(self) -> str:
        """What the gateway is called in usages."""

    @property
    def url(self) -> str:
        """Where it answers."""

    @property
    def books_within_seconds(self) -> float:
        """How long after the answer to a call it may book what that is charged."""

    def make_key(self, place: Workplace, most_usd: float, max_seconds: float) -> GatewayKey:
        """Make a key that may spend so much."""

    def spent(self, key: GatewayKey) -> float:
        """Return the USD that are booked on a key."""

    def close(self, key: GatewayKey) -> None:
        """Refuse all further calls by a key."""

    def environment(self, key: GatewayKey) -> dict[str, str]:
        """Return what makes a run's programs call by its key."""


@dataclass(frozen=True)
class GatewayMeter:
    """
    Gives each run a key of its own at a gateway, and takes what is charged to it for the run's cost.

    A run may spend `most_usd`, and one call more. When it ends, however it does, its key is closed; a key whose agent
    died ends by itself. Gateways book late, so spend is read until the gateway must have booked, and then until two
    looks agree, for at most `settle_seconds` more. A key that was not used says nothing: its run may have called around
    the gateway. What is booked later still is found by `corrections`.
    """

    gateway: Gateway
    most_usd: float
    settle_seconds: float = 30.0
    look_seconds: float = _LOOK_SECONDS
    _keys: dict[Path, GatewayKey] = field(default_factory=dict, repr=False)
    _later: list[_Look] = field(default_factory=list, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        if not self.gateway.url.startswith(("http://", "https://")):
            fact = f"must be the http(s) address of {self.gateway.name}"
            raise InvalidArgument(field="url", value=self.gateway.url, fact=fact)

    @contextmanager
    def watching(self, place: Workplace, max_seconds: float) -> Iterator[Mapping[str, str]]:
        """Make a key for a run, and close it at the end. Raises MeterUnavailable, and then nothing is run unmetered."""
        try:
            key = self.gateway.make_key(place, self.most_usd, max_seconds)
        except ValueError as error:
            raise MeterUnavailable(url=self.gateway.url, fact=f"{self.gateway.name} {error}") from error
        with self._lock:
            self._keys[place.directory] = key
        try:
            yield self.gateway.environment(key)
        finally:
            with self._lock:
                self._keys.pop(place.directory, None)
            self._close(key)

    def word(self, place: Workplace, result: RunResult) -> Word:
        """Say nothing: a gateway knows of calls, not of work."""
        return Word()

    def read(self, place: Workplace, result: RunResult) -> Usage:
        """Close a run's key and return what was charged to it; `none` where that is not known. Never raises."""
        with self._lock:
            key = self._keys.get(place.directory)
        if key is None:
            return unknown("the run had no key", meter=self.gateway.name)
        is_closed = self._close(key)
        usage = self._settled(key, "" if is_closed else "its key could not be closed, and may still be spent from")
        looks = [time.monotonic() + seconds for seconds in _LATER_SECONDS]
        with self._lock:
            self._later.append(_Look(place.assignment.assignment_id, key, usage, looks))
        return usage

    def corrections(self) -> list[tuple[str, Usage]]:
        """Return the runs of which other costs are booked now than when they were read, where that is due."""
        now, found = time.monotonic(), []
        with self._lock:
            due = [look for look in self._later if look.at[0] <= now]
            self._later[:] = [look for look in self._later if look.at[0] > now]
        for look in due:
            usage = self._usage(look.key, look.usage)
            if usage.cost_usd != look.usage.cost_usd:
                found.append((look.run_id, usage))
            if look.at[1:]:
                with self._lock:
                    self._later.append(look._replace(usage=usage, at=look.at[1:]))
        return found

    def _usage(self, key: GatewayKey, known: Usage) -> Usage:
        try:
            spent = self.gateway.spent(key)
        except ValueError:
            return known
        return known if spent == 0 else self._billed(spent, "booked later")

    def _settled(self, key: GatewayKey, note: str) -> Usage:
        """Return what was spent once two looks agree after the gateway must have booked it."""
        booked_at = time.monotonic() + self.gateway.books_within_seconds
        deadline = booked_at + self.settle_seconds
        spent: float | None = None
        try:
            while True:
                before, spent = spent, self.gateway.spent(key)
                now = time.monotonic()
                if spent == before and now >= booked_at + self.look_seconds:
                    break
                if now >= deadline:
                    return unknown(f"what {self.gateway.name} books still changes", meter=self.gateway.name)
                time.sleep(self.look_seconds)
        except ValueError as error:
            return unknown(f"{self.gateway.name} {error}", meter=self.gateway.name)
        if spent == 0:
            return unknown("nothing is booked on the run's key", meter=self.gateway.name)
        return self._billed(spent, note)

    def _billed(self, spent: float, note: str) -> Usage:
        return Usage(meter=self.gateway.name, provenance="billed", cost_usd=spent, cost_provenance="billed", note=note)

    def _close(self, key: GatewayKey) -> bool:
        try:
            self.gateway.close(key)
        except ValueError as error:
            _log.warning("a run's key could not be closed: %s %s", self.gateway.name, error)
            return False
        return True


class _Look(NamedTuple):
    run_id: str
    key: GatewayKey
    usage: Usage
    at: list[float]


def call(url: str, admin_key: str, method: str, path: str, *, says: str = "", **what: Any) -> dict[str, Any]:
    """Return a gateway's answer to a call by its operator. Raises ValueError, without any key in its text."""
    named = says or path
    try:
        with httpx2.Client(
            base_url=url, headers={"Authorization": f"Bearer {admin_key}"}, timeout=_ANSWER_SECONDS
        ) as client:
            response = client.request(method, path, **what)
            response.raise_for_status()
            return reading.mapping(response.json(), "an answer")
    except httpx2.HTTPStatusError as error:
        # The usual text of this error tells the address, which may hold the key.
        raise ValueError(f"refused {named} with status {error.response.status_code}") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, RecursionError) as error:
        raise ValueError(f"did not answer {named}: {type(error).__name__}") from None
    except ValueError:
        raise ValueError(f"gives no JSON object to {named}") from None


def amount(found: Any, name: str) -> float:
    """Return an amount of USD that must be there. Raises ValueError."""
    spent = reading.usd(found, name)
    if spent is None:
        raise ValueError(f"gives no {name}")
    return spent

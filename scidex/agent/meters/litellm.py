"""Meters by a LiteLLM proxy that the operator runs: a key for each run, with its budget, and blocked at its end."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from scidex.agent.endings import Word
from scidex.agent.executors import RunResult
from scidex.agent.meters import Usage, reading, unknown
from scidex.agent.workplace import Workplace
from scidex.errors import InvalidArgument, MeterUnavailable

_log = logging.getLogger(__name__)

_SECONDS = 10.0
_LOOK_SECONDS = 0.5
# The key outlives its run a little, so that what it spent can be read; it is blocked by then.
_SPARE_SECONDS = 600


@dataclass(frozen=True)
class LiteLLMMeter:
    """
    Gives each run a key of its own at a proxy, and takes what the proxy charged to it for the run's cost.

    A run may spend `most_usd`, and one call more: the proxy refuses calls once that is spent. When a run ends, however
    it does, its key is blocked; a key whose agent died expires with its run's time. The proxy books a moment after it
    answers, so spend is read until it stays the same, for at most `settle_seconds`.
    """

    url: str
    admin_key: str = field(repr=False)
    most_usd: float
    settle_seconds: float = 6.0
    _keys: dict[Path, str] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise InvalidArgument(field="url", value=self.url, fact="must be the http(s) address of a LiteLLM proxy")

    @contextmanager
    def watching(self, place: Workplace, max_seconds: float) -> Iterator[Mapping[str, str]]:
        """Make a key for a run, and block it at the end. Raises MeterUnavailable, and then nothing is run unmetered."""
        key = self._make_key(place, max_seconds)
        with self._lock:
            self._keys[place.directory] = key
        try:
            yield self._environment(key)
        finally:
            with self._lock:
                self._keys.pop(place.directory, None)
            self._block(key)

    def word(self, place: Workplace, result: RunResult) -> Word:
        """Say nothing."""
        return Word()

    def read(self, place: Workplace, result: RunResult) -> Usage:
        """Block a run's key and return what was charged to it; `none` where the proxy does not say. Never raises."""
        with self._lock:
            key = self._keys.get(place.directory)
        if key is None:
            return unknown("the run had no key", meter="litellm")
        is_blocked = self._block(key)
        try:
            spent = self._settled_spend(key)
        except (httpx2.HTTPError, ValueError) as error:
            return unknown(f"the proxy {error}", meter="litellm")
        note = "" if is_blocked else "its key could not be blocked, and may still be spent from"
        return Usage(meter="litellm", provenance="billed", cost_usd=spent, cost_provenance="billed", note=note)

    def _make_key(self, place: Workplace, max_seconds: float) -> str:
        task_id = place.assignment.task_id
        order = {
            # An alias is taken once, and a task may be run again.
            "key_alias": f"scidex-{task_id}-{secrets.token_hex(4)}",
            "max_budget": self.most_usd,
            "duration": f"{int(max_seconds) + _SPARE_SECONDS}s",
            "metadata": {"task_id": task_id, "run_id": place.assignment.assignment_id},
            "tags": [f"task:{task_id}"],
        }
        try:
            key = self._call("POST", "/key/generate", json=order).get("key")
        except (httpx2.HTTPError, ValueError) as error:
            raise MeterUnavailable(url=self.url, fact=f"the proxy {error}") from error
        if not isinstance(key, str) or not key:
            raise MeterUnavailable(url=self.url, fact="the proxy gave no key")
        return key

    def _environment(self, key: str) -> dict[str, str]:
        """Return what makes clients of either kind of API speak to the proxy, by this key."""
        return {
            "ANTHROPIC_BASE_URL": self.url,
            "ANTHROPIC_API_KEY": key,
            "OPENAI_BASE_URL": f"{self.url.rstrip('/')}/v1",
            "OPENAI_API_KEY": key,
        }

    def _block(self, key: str) -> bool:
        try:
            self._call("POST", "/key/block", json={"key": key})
        except (httpx2.HTTPError, ValueError) as error:
            _log.warning("a run's key could not be blocked: %s", error)
            return False
        return True

    def _settled_spend(self, key: str) -> float:
        """Return what was spent once two looks agree, or the time is up. Raises HTTPError, ValueError."""
        deadline = time.monotonic() + self.settle_seconds
        spent = self._spend(key)
        while time.monotonic() < deadline:
            time.sleep(min(_LOOK_SECONDS, self.settle_seconds))
            before, spent = spent, self._spend(key)
            # Nothing spent is what a proxy says too that has not booked anything yet.
            if spent == before and spent > 0:
                break
        return spent

    def _spend(self, key: str) -> float:
        told = reading.mapping(self._call("GET", "/key/info", params={"key": key}).get("info"), "info")
        spent = reading.usd(told.get("spend"), "spend")
        if spent is None:
            raise ValueError("gives no spend")
        return spent

    def _call(self, method: str, path: str, **what: Any) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.admin_key}"}
        try:
            with httpx2.Client(base_url=self.url, headers=headers, timeout=_SECONDS) as client:
                response = client.request(method, path, **what)
                response.raise_for_status()
                return reading.mapping(response.json(), "an answer")
        except httpx2.HTTPStatusError as error:
            # The usual text of this error tells the address, which holds the key.
            raise ValueError(f"refused {path} with status {error.response.status_code}") from None
        except (httpx2.HTTPError, RecursionError) as error:
            raise ValueError(f"did not answer {path}: {type(error).__name__}") from None

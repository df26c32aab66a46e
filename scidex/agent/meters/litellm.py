"""A LiteLLM proxy that the operator runs, as a gateway: virtual keys with a budget."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from scidex.agent.meters import reading
from scidex.agent.meters.gateway import GatewayKey, amount, call
from scidex.agent.workplace import Workplace

# The key outlives its run a little, so that what it spent can be read; it is blocked by then.
_SPARE_SECONDS = 600


@dataclass(frozen=True)
class LiteLLM:
    """
    Asks a proxy by its master key. Nothing is asked that needs a licence, as tags on keys do.

    The proxy books what was spent in batches, every 10 to 15 seconds unless its `proxy_batch_write_at` says otherwise.
    """

    url: str
    admin_key: str = field(repr=False)
    books_within_seconds: float = 16.0
    name: str = "litellm"

    def make_key(self, place: Workplace, most_usd: float, max_seconds: float) -> GatewayKey:
        """Make a key that may spend so much, and ends some time after its run. Raises ValueError."""
        told = place.assignment
        order = {
            # An alias is taken once, and a task may be run again.
            "key_alias": f"scidex-{told.task_id}-{secrets.token_hex(4)}",
            "max_budget": most_usd,
            "duration": f"{int(max_seconds) + _SPARE_SECONDS}s",
            "metadata": {"task_id": told.task_id, "run_id": told.assignment_id},
        }
        key = self._call("POST", "/key/generate", json=order).get("key")
        if not isinstance(key, str) or not key:
            raise ValueError("gives no key")
        return GatewayKey(key, key)

    def spent(self, key: GatewayKey) -> float:
        """Return the USD that are booked on a key. Raises ValueError."""
        found = self._call("GET", "/key/info", params={"key": key.name})
        return amount(reading.mapping(found.get("info"), "info").get("spend"), "spend")

    def close(self, key: GatewayKey) -> None:
        """Block a key. Raises ValueError."""
        self._call("POST", "/key/block", json={"key": key.name})

    def environment(self, key: GatewayKey) -> dict[str, str]:
        """Return what makes clients of each kind of API speak to the proxy, by this key."""
        url = self.url.rstrip("/")
        return {
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_API_KEY": key.secret,
            "OPENAI_BASE_URL": f"{url}/v1",
            "OPENAI_API_BASE": f"{url}/v1",
            "OPENAI_API_KEY": key.secret,
            "GOOGLE_GEMINI_BASE_URL": url,
            "GEMINI_API_KEY": key.secret,
        }

    def _call(self, method: str, path: str, **what: Any) -> dict[str, Any]:
        return call(self.url, self.admin_key, method, path, **what)

"""OpenRouter as a gateway: keys with a limit, made and disabled by a management key."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from scidex.agent.meters import reading
from scidex.agent.meters.gateway import GatewayKey, amount, call
from scidex.agent.workplace import Workplace

URL = "https://openrouter.ai/api"


@dataclass(frozen=True)
class OpenRouter:
    """Asks OpenRouter by a management key, which itself may call no model. Its credits are USD."""

    admin_key: str = field(repr=False)
    url: str = URL
    books_within_seconds: float = 16.0
    name: str = "openrouter"

    def make_key(self, place: Workplace, most_usd: float, max_seconds: float) -> GatewayKey:
        """Make a key that may spend so much. Raises ValueError."""
        name = f"scidex-{place.assignment.task_id}-{secrets.token_hex(4)}"
        made = self._call("POST", "/v1/keys", json={"name": name, "limit": most_usd})
        key, known_as = made.get("key"), reading.mapping(made.get("data"), "data").get("hash")
        if not isinstance(key, str) or not isinstance(known_as, str) or not known_as.isalnum():
            raise ValueError("gives no key")
        return GatewayKey(key, known_as)

    def spent(self, key: GatewayKey) -> float:
        """Return the USD that are booked on a key. Raises ValueError."""
        found = self._call("GET", f"/v1/keys/{key.name}", says="a key's usage")
        return amount(reading.mapping(found.get("data"), "data").get("usage"), "usage")

    def close(self, key: GatewayKey) -> None:
        """Disable a key. Raises ValueError."""
        self._call("PATCH", f"/v1/keys/{key.name}", says="to disable a key", json={"disabled": True})

    def environment(self, key: GatewayKey) -> dict[str, str]:
        """Return what makes clients of each kind of API speak to OpenRouter, by this key."""
        url = self.url.rstrip("/")
        return {
            "OPENROUTER_API_KEY": key.secret,
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_AUTH_TOKEN": key.secret,
            "OPENAI_BASE_URL": f"{url}/v1",
            "OPENAI_API_BASE": f"{url}/v1",
            "OPENAI_API_KEY": key.secret,
        }

    def _call(self, method: str, path: str, **what: Any) -> dict[str, Any]:
        return call(self.url, self.admin_key, method, path, **what)

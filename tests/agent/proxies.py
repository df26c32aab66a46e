"""A small server of the routes of a LiteLLM proxy that a meter uses, by their documentation, on loopback."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

ADMIN_KEY = "sk-admin"
BUDGET_EXCEEDED = 422


@dataclass
class Proxy:
    """What a proxy knows of its keys; what a call is charged is booked some seconds after it."""

    url: str = ""
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    books_after_seconds: float = 0.0
    books_more_by: float = 0.0
    is_broken: bool = False
    says: Any = None

    def call_model(self, key: str, usd: float) -> int:
        """Do what a run's client does: call a model that costs so much; return the status."""
        known = self.keys.get(key)
        if known is None or known["blocked"]:
            return 401
        if known["spend"] >= known["max_budget"]:
            return BUDGET_EXCEEDED
        # What one call was charged may be booked before the next one.
        known["seen"] = known["spend"]
        known["spend"] += usd
        known["booked_at"] = time.monotonic() + self.books_after_seconds
        return 200


class _Handler(BaseHTTPRequestHandler):
    proxy: Proxy

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        match urlsplit(self.path).path:
            case "/key/generate" if "tags" in body:
                self._answer({"error": "tags need a licence"}, 403)
            case "/key/generate":
                key = f"sk-{len(self.proxy.keys)}"
                self.proxy.keys[key] = {**body, "spend": 0.0, "seen": 0.0, "blocked": False, "booked_at": 0.0}
                self._answer({"key": key, "key_alias": body["key_alias"]})
            case "/key/block":
                self.proxy.keys[body["key"]]["blocked"] = True
                self._answer({"blocked": True})

    def do_GET(self) -> None:
        [key] = parse_qs(urlsplit(self.path).query)["key"]
        known = self.proxy.keys[key]
        known["spend"] += self.proxy.books_more_by
        spend = known["spend"] if time.monotonic() >= known["booked_at"] else known["seen"]
        self._answer({"key": key, "info": {"spend": spend, "max_budget": known["max_budget"]}})

    def _answer(self, told: Any, status: int = 200) -> None:
        status = status if self.headers["Authorization"] == f"Bearer {ADMIN_KEY}" and not self.proxy.is_broken else 401
        text = json.dumps(told if self.proxy.says is None else self.proxy.says).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def running_proxy() -> Iterator[Proxy]:
    """Serve a proxy while the block lasts."""
    proxy = Proxy()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"proxy": proxy}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

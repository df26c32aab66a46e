"""A small server of the routes of a LiteLLM proxy that a meter uses, by their documentation, on loopback."""

from __future__ import annotations

import json
import threading
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
    """What a proxy knows of its keys; `spends_late` is how often spend is asked for before it is booked."""

    url: str = ""
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    spends_late: int = 0
    is_broken: bool = False
    says: Any = None

    def call_model(self, key: str, usd: float) -> int:
        """Do what a run's client does: call a model that costs so much; return the status."""
        known = self.keys.get(key)
        if known is None or known["blocked"]:
            return 401
        if known["spend"] >= known["max_budget"]:
            return BUDGET_EXCEEDED
        known["spend"] += usd
        known["unseen"] = self.spends_late
        return 200


class _Handler(BaseHTTPRequestHandler):
    proxy: Proxy

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        match urlsplit(self.path).path:
            case "/key/generate":
                key = f"sk-{len(self.proxy.keys)}"
                self.proxy.keys[key] = {**body, "spend": 0.0, "blocked": False, "unseen": 0}
                self._answer({"key": key, "key_alias": body["key_alias"]})
            case "/key/block":
                self.proxy.keys[body["key"]]["blocked"] = True
                self._answer({"blocked": True})

    def do_GET(self) -> None:
        [key] = parse_qs(urlsplit(self.path).query)["key"]
        known = self.proxy.keys[key]
        spend = known["spend"] if known["unseen"] == 0 else 0.0
        known["unseen"] = max(0, known["unseen"] - 1)
        self._answer({"key": key, "info": {"spend": spend, "max_budget": known["max_budget"]}})

    def _answer(self, told: Any) -> None:
        status = 200 if self.headers["Authorization"] == f"Bearer {ADMIN_KEY}" and not self.proxy.is_broken else 401
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

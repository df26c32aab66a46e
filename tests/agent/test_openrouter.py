"""OpenRouter gives each run a key with a limit, says what it used, and disables it at the end."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from scidex.agent.meters.gateway import GatewayMeter
from scidex.agent.meters.openrouter import OpenRouter
from scidex.agent.workplace import Workplace
from scidex.errors import MeterUnavailable
from tests.agent.work import ASSIGNMENT, result


class _Handler(BaseHTTPRequestHandler):
    keys: dict[str, dict[str, Any]]

    def do_POST(self) -> None:
        name = f"{len(self.keys):064x}"
        self.keys[name] = {**self._body(), "usage": 0.0, "disabled": False}
        self._answer({"data": {"hash": name, **self.keys[name]}, "key": f"sk-or-{len(self.keys)}"}, 201)

    def do_PATCH(self) -> None:
        self.keys[self.path.rpartition("/")[2]].update(self._body())
        self._answer({"data": {}})

    def do_GET(self) -> None:
        self._answer({"data": self.keys[self.path.rpartition("/")[2]]})

    def _body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, told: Any, status: int = 200) -> None:
        text = json.dumps(told).encode()
        is_known = self.headers["Authorization"] == "Bearer sk-management" and self.path.startswith("/api/v1/keys")
        self.send_response(status if is_known else 401)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def router() -> Iterator[tuple[str, dict[str, dict[str, Any]]]]:
    keys: dict[str, dict[str, Any]] = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"keys": keys}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/api", keys
    server.shutdown()
    thread.join()
    server.server_close()


def metered(url: str, admin_key: str = "sk-management") -> GatewayMeter:
    return GatewayMeter(OpenRouter(admin_key, url, books_within_seconds=0.0), most_usd=2.0, look_seconds=0.01)


def test_a_run_is_charged_what_its_key_used(router, tmp_path):
    url, keys = router
    place, meter = Workplace.prepare(tmp_path, ASSIGNMENT), metered(url)
    with meter.watching(place, 60.0) as told:
        [key] = keys.values()
        assert (key["limit"], key["disabled"], key["name"].startswith("scidex-task-1-")) == (2.0, False, True)
        key["usage"] = 0.125
        usage = meter.read(place, result())

    assert (usage.meter, usage.provenance, usage.cost_usd) == ("openrouter", "billed", 0.125)
    assert key["disabled"]
    assert told["OPENROUTER_API_KEY"] == told["OPENAI_API_KEY"] == "sk-or-1"
    assert told["OPENAI_BASE_URL"] == f"{url}/v1"


def test_nothing_runs_where_the_management_key_is_refused(router, tmp_path):
    place, meter = Workplace.prepare(tmp_path, ASSIGNMENT), metered(router[0], "sk-other")

    with pytest.raises(MeterUnavailable, match="refused /v1/keys with status 401"), meter.watching(place, 60.0):
        pytest.fail("a run began unmetered")

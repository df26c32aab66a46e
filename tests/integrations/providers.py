"""A stub of the providers' APIs on loopback, small but whole enough for the agents' own programs to work against it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER = "I looked at it, and all is well."


@dataclass
class Provider:
    """
    Answers every call of a model with the same words and the same usage, or refuses it. With `command` a chat that may
    use tools is answered by a call of `bash`.

    `refusals` are given first, one for each call: a status, what the body says, and headers. After them comes
    `refuses`, as long as it is set. Tokens are `given` and `answered`, of which `cached` were read from a cache.
    """

    command: str = ""
    given: int = 1_000
    cached: int = 200
    answered: int = 60
    refuses: tuple[int, Any, dict[str, str]] | None = None
    refusals: list[tuple[int, Any, dict[str, str]]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    url: str = ""

    def refusal(self) -> tuple[int, Any, dict[str, str]] | None:
        """Return how the next call is refused, None where it is answered."""
        return self.refusals.pop(0) if self.refusals else self.refuses

    # -- what each API says of one answer

    def anthropic(self, model: str) -> list[tuple[str, dict[str, Any]]]:
        """Return the events of one message."""
        usage = {
            "input_tokens": self.given - self.cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": self.cached,
            "output_tokens": 1,
        }
        message: dict[str, Any] = {
            "id": f"msg_{len(self.calls):04}", "type": "message", "role": "assistant", "model": model, "content": [],
            "stop_reason": None, "stop_sequence": None, "usage": usage,
        }  # fmt: skip
        delta = {"type": "text_delta", "text": ANSWER}
        return [
            ("message_start", {"type": "message_start", "message": message}),
            (
                "content_block_start",
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            ),
            ("content_block_delta", {"type": "content_block_delta", "index": 0, "delta": delta}),
            ("content_block_stop", {"type": "content_block_stop", "index": 0}),
            (
                "message_delta",
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                    "usage": {**usage, "output_tokens": self.answered},
                },
            ),
            ("message_stop", {"type": "message_stop"}),
        ]

    def responses(self, model: str) -> list[tuple[str, dict[str, Any]]]:
        """Return the events of one response of OpenAI's."""
        name = f"resp_{len(self.calls):04}"
        item = {
            "id": f"msg_{len(self.calls):04}", "type": "message", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": ANSWER, "annotations": []}],
        }  # fmt: skip
        usage = {
            "input_tokens": self.given, "input_tokens_details": {"cached_tokens": self.cached},
            "output_tokens": self.answered, "output_tokens_details": {"reasoning_tokens": 10},
            "total_tokens": self.given + self.answered,
        }  # fmt: skip
        begun = {"id": name, "object": "response", "model": model, "status": "in_progress", "output": []}
        done = {**begun, "status": "completed", "output": [item], "usage": usage}
        return [
            ("response.created", {"type": "response.created", "response": begun}),
            ("response.output_item.added", {"type": "response.output_item.added", "output_index": 0, "item": item}),
            ("response.output_item.done", {"type": "response.output_item.done", "output_index": 0, "item": item}),
            ("response.completed", {"type": "response.completed", "response": done}),
        ]

    def chat(self, model: str, *, may_use_tools: bool = False) -> dict[str, Any]:
        """Return one chat completion of OpenAI's."""
        message: dict[str, Any] = {"role": "assistant", "content": ANSWER}
        if self.command and may_use_tools:
            told = {"name": "bash", "arguments": json.dumps({"command": self.command})}
            message["tool_calls"] = [{"id": "call_1", "type": "function", "function": told}]
        return {
            "id": f"chatcmpl-{len(self.calls):04}", "object": "chat.completion", "created": 1_777_000_000,
            "model": model,
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {
                "prompt_tokens": self.given, "completion_tokens": self.answered,
                "total_tokens": self.given + self.answered,
                "prompt_tokens_details": {"cached_tokens": self.cached},
            },
        }  # fmt: skip

    def chunks(self, model: str) -> list[tuple[str, dict[str, Any]]]:
        """Return the same as a stream."""
        whole = self.chat(model)
        head = {name: whole[name] for name in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
        says = {"index": 0, "delta": {"role": "assistant", "content": ANSWER}, "finish_reason": None}
        ends = {"index": 0, "delta": {}, "finish_reason": "stop"}
        return [
            ("", {**head, "choices": [says]}),
            ("", {**head, "choices": [ends]}),
            ("", {**head, "choices": [], "usage": whole["usage"]}),
        ]

    def gemini(self, model: str) -> dict[str, Any]:
        """Return one answer of Gemini's."""
        return {
            "candidates": [
                {"content": {"role": "model", "parts": [{"text": ANSWER}]}, "finishReason": "STOP", "index": 0}
            ],
            "usageMetadata": {
                "promptTokenCount": self.given, "cachedContentTokenCount": self.cached,
                "candidatesTokenCount": self.answered - 10, "thoughtsTokenCount": 10,
                "totalTokenCount": self.given + self.answered,
            },
            "modelVersion": model,
            "responseId": f"r{len(self.calls):04}",
        }  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    provider: Provider
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self._body()
        path = self.path.split("?")[0]
        key = self.headers.get("x-api-key") or self.headers.get("x-goog-api-key") or self.headers.get("Authorization")
        self.provider.calls.append((path, key or "", body))
        if path.endswith(("/count_tokens", ":countTokens")):
            self._json(200, {"input_tokens": self.provider.given, "totalTokens": self.provider.given})
        elif not any(mark in path for mark in ("/messages", "/responses", "/chat/completions", "enerateContent")):
            self._json(200, {})
        elif (refusal := self.provider.refusal()) is not None:
            self._json(*refusal)
        else:
            self._answer(path, body)

    def _answer(self, path: str, body: dict[str, Any]) -> None:
        provider, model = self.provider, str(body.get("model", "stub"))
        is_stream = bool(body.get("stream"))
        if "/messages" in path:
            events = provider.anthropic(model)
            self._stream(events) if is_stream else self._json(200, _whole(events))
        elif "/responses" in path:
            self._stream(provider.responses(model))
        elif "/chat/completions" in path and is_stream:
            self._stream(provider.chunks(model), ends="data: [DONE]\n\n")
        elif "/chat/completions" in path:
            self._json(200, provider.chat(model, may_use_tools=bool(body.get("tools"))))
        elif "streamGenerateContent" in path:
            self._stream([("", provider.gemini("stub"))])
        else:
            self._json(200, provider.gemini("stub"))

    def do_GET(self) -> None:
        self.provider.calls.append((self.path, "", None))
        self._json(200, {"object": "list", "data": [], "models": []})

    def do_HEAD(self) -> None:
        self._json(200, {})

    def _body(self) -> Any:
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding"):
            return {}
        try:
            return json.loads(data or b"{}")
        except ValueError:
            return {}

    def _json(self, status: int, told: Any, headers: dict[str, str] | None = None) -> None:
        self._send(status, "application/json", json.dumps(told).encode(), headers)

    def _stream(self, events: list[tuple[str, dict[str, Any]]], ends: str = "") -> None:
        parts = [(f"event: {name}\n" if name else "") + f"data: {json.dumps(told)}\n\n" for name, told in events]
        self._send(200, "text/event-stream", ("".join(parts) + ends).encode())

    def _send(self, status: int, kind: str, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in {**self.provider.headers, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


def _whole(events: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    message = dict(events[0][1]["message"])
    return {
        **message,
        "content": [{"type": "text", "text": ANSWER}],
        "stop_reason": "end_turn",
        "usage": events[-2][1]["usage"],
    }


@contextmanager
def serving(provider: Provider | None = None) -> Iterator[Provider]:
    """Serve a provider on a free port of loopback."""
    stub = provider or Provider()
    handler = type("Handler", (_Handler,), {"provider": stub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    stub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

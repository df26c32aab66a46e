"""Asking an MCP server as an agent does: by the SDK's own client, over a real process or a real connection."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult

from tests.cli.running import ROOT

Asking = Callable[[Client], Awaitable[Any]]


def by_stdio(ask: Asking, *words: str, mode: str = "auto", **environment: str) -> Any:
    """Start `scidex mcp` with these words, and return what came of asking it."""
    kept = {name: os.environ[name] for name in ("SCIDEX_KEY_DIRECTORY", "PYTHONPATH") if name in os.environ}
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "scidex", "mcp", *words], env={**kept, **environment}, cwd=ROOT
    )

    async def asked() -> Any:
        async with Client(stdio_client(server), mode=mode) as client:
            return await ask(client)

    return asyncio.run(asked())


def by_http(ask: Asking, address: str, key: str, mode: str = "auto") -> Any:
    """Return what came of asking the server at an address by a key."""

    async def asked() -> Any:
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=30) as http,
            Client(streamable_http_client(address, http_client=http), mode=mode) as client,
        ):
            return await ask(client)

    return asyncio.run(asked())


@contextmanager
def served_by_http(market: str) -> Iterator[str]:
    """Run `scidex mcp --http` before a market's server, and give the address of its tools."""
    command = [sys.executable, "-m", "scidex", "mcp", "--http", "--port", "0", "--url", market]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[1]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def told(result: CallToolResult) -> dict[str, Any]:
    """Return a tool's typed answer."""
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return result.structured_content


def refusal(result: CallToolResult) -> str:
    """Return the sentence by which a tool refused."""
    assert result.is_error
    [content] = result.content
    return content.text

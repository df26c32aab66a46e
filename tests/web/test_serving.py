"""Serving on an address: which are taken, which are refused, and stopping."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from starlette.testclient import TestClient

from scidex.web.app import create_app
from scidex.web.refusals import AddressNotLoopback, AddressUnavailable, NoKeyYet, PortInUse, TransportNotSafe
from scidex.web.serving import Transport, listen, running_server, serve
from tests.web.doors import operator

ROOT = Path(__file__).parents[2]


def test_a_free_port_is_found_and_told(db):
    with running_server(db) as address:
        assert address.startswith("http://127.0.0.1:")
        assert httpx2.get(f"{address}/readyz").status_code == 200

    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{address}/readyz")


def test_the_first_request_finds_every_route_built(db, monkeypatch):
    """Building one silences warnings in the whole process for a moment, so servers must not do it side by side."""
    app = create_app(db)
    monkeypatch.setattr("fastapi._compat.v2.TypeAdapter", None)

    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert client.get("/api/tasks?limit=1", headers=operator(db)).status_code == 200


def test_an_answer_in_pieces_is_sent_at_once():
    """Else its second piece waits until the client has acknowledged the first, which takes it 40 ms."""
    at_once: list[int] = []

    class Seen(asyncio.Protocol):
        def connection_made(self, transport):
            at_once.append(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            transport.close()

    async def accept_one(listening: socket.socket) -> None:
        server = await asyncio.get_running_loop().create_server(Seen, sock=listening)
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        await reader.read()
        writer.close()
        server.close()

    with listen("127.0.0.1", 0) as listening:
        asyncio.run(accept_one(listening))

    assert at_once == [1]


def test_a_port_in_use_is_told_with_its_number(db):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(PortInUse, match=f"Another program listens on this port already.*port: {port}"):
            serve(db, port=port)


@pytest.mark.parametrize("host", ["example.com", "", "127.0.0.1.example.com", "127.1"])
def test_an_address_is_a_number(db, host):
    with pytest.raises(AddressNotLoopback):
        serve(db, host=host, port=0)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_an_address_that_others_could_reach_needs_tls_or_a_word_without_and_a_key(db, host):
    with pytest.raises(TransportNotSafe):
        serve(db, host=host, port=0)
    with pytest.raises(NoKeyYet):
        serve(db, host=host, port=0, transport=Transport(insecure=True))


@pytest.mark.parametrize("port", [-1, 70_000])
def test_a_port_that_is_none_is_refused(db, port):
    with pytest.raises(AddressUnavailable):
        serve(db, port=port)


def test_a_served_market_is_left_open_for_its_owner(db):
    with running_server(db) as address:
        httpx2.get(f"{address}/readyz")

    with running_server(db) as address:
        assert httpx2.get(f"{address}/readyz").status_code == 200


SERVING = """
import sys
from scidex.exchange import compute_auction
from scidex.store import connect
from scidex.web.serving import serve

with connect(sys.argv[1]) as db:
    compute_auction.ensure_schema(db=db)
    serve(db, port=0, on_ready=lambda address: print(address, flush=True))
"""


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_server_stops_when_it_is_told_to_though_a_client_holds_on(tmp_path, ending):
    command = [sys.executable, "-c", SERVING, f"sqlite:///{tmp_path}/market.db"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        with httpx2.Client(base_url=address) as client:
            assert client.get("/healthz").status_code == 200

            server.send_signal(ending)

            assert server.wait(timeout=30) in (0, -ending, 130)


def test_the_entry_point_serves_the_market_of_the_environment(tmp_path):
    environment = {**os.environ, "SCIDEX_DATABASE_URL": f"sqlite:///{tmp_path}/market.db"}
    asking = (
        "from starlette.testclient import TestClient; from api import app;"
        "from scidex.exchange.keys import create_key;"
        "key = create_key('system:treasury', ['read']).text;"
        "client = TestClient(app, headers={'Authorization': 'Bearer ' + key});"
        "print(client.get('/api/compute-auction/order-book', headers={'Host': 'localhost'}).json())"
    )

    answer = subprocess.run(
        [sys.executable, "-c", asking], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )

    assert answer.stdout.strip() == "{'bids': [], 'asks': []}"
    assert (tmp_path / "market.db").exists()

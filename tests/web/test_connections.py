"""A server's connections within bounds: whoever asks nothing, or never comes to an end, keeps no one else out."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx2
import pytest

from scidex.exchange import compute_auction
from scidex.web import connections
from scidex.web.serving import running_server
from tests.web.doors import operator

pytestmark = pytest.mark.parametrize("db", ["sqlite"], indirect=True)

Place = tuple[str, int]
Open = Callable[..., socket.socket]
GET = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"
WHOLE = GET + b"\r\n"


def place_of(address: str) -> Place:
    host, _, port = address.removeprefix("http://").rpartition(":")
    return host, int(port)


@contextmanager
def opening(place: Place) -> Iterator[Open]:
    """Lend a way to open connections from an address of this machine; they are closed at the end."""
    with ExitStack() as opened:
        yield lambda source="127.0.0.1": opened.enter_context(
            socket.create_connection(place, timeout=20, source_address=(source, 0))
        )


@pytest.fixture
def few(monkeypatch) -> None:
    """Ten connections, of which one address may have five."""
    monkeypatch.setenv("SCIDEX_MOST_CONNECTIONS", "10")


@pytest.fixture
def impatient(monkeypatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)


def answer(connection: socket.socket, request: bytes = WHOLE) -> bytes:
    connection.sendall(request)
    return connection.recv(65_536)


def is_cut_off(connection: socket.socket, part: bytes) -> bool:
    """Whether the server ends a connection that never reads and sends a part again and again."""
    ends = time.monotonic() + 20
    with suppress(ConnectionError):
        while time.monotonic() < ends:
            connection.sendall(part)
            time.sleep(0.05)
    return time.monotonic() < ends


def is_closed(connection: socket.socket, seconds: float = 20.0) -> bool:
    """Whether the server closes a connection within some seconds, whatever it says before."""
    connection.settimeout(seconds)
    try:
        while connection.recv(65_536):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def test_idle_connections_keep_nobody_out(db, few):
    with running_server(db) as address, opening(place_of(address)) as connect:
        idle = [connect() for _ in range(40)]
        for one in idle[::2]:
            one.sendall(GET)  # and never the end of it

        assert answer(connect()).startswith(b"HTTP/1.1 200")
        assert answer(connect("127.0.0.2")).startswith(b"HTTP/1.1 200")
        assert sum(is_closed(one, 0.2) for one in idle) >= 36


def test_what_is_at_work_is_not_ended_for_others(db, few):
    with running_server(db) as address, opening(place_of(address)) as connect, ThreadPoolExecutor(1) as thread:
        asked = {"after": 1, "seconds": 20}
        path = "/api/compute-auction/pools/scidex-agent/next-round"
        with httpx2.Client(base_url=address, headers=operator(db), timeout=30) as client:
            waiting = thread.submit(client.get, path, params=asked)
            time.sleep(0.5)
            for _ in range(20):
                connect()
            compute_auction.offer_slots(1, db=db)
            compute_auction.clear_round(db=db)
            assert waiting.result(timeout=30).json()["open_round_id"] > 1


def test_where_all_are_at_work_a_new_connection_is_closed(db, few):
    path = b"GET /api/compute-auction/pools/scidex-agent/next-round?after=1&seconds=20 HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    head = "".join(f"{name}: {value}\r\n" for name, value in operator(db).items()).encode()
    with running_server(db) as address, opening(place_of(address)) as connect:
        for _ in range(5):
            connect().sendall(path + head + b"\r\n")
        time.sleep(0.5)

        assert is_closed(connect(), 5.0)
        assert answer(connect("127.0.0.2")).startswith(b"HTTP/1.1 200")
        compute_auction.offer_slots(1, db=db)
        compute_auction.clear_round(db=db)


def test_a_head_has_so_much_time_from_its_first_byte(db, impatient):
    with running_server(db) as address, opening(place_of(address)) as connect:
        silent, half, slow, blank = (connect() for _ in range(4))
        half.sendall(GET)
        slow.sendall(GET)

        assert is_cut_off(slow, b"X-Slow: 1\r\n")
        assert is_cut_off(blank, b"\r\n")
        assert is_closed(silent)
        assert is_closed(half)


def test_a_connection_that_is_kept_gets_its_time_anew_for_each_request(db, impatient):
    with running_server(db) as address, opening(place_of(address)) as connect:
        kept = connect()
        for _ in range(6):
            assert answer(kept).startswith(b"HTTP/1.1 200")
            time.sleep(0.2)
        kept.sendall(GET)

        assert is_closed(kept)


def test_a_head_has_so_many_bytes(db):
    with running_server(db) as address, opening(place_of(address)) as connect:
        whole, endless, one_by_one = connect(), connect(), connect()
        assert answer(whole, GET + b"X-Large: " + b"x" * 70_000 + b"\r\n\r\n").startswith(b"HTTP/1.1 431")
        endless.sendall(GET + b"X-Large: ")
        assert is_cut_off(endless, b"x" * 50_000)
        one_by_one.sendall(GET)
        assert is_cut_off(one_by_one, b"X-Many: 1\r\n" * 2_000)
        assert answer(connect(), GET + b"X-Large: " + b"x" * 40_000 + b"\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_who_never_reads_an_answer_is_let_go(db, monkeypatch):
    monkeypatch.setattr(connections, "_UNREAD_SECONDS", 0.5)
    with running_server(db) as address, opening(place_of(address)) as connect:
        deaf = connect()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        request = b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        assert is_cut_off(deaf, request * 20)
        assert answer(connect()).startswith(b"HTTP/1.1 200")


def test_300_idle_sockets_do_not_shut_a_server_that_may_open_256_files(db, tmp_path):
    command = [sys.executable, "-m", "scidex", "serve", "--db", db.url, "--port", "0"]
    server = subprocess.Popen(
        ["/bin/sh", "-c", 'ulimit -n 256; exec "$@"', "sh", *command],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "SCIDEX_KEY_DIRECTORY": str(tmp_path)},
    )
    assert server.stdout is not None
    try:
        told = next(line for line in iter(server.stdout.readline, "") if line.startswith("api"))
        address = re.findall(r"http://\S+", told)[0]
        with opening(place_of(address)) as connect, httpx2.Client(base_url=address, headers=operator(db)) as client:
            for _ in range(300):
                connect()
            for _ in range(5):
                assert client.get("/api/compute-auction/order-book").status_code == 200
    finally:
        server.terminate()
        server.wait(30)
        server.stdout.close()

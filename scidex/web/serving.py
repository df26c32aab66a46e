"""Serving a market on a loopback address: in the foreground until it is stopped, or beside other work."""

from __future__ import annotations

import errno
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from scidex.store import Database
from scidex.web.app import create_app
from scidex.web.refusals import AddressNotLoopback, AddressUnavailable, PortInUse

DEFAULT_PORT = 8787
# A browser's open connection must not keep the server from stopping.
_GRACE_SECONDS = 2
_WAITING_CONNECTIONS = 2048


class _Server(uvicorn.Server):
    """A server that tells when it is ready."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None], on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_stop()
        await super().shutdown(sockets)


def serve(
    db: Database,
    *,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """
    Serve a market until the process is told to stop; `on_ready` is called with the address, as `http://127.0.0.1:8787`.

    Port 0 takes any free one. Raises AddressNotLoopback, PortInUse, AddressUnavailable.
    """
    listening = listen(host, port)
    with listening:
        address = address_of(listening)
        _server(db, lambda: on_ready(address) if on_ready else None).run(sockets=[listening])


@contextmanager
def running_server(db: Database, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """
    Serve a market from a thread of its own while the block runs, and give its address.

    Raises AddressNotLoopback, PortInUse, AddressUnavailable.
    """
    ready = threading.Event()
    with listen(host, port) as listening:
        server = _server(db, ready.set)
        thread = threading.Thread(target=_run_and_tell, args=(server, listening, ready), name="web server", daemon=True)
        thread.start()
        ready.wait()
        try:
            yield address_of(listening)
        finally:
            server.should_exit = True
            thread.join()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on a loopback address. Raises AddressNotLoopback, PortInUse, AddressUnavailable."""
    family, address = _loopback(host, port)
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen(_WAITING_CONNECTIONS)
    except (OSError, OverflowError) as error:
        listening.close()
        kind = PortInUse if getattr(error, "errno", None) == errno.EADDRINUSE else AddressUnavailable
        raise kind(field="port", host=host, port=port, fact=getattr(error, "strerror", None) or str(error)) from error
    return listening


def address_of(listening: socket.socket) -> str:
    """Return the address that people open."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _loopback(host: str, port: int) -> tuple[socket.AddressFamily, str]:
    address = "127.0.0.1" if host == "localhost" else host
    try:
        version = ipaddress.ip_address(address)
    except ValueError:
        raise AddressNotLoopback(field="host", host=host, port=port) from None
    if not version.is_loopback:
        raise AddressNotLoopback(field="host", host=host, port=port)
    return (socket.AF_INET6 if version.version == 6 else socket.AF_INET), address


def _server(db: Database, on_ready: Callable[[], None]) -> _Server:
    app = create_app(db)
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        ws="none",
    )
    # Whoever waits for a round must not keep the server from stopping.
    return _Server(config, on_ready, app.state.rounds.release)


def _run_and_tell(server: _Server, listening: socket.socket, ready: threading.Event) -> None:
    try:
        server.run(sockets=[listening])
    finally:
        ready.set()  # a server that could not start must not keep its caller waiting

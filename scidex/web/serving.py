"""Serving a market: on a loopback address, or where others reach it over TLS; until it is stopped."""

from __future__ import annotations

import errno
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from scidex import settings
from scidex.exchange import keys
from scidex.store import Database
from scidex.web.app import create_app
from scidex.web.connections import BoundedConfig, Connections
from scidex.web.gate import LOOPBACK_NAMES
from scidex.web.refusals import (
    AddressNotLoopback,
    AddressUnavailable,
    NoKeyYet,
    PortInUse,
    TransportNotSafe,
)
from scidex.web.sessions import Sessions

DEFAULT_PORT = 8787
# A browser's open connection must not keep the server from stopping.
_GRACE_SECONDS = 2
_WAITING_CONNECTIONS = 2048


@dataclass(frozen=True)
class Transport:
    """How a server is reached: by which names beside its own address, over TLS or, said outright, without."""

    names: frozenset[str] = frozenset()
    certificate: Path | None = None
    private_key: Path | None = None
    insecure: bool = False

    @property
    def scheme(self) -> str:
        """`https` where there is a certificate."""
        return "http" if self.certificate is None else "https"


PLAIN = Transport()


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
    transport: Transport = PLAIN,
    sessions: Sessions | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """
    Serve a market until the process is told to stop; `on_ready` is called with the address, as `http://127.0.0.1:8787`.

    Port 0 takes any free one. Raises AddressNotLoopback, PortInUse, AddressUnavailable; and where others reach the
    address TransportNotSafe without TLS or a word that it shall be so, NoKeyYet before the market has a key.
    """
    check_reach(db, host, transport)
    with listen(host, port) as listening:
        address = address_of(listening, transport)
        _server(db, transport, sessions, lambda: on_ready(address) if on_ready else None).run(sockets=[listening])


@contextmanager
def running_server(
    db: Database,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    transport: Transport = PLAIN,
    sessions: Sessions | None = None,
) -> Iterator[str]:
    """
    Serve a market from a thread of its own while the block runs, and give its address.

    Raises what `serve` raises.
    """
    check_reach(db, host, transport)
    ready = threading.Event()
    with listen(host, port) as listening:
        server = _server(db, transport, sessions, ready.set)
        thread = threading.Thread(target=_run_and_tell, args=(server, listening, ready), name="web server", daemon=True)
        thread.start()
        ready.wait()
        try:
            yield address_of(listening, transport)
        finally:
            server.should_exit = True
            thread.join()


def check_reach(db: Database, host: str, transport: Transport) -> None:
    """
    Make sure that an address may be served: a loopback one always, another over TLS once the market has a key.

    Raises AddressNotLoopback for what is no address, TransportNotSafe, NoKeyYet.
    """
    check_transport(host, transport)
    if not _is_loopback(host) and not keys.has_live_key(db=db):
        raise NoKeyYet(field="host", host=host)


def check_transport(host: str, transport: Transport) -> None:
    """Make sure that an address that others reach is served over TLS. Raises AddressNotLoopback, TransportNotSafe."""
    if not _is_loopback(host) and transport.certificate is None and not transport.insecure:
        raise TransportNotSafe(field="host", host=host)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address. Raises AddressNotLoopback, PortInUse, AddressUnavailable."""
    family, address = _family(host)
    # asyncio sends at once only where the protocol is named; else an answer waits 40 ms for an acknowledgement.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen(_WAITING_CONNECTIONS)
    except (OSError, OverflowError) as error:
        listening.close()
        kind = PortInUse if getattr(error, "errno", None) == errno.EADDRINUSE else AddressUnavailable
        raise kind(field="port", host=host, port=port, fact=getattr(error, "strerror", None) or str(error)) from error
    return listening


def address_of(listening: socket.socket, transport: Transport = PLAIN) -> str:
    """Return the address that people open."""
    host, port = listening.getsockname()[:2]
    return f"{transport.scheme}://[{host}]:{port}" if ":" in host else f"{transport.scheme}://{host}:{port}"


def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(_family(host)[1]).is_loopback


def _family(host: str) -> tuple[socket.AddressFamily, str]:
    """Return the kind of an address, which must be a number. Raises AddressNotLoopback."""
    address = "127.0.0.1" if host == "localhost" else host
    try:
        version = ipaddress.ip_address(address).version
    except ValueError:
        raise AddressNotLoopback(field="host", host=host) from None
    return (socket.AF_INET6 if version == 6 else socket.AF_INET), address


def _server(db: Database, transport: Transport, sessions: Sessions | None, on_ready: Callable[[], None]) -> _Server:
    app = create_app(db, host_names=LOOPBACK_NAMES | transport.names, sessions_of_server=sessions)
    config = BoundedConfig(
        app,
        connections=Connections(settings.from_environment().most_connections),
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        ssl_certfile=transport.certificate,
        ssl_keyfile=transport.private_key,
        ws="none",
    )
    # Whoever waits for a round must not keep the server from stopping.
    return _Server(config, on_ready, app.state.rounds.release)


def _run_and_tell(server: _Server, listening: socket.socket, ready: threading.Event) -> None:
    try:
        server.run(sockets=[listening])
    finally:
        ready.set()  # a server that could not start must not keep its caller waiting

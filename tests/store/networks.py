"""A network of one's own between a program and PostgreSQL, that can fall silent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from psycopg.conninfo import conninfo_to_dict


class Network:
    """Carries bytes both ways until it is told to swallow them: no refusal, no reset, nothing."""

    def __init__(self, url: str) -> None:
        self._server = conninfo_to_dict(url)
        self._door = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._flows = threading.Event()
        self._flows.set()
        user, dbname = self._server.get("user", "postgres"), str(self._server["dbname"])
        self.url = f"postgresql://{user}@127.0.0.1:{self._door.getsockname()[1]}/{quote(dbname)}"
        threading.Thread(target=self._welcome, daemon=True).start()

    def fall_silent(self) -> None:
        """Swallow everything from now on, of old connections and new ones."""
        self._flows.clear()

    def heal(self) -> None:
        """Carry bytes again; what was swallowed stays lost."""
        self._flows.set()

    def close(self) -> None:
        self._door.close()
        for end in self._open:
            end.close()

    def _welcome(self) -> None:
        while True:
            try:
                near, _ = self._door.accept()
            except OSError:
                return
            self._open.append(near)
            try:
                far = self._dial()
            except OSError:
                return
            self._open.append(far)
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _dial(self) -> socket.socket:
        host, port = str(self._server.get("host", "/var/run/postgresql")), str(self._server.get("port", "5432"))
        if not host.startswith("/"):
            return socket.create_connection((host, int(port)))
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(str(Path(host) / f".s.PGSQL.{port}"))
        except OSError:
            far.close()
            raise
        return far

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while chunk := source.recv(65536):
                if self._flows.is_set():
                    sink.sendall(chunk)
            if self._flows.is_set():
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            return


@contextmanager
def network_to(url: str) -> Iterator[Network]:
    """Lend a network to the server of a database."""
    network = Network(url)
    try:
        yield network
    finally:
        network.close()

"""
Clients that bid over HTTP, cheap enough to leave the server its processor: one process, bare sockets, kept alive.

Reads an order as JSON from stdin, and writes what came of it to stdout: how many answers there were in which time, by
status, and each answer's seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from functools import partial
from itertools import count
from typing import Any

_LENGTH = b"content-length: "


class Sender(asyncio.Protocol):
    """One client: it sends a request, waits for the answer, and sends the next, until the time is over."""

    def __init__(self, head: str, body: str, begins_at: float, ends_at: float, seconds: list[float]) -> None:
        self.statuses: Counter[int] = Counter()
        self.closed = asyncio.get_running_loop().create_future()
        self._head, self._body = head, body
        self._begins_at, self._ends_at = begins_at, ends_at
        self._seconds = seconds
        self._numbers = count()
        self._answer = bytearray()
        self._sent_at = 0.0

    def connection_made(self, transport: Any) -> None:
        """Send the first request."""
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        """Take in an answer, and send the next request where it is whole."""
        self._answer += data
        head = self._answer.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self._answer.find(_LENGTH) + len(_LENGTH)
        if len(self._answer) < head + 4 + int(self._answer[at : self._answer.index(b"\r", at)]):
            return
        now = time.perf_counter()
        if self._begins_at <= now <= self._ends_at:
            self.statuses[int(self._answer[9:12])] += 1
            self._seconds.append(now - self._sent_at)
        self._answer.clear()
        if now < self._ends_at:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Tell that this client is done."""
        self.closed.set_result(error)

    def _send(self) -> None:
        number = next(self._numbers)
        body = self._body.replace("{number}", str(number % 64))
        head = self._head.replace("{number}", str(number)).replace("{length}", str(len(body)))
        self._sent_at = time.perf_counter()
        self._transport.write(f"{head}\r\n\r\n{body}".encode("ascii"))


async def load(order: dict[str, Any]) -> dict[str, Any]:
    """Keep every client of an order busy for its seconds, after a second to warm up, and say what came of it."""
    begins_at = time.perf_counter() + order["warm_up_seconds"]
    ends_at = begins_at + order["seconds"]
    seconds: list[float] = []
    loop = asyncio.get_running_loop()
    senders: list[Sender] = []
    for client in order["clients"]:
        make = partial(Sender, client["head"], client["body"], begins_at, ends_at, seconds)
        senders.append((await loop.create_connection(make, order["host"], order["port"]))[1])
    await asyncio.gather(*(sender.closed for sender in senders))
    statuses = sum((sender.statuses for sender in senders), Counter[int]())
    return {"seconds": seconds, "statuses": dict(statuses)}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(load(json.load(sys.stdin)))))

"""A market behind an address."""

from __future__ import annotations

from types import TracebackType

from scidex.client.auction import AuctionCalls
from scidex.client.connection import Connection
from scidex.client.operator import OperatorCalls
from scidex.client.others import BacklogCalls, CycleCalls, KeyCalls, WalletCalls
from scidex.client.workers import WorkerCalls
from scidex.keyring import found_key


class Client(AuctionCalls, WalletCalls, BacklogCalls, CycleCalls, KeyCalls, WorkerCalls, OperatorCalls):
    """
    A market behind an address, as `http://127.0.0.1:8787`. Safe to share between threads.

    Its methods are the exchange's verbs with their arguments and answers; the time is the server's. Reads and writes
    are sent again until there is an answer or `deadline_seconds` have passed, writes under one idempotency key, so that
    they act once. What the server refuses is raised as the refusal that it names; MarketUnreachable where there is no
    answer. Without a key that of a market that this user serves at the address is used.
    """

    def __init__(self, url: str, key: str | None = None, *, deadline_seconds: float = 30.0) -> None:
        self._market = Connection(url, key or found_key(url), deadline_seconds=deadline_seconds)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._market.close()

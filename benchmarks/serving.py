"""
Single durable bids over HTTP, by many clients at once, against requests that the same server stores nothing of.

Judged against the faster of two that go all the way and store nothing: the same request refused by the market, as one
that the wallet does not cover, and a plain read. Told beside it: the same request turned away by the door, as one of
another account, which never reaches the market and so is the strictest measure; and bare commits of one row.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.markets import Bare, open_wallets, sqlite_market
from benchmarks.timing import Ratio, seconds
from scidex.exchange import keys
from scidex.store import Database

_CLIENTS = 64
_SECONDS = 4.0
_WARM_UP_SECONDS = 1.0
_ROUNDS = 3
_COMMITS = 500
_LEAST_SHARE = 0.60
_LEAST_COMMITS = 4


@dataclass(frozen=True)
class Kind:
    """One kind of request, sent by every client: `{number}` is a new number each time, `{account}` the client's own."""

    name: str
    first_line: str
    body: str
    status: int


_BID = (
    '{"bidder_id":"{account}","task_id":"task-{number}","max_price_tokens":2{number},"expected_value_usd":3.0,'
    '"ttl_at":"2030-01-01T00:00:00Z","pool":"scidex-agent"}'
)
_POST = "POST /api/compute-auction/bids HTTP/1.1"
DURABLE = Kind("durable bids", _POST, _BID, 201)
REFUSED = Kind("bids refused by the market", _POST, _BID.replace("2{number}", "9007199254740{number}"), 409)
TURNED_AWAY = Kind("bids turned away by the door", _POST, _BID.replace("{account}", "not-{account}"), 403)
READ = Kind("GET /api/whoami", "GET /api/whoami HTTP/1.1", "", 200)
_KINDS = (DURABLE, REFUSED, TURNED_AWAY, READ)


class Answered(NamedTuple):
    """What clients were answered: how many a second, and the seconds that half and 99 of 100 took at most."""

    rate: float
    p50: float
    p99: float


def durable_bids(folder: Path) -> Ratio:
    """Measure single durable bids of 64 clients at once over HTTP on SQLite."""
    with sqlite_market(folder) as db:
        accounts = open_wallets(db, _CLIENTS)
        texts = [str(keys.create_key(account, ["bid"], db=db).text) for account in accounts]
        with _served(db) as address:
            clients = [Client(account, text) for account, text in zip(accounts, texts, strict=True)]
            told = _alternating(db, address, clients)
    durable, refused, turned_away, read, commits = told
    unstored = max(refused.rate, read.rate)
    share, times = durable.rate / unstored, durable.rate / commits
    return Ratio(
        name=f"sqlite single durable bids over HTTP, {_CLIENTS} clients",
        measured=durable.rate,
        limit=unstored,
        unit="requests/s",
        wanted=f"at least {_LEAST_SHARE:.0%} of a request that stores nothing, or {_LEAST_COMMITS} × one-row commits",
        ratio=share,
        met=share >= _LEAST_SHARE or times >= _LEAST_COMMITS,
        also=(
            f"p50 {durable.p50 * 1e3:.1f} ms, p99 {durable.p99 * 1e3:.1f} ms;"
            f" {times:.2f} × {commits:,.0f} one-row commits/s;"
            f" {REFUSED.name} {refused.rate:,.0f}/s; {READ.name} {read.rate:,.0f}/s;"
            f" {durable.rate / turned_away.rate:.2f} × {turned_away.rate:,.0f} {TURNED_AWAY.name}/s"
        ),
    )


class Client(NamedTuple):
    """An account that sends requests by its own key."""

    account: str
    key: str


def _alternating(
    db: Database, address: str, clients: Sequence[Client]
) -> tuple[Answered, Answered, Answered, Answered, float]:
    """Measure each kind of request and bare commits in turn; return the median of each."""
    bare = Bare(db)
    bare.run("CREATE TABLE one_row (id BIGINT PRIMARY KEY, number BIGINT)")
    bare.run("INSERT INTO one_row VALUES (1, 0)")

    def commit() -> None:
        for _ in range(_COMMITS):
            bare.run("UPDATE one_row SET number = number + 1 WHERE id = ?", (1,))

    told: dict[str, list[Answered]] = {kind.name: [] for kind in _KINDS}
    commits: list[float] = []
    for _ in range(_ROUNDS):
        for kind in _KINDS:
            told[kind.name].append(answered(address, clients, kind))
        commits.append(_COMMITS / seconds(commit))
    bare.close()
    durable, refused, turned_away, read = (_middle(told[kind.name]) for kind in _KINDS)
    return durable, refused, turned_away, read, statistics.median(commits)


def answered(address: str, clients: Sequence[Client], kind: Kind, *, lasting: float = _SECONDS) -> Answered:
    """Let every client send requests of a kind at once, for so many seconds, and say how they were answered."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    order = {
        "host": host,
        "port": int(port),
        "seconds": lasting,
        "warm_up_seconds": _WARM_UP_SECONDS,
        "clients": [_as_ordered(client, kind, address) for client in clients],
    }
    command = [sys.executable, "-m", "benchmarks.load"]
    done = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert set(told["statuses"]) == {str(kind.status)}, f"{kind.name}: {told['statuses']}"
    waits = sorted(told["seconds"])
    return Answered(len(waits) / lasting, waits[len(waits) // 2], waits[len(waits) * 99 // 100])


def _as_ordered(client: Client, kind: Kind, address: str) -> dict[str, str]:
    lines = [kind.first_line, f"Host: {address.removeprefix('http://')}", f"Authorization: Bearer {client.key}"]
    if kind.body:
        # A new key for each request, and no two clients or measurements with the same.
        lines += ["Content-Type: application/json", "Content-Length: {length}"]
        lines += [f"Idempotency-Key: {uuid.uuid4()}-{{number}}"]
    return {"head": "\r\n".join(lines), "body": kind.body.replace("{account}", client.account)}


def _middle(told: list[Answered]) -> Answered:
    return sorted(told)[len(told) // 2]


@contextmanager
def _served(db: Database) -> Iterator[str]:
    """Serve a market as its operator would, in a process of its own, and give the address."""
    command = [sys.executable, "-m", "scidex", "serve", "--db", db.url, "--port", "0"]
    environment = {**os.environ, "SCIDEX_KEY_DIRECTORY": str(Path(db.url.removeprefix("sqlite:///")).parent)}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert server.stdout is not None, "it was asked for"
    try:
        lines = dict(line.split(maxsplit=1) for line in iter(server.stdout.readline, "to stop     Ctrl-C\n"))
        yield lines["api"].strip()
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()

"""
A market as its how-tos set it up, under steady traffic for as long as is asked: what of it grows?

A server with its clearing loop and a worker run as processes of their own that may open 256 files each. Clients send so
many requests a second: bids, new tasks, all that programs and people read, an event stream, and metrics. Between the
bursts there are lulls of more than ten seconds, after which a server's threads and a client's connections are new ones.
Memory, open files, threads and waits of the last fifth of the time are held against those of the second fifth.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from benchmarks.markets import open_wallets, postgres_market, sqlite_market
from benchmarks.timing import Ratio
from scidex.exchange import backlog, keys, token_ledger
from scidex.store import Database
from scidex.web import operator_key
from tests.postgres_server import PostgresServer

MOST_FILES = 256
MOST_GROWTH = 1.2
_FIFTHS = 5
_BIDDERS = 20
_QUESTS = 4
_SEATS = 2
_CYCLE_SECONDS = 3.0
# Threads of a server that are idle for ten seconds end, and so do connections that are kept alive.
_LULL_SECONDS = 12.0
BUSY_SECONDS = 48.0
_POOL = "scidex-agent"


class Request(NamedTuple):
    """What a client sends: by whom, where to, and the body of a write."""

    who: int
    """The number of a bidder, or -1 for the operator."""
    path: str
    body: dict[str, object] | None = None


def request_of(number: int) -> Request:
    """Return the request of a number: half of them bids, the rest what programs and people ask for."""
    who = number % _BIDDERS
    if number % 2:
        return Request(who, "/api/compute-auction/bids", _bid(number, who))
    account, quest = f"agent-{who}", f"quest-{number % _QUESTS}"
    reads = (
        Request(who, "/api/compute-auction/order-book"),
        Request(who, f"/api/wallets/{account}"),
        Request(-1, "/metrics"),
        Request(who, "/api/compute-auction/quote"),
        Request(who, f"/api/wallets/{account}/transfers?limit=20"),
        Request(-1, "/api/tasks", {"task_id": f"task-{uuid.uuid4()}", "quest_id": quest, "expected_value_usd": 2.0}),
        Request(who, "/api/compute-auction/bids?limit=20"),
        Request(-1, "/api/leases?limit=20"),
        Request(who, "/api/compute-auction/rounds?limit=20"),
        Request(-1, "/api/workers"),
        Request(who, f"/api/compute-auction/pools/{_POOL}"),
        Request(-1, "/api/tasks?status=open&limit=50"),
        Request(who, "/readyz"),
        Request(-1, "/api/quests"),
        Request(who, "/api/whoami"),
    )
    return reads[number // 2 % len(reads)]


def _bid(number: int, who: int) -> dict[str, object]:
    ends_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))
    terms = {"bidder_id": f"agent-{who}", "task_id": f"bid-{number}", "max_price_tokens": 20 + number % 80}
    return {**terms, "expected_value_usd": 3.0, "ttl_at": ends_at, "pool": _POOL}


@dataclass
class Seen:
    """What was seen of a market under traffic."""

    seconds: float
    statuses: Counter[int] = field(default_factory=Counter)
    waits: list[tuple[float, float, str]] = field(default_factory=list)
    """When a request was sent, as a share of all the time, how long it took, and its path."""
    samples: dict[str, list[tuple[float, Sample]]] = field(default_factory=lambda: defaultdict(list))
    """By process: when, as a share of all the time, and how it was."""
    missed_rounds: int = 0
    rounds: int = 0
    lost_connections: int = 0

    def grows(self, process: str, figure: str) -> bool:
        """Return whether a process's figure is larger in the last fifth of the time than growth is allowed."""
        fifths = self.fifths(process, figure)
        return fifths[-1] > MOST_GROWTH * fifths[1]

    def fifths(self, process: str, figure: str) -> list[float]:
        """Return the median of a process's figure in each fifth of the time."""
        return _medians((at, getattr(sample, figure)) for at, sample in self.samples[process])

    def waits_in_fifths(self, share: float) -> list[float]:
        """Return how long that share of the requests of each fifth took at most, in milliseconds."""
        found = _in_fifths((at, wait) for at, wait, _ in self.waits)
        return [1e3 * sorted(waits)[min(len(waits) - 1, int(len(waits) * share))] if waits else 0.0 for waits in found]


class Sample(NamedTuple):
    """How a process is: its memory in MB, its open files, and its threads."""

    memory: float
    files: int
    threads: int


class Process:
    """A command of scidex in a process of its own, with few files to open."""

    def __init__(self, name: str, command: Sequence[str], folder: Path) -> None:
        self.name = name
        self._log = (folder / f"{name}.log").open("w+", encoding="utf-8")
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", f'ulimit -n {MOST_FILES}; exec "$@"', name, sys.executable, "-m", "scidex", *command],
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "SCIDEX_KEY_DIRECTORY": str(folder), "PYTHONUNBUFFERED": "1"},
        )

    def log(self) -> str:
        """Return what it has written so far."""
        self._log.seek(0)
        return self._log.read()

    def wait_for(self, pattern: str, seconds: float = 60.0) -> str:
        """Wait until it writes what a pattern describes, and return its group."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends and self.process.poll() is None:
            if found := re.search(pattern, self.log(), re.MULTILINE):
                return found[1]
            time.sleep(0.1)
        raise RuntimeError(f"{self.name} did not come up: {self.log()}")

    def sample(self) -> Sample:
        """Return how it is now. Raises RuntimeError where it has ended."""
        place = Path(f"/proc/{self.process.pid}")
        try:
            status = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines())
            files = len(list((place / "fd").iterdir()))
            return Sample(int(status["VmRSS"].split()[0]) / 1024, files, int(status["Threads"]))
        except (OSError, KeyError):
            raise RuntimeError(f"{self.name} has ended: {self.log()[-3000:]}") from None

    def stop(self) -> None:
        """Stop it as its operator would."""
        self.process.terminate()
        self.process.wait(60)
        self._log.close()


@contextmanager
def market_at_work(db: Database, folder: Path) -> Iterator[tuple[str, list[str], list[Process]]]:
    """Serve a market with a loop and a worker, and give its address, the keys (the last: operator's), the processes."""
    with ExitStack() as running, _own_keys(folder):
        texts = _fill(db)
        served = ("up", "--db", db.url, "--port", "0", "--cycle-seconds", str(_CYCLE_SECONDS))
        server = _started(running, "server", served, folder)
        address = server.wait_for(r"^api +(http://\S+)")
        place = ("--directory", str(folder / "runs"), "--concurrency", str(_SEATS), "--grace", "5")
        work = ("agent", "run", "--url", address, "--key", texts[-1], *place, "--", "true")
        worker = _started(running, "worker", work, folder)
        yield address, texts, [server, worker]


def _started(running: ExitStack, name: str, command: Sequence[str], folder: Path) -> Process:
    process = Process(name, command, folder)
    running.callback(process.stop)
    return process


@contextmanager
def _own_keys(folder: Path) -> Iterator[None]:
    before = os.environ.get("SCIDEX_KEY_DIRECTORY")
    os.environ["SCIDEX_KEY_DIRECTORY"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["SCIDEX_KEY_DIRECTORY"]
        else:
            os.environ["SCIDEX_KEY_DIRECTORY"] = before


def _fill(db: Database) -> list[str]:
    """Open the accounts of bidders and quests, and return their keys, the operator's last."""
    texts = [str(keys.create_key(name, ["bid"], db=db).text) for name in open_wallets(db, _BIDDERS)]
    for number in range(_QUESTS):
        backlog.add_quest(f"quest-{number}", db=db)
        token_ledger.mint(f"quest:quest-{number}", 10**9, db=db)
    return [*texts, operator_key.operator_key(db)]


class Traffic:
    """Clients of a served market, each with a connection that it keeps until the next lull."""

    def __init__(self, address: str, texts: Sequence[str], seen: Seen) -> None:
        self._host = address.removeprefix("http://")
        self._texts = texts
        self._seen = seen
        self._began = time.monotonic()
        self._local = threading.local()
        self._open: list[http.client.HTTPConnection] = []
        self._period = 0
        self._lock = threading.Lock()

    def send(self, number: int) -> None:
        """Send the request of a number and note how it was answered."""
        asked = request_of(number)
        at = (time.monotonic() - self._began) / self._seen.seconds
        began = time.perf_counter()
        status = self._answered(asked)
        with self._lock:
            self._seen.waits.append((at, time.perf_counter() - began, asked.path.partition("?")[0]))
            self._seen.statuses[status] += 1

    def run(self, rate: int, busy_seconds: float, done: Callable[[], bool]) -> None:
        """Send so many requests a second, those of a second at once, with lulls between busy times, until done."""
        numbers = itertools.count()
        with ThreadPoolExecutor(_BIDDERS) as clients:
            while not done():
                ends = time.monotonic() + busy_seconds
                next_at = time.monotonic()
                while time.monotonic() < ends and not done():
                    for number in itertools.islice(numbers, rate):
                        clients.submit(self.send, number)
                    next_at += 1.0
                    time.sleep(max(0.0, next_at - time.monotonic()))
                self._period += 1  # a new connection for whoever asks next
                _sleep(_LULL_SECONDS, done)
        for connection in self._open:
            connection.close()

    def watch(self, done: Callable[[], bool]) -> None:
        """Read the event stream, and open it anew every now and then."""
        while not done():
            ends = time.monotonic() + 10.0
            connection = http.client.HTTPConnection(self._host, timeout=30)
            try:
                connection.request("GET", "/api/events", headers={"Authorization": f"Bearer {self._texts[-1]}"})
                answer = connection.getresponse()
                while time.monotonic() < ends and not done() and answer.readline():
                    pass
            except OSError:
                self._seen.lost_connections += 1
            finally:
                connection.close()

    def _answered(self, asked: Request) -> int:
        body = None if asked.body is None else json.dumps(asked.body)
        headers = {"Authorization": f"Bearer {self._texts[asked.who]}"}
        if body is not None:
            headers |= {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
        try:
            connection = self._connection()
            connection.request("GET" if body is None else "POST", asked.path, body=body, headers=headers)
            with connection.getresponse() as answer:
                answer.read()
                return answer.status
        except (OSError, http.client.HTTPException):
            self._connection().close()  # it connects again when it is next used
            self._seen.lost_connections += 1
            return 0

    def _connection(self) -> http.client.HTTPConnection:
        if getattr(self._local, "period", None) != self._period:
            if kept := getattr(self._local, "connection", None):
                kept.close()
            self._local.connection, self._local.period = (
                http.client.HTTPConnection(self._host, timeout=60),
                self._period,
            )
            with self._lock:
                self._open.append(self._local.connection)
        return self._local.connection

    def gauge(self, name: str) -> int:
        """Return what the server's metrics say of the pool."""
        connection = http.client.HTTPConnection(self._host, timeout=60)
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {self._texts[-1]}"})
        text = connection.getresponse().read().decode()
        connection.close()
        found = re.search(rf'^scidex_{name}{{pool="{_POOL}"}} (\S+)$', text, re.MULTILINE)
        return int(float(found[1])) if found else 0


def _sleep(seconds: float, done: Callable[[], bool]) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and not done():
        time.sleep(0.1)


def soak(db: Database, folder: Path, *, seconds: float, rate: int, busy_seconds: float = BUSY_SECONDS) -> Seen:
    """Keep a market under traffic for so long, and return what was seen."""
    seen = Seen(seconds)
    with market_at_work(db, folder) as (address, texts, processes):
        traffic = Traffic(address, texts, seen)
        missed, rounds = traffic.gauge("missed_rounds"), traffic.gauge("rounds")
        ends = time.monotonic() + seconds

        def done() -> bool:
            return time.monotonic() >= ends

        threads = [threading.Thread(target=traffic.run, args=(rate, busy_seconds, done))]
        threads.append(threading.Thread(target=traffic.watch, args=(done,)))
        for thread in threads:
            thread.start()
        while not done():
            for process in processes:
                seen.samples[process.name].append((1 - (ends - time.monotonic()) / seconds, process.sample()))
            time.sleep(1.0)
        for thread in threads:
            thread.join()
        seen.missed_rounds = traffic.gauge("missed_rounds") - missed
        seen.rounds = traffic.gauge("rounds") - rounds
    return seen


def ratios(name: str, seen: Seen) -> Iterator[Ratio]:
    """Hold the last fifth of the time against the second one, and count what may not happen at all."""
    for process in seen.samples:
        for figure, unit in (("memory", "MB"), ("files", "files"), ("threads", "threads")):
            yield _growth(f"{name} soak, {figure} of the {process}", unit, seen.fifths(process, figure))
    for share in (0.5, 0.99):
        yield _growth(f"{name} soak, p{share * 100:.0f} of requests", "ms", seen.waits_in_fifths(share))
    failed = sum(count for status, count in seen.statuses.items() if status >= 400 or status == 0)
    asked = sum(seen.statuses.values())
    yield _none(f"{name} soak, requests that failed", failed, asked, f"answers by status: {dict(seen.statuses)}")
    yield _none(f"{name} soak, rounds missed", seen.missed_rounds, seen.rounds, "")


def _growth(name: str, unit: str, fifths: Sequence[float]) -> Ratio:
    second, last = fifths[1], fifths[-1]
    return Ratio(
        name=name,
        measured=last,
        limit=second,
        unit=unit,
        wanted=f"at most {MOST_GROWTH} × the second fifth",
        ratio=last / second,
        met=last <= MOST_GROWTH * second,
        also="by fifths: " + ", ".join(f"{value:,.4g}" for value in fifths),
    )


def _none(name: str, found: int, of: int, also: str) -> Ratio:
    return Ratio(name, found, of, "", "none", found / max(1, of), found == 0, also)


def _in_fifths(told: Iterable[tuple[float, float]]) -> list[list[float]]:
    found: list[list[float]] = [[] for _ in range(_FIFTHS)]
    for at, value in told:
        found[min(_FIFTHS - 1, max(0, int(at * _FIFTHS)))].append(value)
    return found


def _medians(told: Iterable[tuple[float, float]]) -> list[float]:
    return [statistics.median(values) if values else 0.0 for values in _in_fifths(told)]


def on_both(folder: Path, server: PostgresServer, *, minutes: float, rate: int) -> Iterator[Ratio]:
    """Soak a market on each database, both at the same time."""
    with ExitStack() as open_, TemporaryDirectory(dir=folder) as place, ThreadPoolExecutor(2) as threads:
        markets = {"sqlite": sqlite_market(folder), "postgres": postgres_market(server)}
        waiting = []
        for name, market in markets.items():
            db = open_.enter_context(market)
            own = Path(place) / name
            own.mkdir()
            waiting.append((name, threads.submit(soak, db, own, seconds=60 * minutes, rate=rate)))
        for name, seen in waiting:
            yield from ratios(name, seen.result())

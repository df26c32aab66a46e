"""Each variable of the environment changes what the reference says of it."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest

from scidex import keyring, settings
from scidex.errors import TooManyOpenBids
from scidex.exchange import backlog, compute_auction, cycle, leases, services, sweeper, token_ledger, workers
from scidex.settings import Settings
from scidex.store import connect
from scidex.web.serving import running_server
from tests.market import NOON, after
from tests.raw_sql import query
from tests.settings.market import WALLET, Market, day
from tests.web.doors import headers_for

Story = Callable[[Market], Any]


class Trial(NamedTuple):
    """A value and another one, and what is seen in one story by each; `postgres` where SQLite has nothing to show."""

    values: tuple[Any, Any]
    story: Story
    seen: tuple[Any, Any]
    postgres: bool = False


def _where_commands_look(market: Market) -> str:
    """Return the file that a command works on that names no market."""
    return Path(settings.from_environment().database_url).name


def _bid(market: Market) -> int:
    market.task(10.0)
    return market.bids()[0]


def _income(market: Market) -> int:
    market.task(10.0)
    return market.income(day(1))


def _refill(market: Market) -> int:
    """Return what a quest has more after a run whose impact of 10 USD was attested, in a slot that cost 600 tokens."""
    market.task(1.0)
    market.income(NOON)
    before = market.balance()
    market.record(claimed=10.0, realised=10.0, runs=1)
    return market.balance() - before + 600


def _attempts_until_failed(market: Market) -> int:
    task_id = market.task(10.0)
    for attempt in range(1, 9):
        market.cycle(after(attempt))
        [work] = services.won_slots(WALLET, db=market.db)
        services.start(work, now=after(attempt), db=market.db)
        services.finish(work, succeeded=False, actual_cost_tokens=1, now=after(attempt), db=market.db)
        if backlog.get_task(task_id, db=market.db).status == "failed":
            return attempt
    raise AssertionError("it never failed for good")


def _losses_until_held(market: Market) -> int:
    """Return how many workers are lost while they run a task before it is held."""
    task_id = market.task(10.0)
    token_ledger.create_account("worker:w", kind="worker", now=NOON, db=market.db)
    for loss in range(1, 9):
        now = after(10 * loss)
        workers.register_worker(f"w{loss}", "worker:w", lease_seconds=60.0, now=now, db=market.db)
        workers.keep_offers(f"w{loss}", 1, now=now, db=market.db)
        market.cycle(now)
        assert leases.lease_next(f"w{loss}", now=now, db=market.db) is not None
        sweeper.sweep(after(10 * loss + 2), db=market.db)
        if backlog.get_task(task_id, db=market.db).status == "held":
            return loss
    raise AssertionError("it was never held")


def _interval(market: Market) -> float:
    return cycle.cycle_status(now=NOON, db=market.db).interval_seconds


def _minutes_until_fallback(market: Market) -> int:
    """Return after how many minutes without a cycle agents go by the split, where cycles are due every minute."""
    cycle.run_cycle(now=NOON, db=market.db)
    return next(m for m in range(60) if cycle.current_mode(now=after(m), db=market.db) == "fallback")


def _bids_until_refused(market: Market) -> int:
    for count in range(9):
        try:
            compute_auction.place_bid(WALLET, f"errand-{count}", 1, now=NOON, db=market.db)
        except TooManyOpenBids:
            return count
    raise AssertionError("none was refused")


def _time_to_live(market: Market) -> timedelta:
    return compute_auction.place_bid(WALLET, "errand", 1, now=NOON, db=market.db).ttl_at - NOON


def _lease(market: Market) -> float:
    return workers.register_worker("w#1", WALLET, now=NOON, db=market.db).lease_seconds


def _deadline_of_statements(market: Market) -> str:
    """Return the deadline that the server itself keeps."""
    with connect(market.db.url) as db:
        db.write(lambda tx: tx.script("CREATE TABLE seen AS SELECT current_setting('statement_timeout') AS deadline"))
        return str(query(db, "SELECT deadline FROM seen")[0]["deadline"])


def _connections_for_writes(market: Market) -> int:
    with connect(market.db.url) as db:
        return db.writers


def _file_of_a_key(market: Market) -> str:
    keyring.announce("http://127.0.0.1:1", "k")
    [file] = keyring.folder().glob("*.served-key")
    return file.parent.name


def _bids_in_one_batch(market: Market) -> tuple[int, int]:
    """Return how a server answers to a batch of two bids and to one of four."""
    with _served(market, headers_for(market.db, WALLET, "bid")) as client:
        return _batch(client, 2), _batch(client, 4)


def _batch(client: httpx2.Client, size: int) -> int:
    bids = [{"bidder_id": WALLET, "task_id": f"errand-{size}-{one}", "max_price_tokens": 1} for one in range(size)]
    posted = client.post("/api/compute-auction/bids", json=bids, headers={"Idempotency-Key": str(size)})
    return posted.status_code


def _requests_in_a_row(market: Market) -> set[int]:
    """Return how a server answers to a hundred requests in a row."""
    with _served(market, headers_for(market.db, WALLET, "read")) as client:
        return {client.get("/api/compute-auction/order-book").status_code for _ in range(100)}


def _strangers_in_a_row(market: Market) -> set[int]:
    with _served(market, {}) as client:
        return {client.get("/api/compute-auction/order-book").status_code for _ in range(100)}


def _streams_of_one_key(market: Market) -> list[int]:
    """Return how a server answers to one key that opens three streams of events."""
    with _served(market, headers_for(market.db, WALLET, "read")) as client, ExitStack() as opened:
        return [opened.enter_context(client.stream("GET", "/api/events")).status_code for _ in range(3)]


def _idle_sockets_kept(market: Market) -> int:
    """Return how many of five connections that ask nothing a server keeps."""
    with running_server(market.db) as address, ExitStack() as opened:
        host, _, port = address.removeprefix("http://").rpartition(":")
        idle = [opened.enter_context(socket.create_connection((host, int(port)), timeout=0.5)) for _ in range(5)]
        return sum(map(_is_open, idle))


def _is_open(idle: socket.socket) -> bool:
    try:
        return bool(idle.recv(1))
    except ConnectionError:
        return False
    except TimeoutError:
        return True


@contextmanager
def _served(market: Market, headers: dict[str, str]) -> Iterator[httpx2.Client]:
    with running_server(market.db) as address, httpx2.Client(base_url=address, headers=headers, timeout=30) as client:
        yield client


TRIALS: dict[str, Trial] = {
    "database_url": Trial(("sqlite:///a.db", "sqlite:///b.db"), _where_commands_look, ("a.db", "b.db")),
    "tokens_per_usd": Trial((1_000, 50), _bid, (6_000, 300)),
    "daily_bucket_tokens": Trial((1_000_000, 70), _income, (1_000_000, 70)),
    "refill_percent": Trial((70, 10), _refill, (7_000, 1_000)),
    "most_attempts": Trial((3, 2), _attempts_until_failed, (3, 2)),
    "most_losses": Trial((3, 2), _losses_until_held, (3, 2)),
    "cycle_seconds": Trial((60, 5), _interval, (60, 5)),
    "fallback_after_cycles": Trial((3, 10), _minutes_until_fallback, (4, 11)),
    "most_open_bids": Trial((3, 5), _bids_until_refused, (3, 5)),
    "bid_hours": Trial((24, 2), _time_to_live, (timedelta(hours=24), timedelta(hours=2))),
    "lease_seconds": Trial((60, 7.5), _lease, (60, 7.5)),
    # The server's own is a fifth shorter, so that it is the one to end a statement.
    "database_deadline_seconds": Trial((30, 10), _deadline_of_statements, ("24s", "8s"), postgres=True),
    "postgres_connections": Trial((16, 2), _connections_for_writes, (16, 2), postgres=True),
    "key_directory": Trial(("one", "other"), _file_of_a_key, ("one", "other")),
    "most_bids_per_second": Trial((20_000, 3), _bids_in_one_batch, ((201, 201), (201, 429))),
    "most_requests_per_second": Trial((5_000, 3), _requests_in_a_row, ({200}, {200, 429})),
    "most_refusals_per_second": Trial((5_000, 3), _strangers_in_a_row, ({401}, {401, 429})),
    "most_connections": Trial((1_000, 4), _idle_sockets_kept, (5, 2)),
    "most_event_streams": Trial((200, 2), _streams_of_one_key, ([200, 200, 200], [200, 200, 429])),
    "most_event_streams_per_key": Trial((20, 1), _streams_of_one_key, ([200, 200, 200], [200, 429, 429])),
}


@contextmanager
def _market(request: pytest.FixtureRequest, folder: Path, *, postgres: bool) -> Iterator[Market]:
    with ExitStack() as opened:
        if postgres:
            url = opened.enter_context(request.getfixturevalue("postgres_markets").lend())
        else:
            url = f"sqlite:///{shutil.copy(request.getfixturevalue('sqlite_template'), folder / 'market.db')}"
        yield Market(opened.enter_context(connect(url)))


def test_every_variable_is_tried():
    assert TRIALS.keys() == vars(Settings()).keys()


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("name", TRIALS)
def test_a_variable_changes_what_it_says(request, monkeypatch, tmp_path, name, place):
    trial = TRIALS[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"SCIDEX_{name.upper()}", str(trial.values[place]))

    with _market(request, tmp_path, postgres=trial.postgres) as market:
        assert trial.story(market) == trial.seen[place]
